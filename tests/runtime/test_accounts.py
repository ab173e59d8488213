"""Credentials of an account: every mistake is named by key and rule, and no value is ever shown."""

import pytest

from router.core.model import AccountId
from router.runtime.accounts import CredentialError, open_account
from venues import discover
from venues.base.contract import Venue

WHO = AccountId("acct-1")
HUSH = "hush-hush-hush"


@pytest.fixture(params=sorted(discover()))
def venue(request: pytest.FixtureRequest) -> Venue:
    return discover()[request.param]


def good(venue: Venue) -> dict[str, str]:
    return dict(venue.simulator(1).open_account({"balance": "1"}, 1_795_000_000_000))


def test_good_credentials_make_an_account_that_shows_none_of_them(venue: Venue) -> None:
    secrets = good(venue)
    account = open_account(WHO, {venue.name: secrets}, discover())
    assert account.venues == {venue.name}
    hidden = [secrets[s.name] for s in venue.secrets if s.secret and s.name in secrets]
    assert hidden
    assert not any(value in repr(account) + str(account) for value in hidden)


def test_a_missing_credential_is_named_with_where_to_find_it(venue: Venue) -> None:
    needed = next(secret for secret in venue.secrets if secret.required)
    secrets = {name: value for name, value in good(venue).items() if name != needed.name}
    with pytest.raises(CredentialError) as refused:
        open_account(WHO, {venue.name: secrets}, discover())
    assert (
        str(refused.value)
        == f"accounts.acct-1.credentials.{venue.name}.{needed.name}: missing; {needed.where}"
    )


def test_an_unknown_credential_is_named(venue: Venue) -> None:
    with pytest.raises(CredentialError, match=rf"{venue.name}\.nonsense: no such credential; known are"):
        open_account(WHO, {venue.name: good(venue) | {"nonsense": HUSH}}, discover())


def test_a_credential_that_cannot_be_used_is_refused_without_being_shown(venue: Venue) -> None:
    refusals: dict[str, str] = {}
    for secret in venue.secrets:
        try:
            open_account(WHO, {venue.name: good(venue) | {secret.name: HUSH}}, discover())
        except CredentialError as error:
            refusals[secret.name] = str(error)
    assert refusals
    for text in refusals.values():
        assert text.startswith(f"accounts.acct-1.credentials.{venue.name}: ")
    shown = {secret.name for secret in venue.secrets if not secret.secret}
    assert not any(HUSH in text for name, text in refusals.items() if name not in shown)
