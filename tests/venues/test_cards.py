"""What every venue's card says of its credentials."""

import pytest

from venues import discover
from venues.base.contract import Venue


@pytest.fixture(params=sorted(discover()))
def venue(request: pytest.FixtureRequest) -> Venue:
    return discover()[request.param]


def test_something_can_be_replaced_while_orders_are_open_and_a_wallet_cannot(venue: Venue) -> None:
    assert any(secret.rotates for secret in venue.secrets)
    assert not any(secret.rotates and secret.wallet for secret in venue.secrets)
    assert sum(secret.wallet for secret in venue.secrets) <= 1


def test_what_only_proves_who_asks_leaves_the_account_who_it_is(venue: Venue) -> None:
    """Two customers of the venue: with the API keys of the second, the first still shows its own wallet."""
    simulator = venue.simulator(1)
    first, second = (dict(simulator.open_account({"balance": "1"}, 1_790_000_000_000)) for _ in range(2))
    rotating = {secret.name for secret in venue.secrets if secret.rotates}
    replaced = first | {name: value for name, value in second.items() if name in rotating}
    wallets = {secret.name for secret in venue.secrets if secret.wallet}
    if wallets:
        assert repr(venue.signer(replaced)) == repr(venue.signer(first))
        assert repr(venue.signer(second)) != repr(venue.signer(first))
    else:
        assert replaced == first | second, "there the keys are all that says who asks"
