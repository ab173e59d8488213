"""Customer accounts: which venues each one uses, and its keys there, parsed once."""

from collections.abc import Mapping
from functools import cached_property

import msgspec

from router.core.model import AccountId
from venues.base.contract import Signer, Venue


class Account(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One customer account. Its `repr` shows no secret: signers hide theirs."""

    account_id: AccountId
    signers: dict[str, Signer]
    """Enabled venue to keys. Another signer takes a place when the vault has new keys; no place is added."""

    @cached_property
    def venues(self) -> frozenset[str]:
        """The venues enabled for the account; found once, after all have their keys."""
        return frozenset(self.signers)


class CredentialError(Exception):
    """A credential cannot be used. The message names account, venue and rule, never the value."""


def open_account(
    account_id: AccountId, credentials: Mapping[str, Mapping[str, str]], venues: Mapping[str, Venue]
) -> Account:
    """Parse an account's credentials, venue by venue."""
    signers = {
        name: open_signer(f"accounts.{account_id}.credentials.{name}", venues[name], secrets)
        for name, secrets in credentials.items()
    }
    return Account(account_id=account_id, signers=signers)


def open_signer(at: str, venue: Venue, secrets: Mapping[str, str]) -> Signer:
    """Parse credentials at one venue; `at` is where they were found. Raises CredentialError."""
    known = {secret.name for secret in venue.secrets}
    if unknown := sorted(set(secrets) - known):
        raise CredentialError(f"{at}.{unknown[0]}: no such credential; known are {', '.join(sorted(known))}")
    for secret in venue.secrets:
        if secret.required and not secrets.get(secret.name):
            raise CredentialError(f"{at}.{secret.name}: missing; {secret.where}")
    try:
        return venue.signer(secrets)
    except ValueError as error:
        raise CredentialError(f"{at}: {error}") from error
