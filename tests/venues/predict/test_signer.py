"""Credentials are checked when they are read and never shown; the token goes where it is wanted."""

import pytest

from tests.venues.predict import world
from venues.base.http import Purpose, Request
from venues.base.orders import Side
from venues.kit.erc20 import balance_request
from venues.predict.orders import draft_of
from venues.predict.signer import TOKEN_MS, PredictSigner

ACCOUNT = "0xF5b4563514bB2F010dB2dC48f90636D2eF7b5318"


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ({"private_key": ""}, "private_key: must be 32 bytes"),
        ({"private_key": "0x12"}, "private_key: must be 32 bytes"),
        ({"api_key": ""}, "api_key: must be printable"),
        ({"api_key": "a\nb"}, "api_key: must be printable"),
        ({"chain_id": "1"}, "chain_id: must be 56"),
        ({"account": "0x12"}, "account: must be 20 bytes"),
    ],
)
def test_a_bad_credential_is_named_with_its_rule(wish: dict[str, str], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        PredictSigner(world.SECRETS | wish)


def test_no_secret_shows_in_a_repr_or_an_error() -> None:
    signer = world.signer(account=ACCOUNT)
    shown = repr(signer)
    assert ACCOUNT in shown
    for secret in (*world.SECRETS.values(), world.TOKEN):
        assert secret not in shown
    with pytest.raises(ValueError, match="not a session token") as caught:
        signer.keep("two words")
    assert "two words" not in str(caught.value)


def call(path: str, host: str = "rest") -> Request:
    return Request(method="GET", path=path, purpose=Purpose.ACCOUNT, host=host, private=True)


@pytest.mark.parametrize(
    ("path", "host", "wanted"),
    [
        ("/v1/orders", "rest", True),
        ("/v1/orders/0x12", "rest", True),
        ("/v1/positions", "rest", True),
        ("/v1/account", "rest", True),
        ("/v1/auth", "rest", False),
        ("/v1/auth/message", "rest", False),
        ("/v1/markets/1", "rest", False),
        ("/ws", "socket", False),
        ("/v1/orders", "rpc", False),
    ],
)
def test_the_token_goes_only_where_it_is_wanted(path: str, host: str, wanted: bool) -> None:
    headers = world.signer().sign(call(path, host), world.NOW_MS).headers
    assert headers["x-api-key"] == world.SECRETS["api_key"]
    assert headers.get("Authorization") == (f"Bearer {world.TOKEN}" if wanted else None)
    assert "Authorization" not in world.signer(logged_in=False).sign(call(path, host), 0).headers


def test_a_call_to_the_chain_carries_no_credential() -> None:
    signer = world.signer()
    assert not balance_request(signer.collateral, signer.maker).private


def test_a_token_is_fresh_for_twenty_hours_from_when_it_came() -> None:
    signer = world.signer()
    assert signer.fresh(world.NOW_MS + TOKEN_MS - 1)
    assert not signer.fresh(world.NOW_MS + TOKEN_MS)
    signer.forget()
    assert not signer.fresh(world.NOW_MS)


def test_orders_that_differ_in_anything_signed_have_different_hashes() -> None:
    signer = world.signer()
    orders = [
        world.order(),
        world.order(salt=1),
        world.order(created_ms=1_000),
        world.order(side=Side.SELL),
        world.order(listing=world.listing(inverted=True)),
        world.order(listing=world.listing(neg_risk="true")),
        world.order(listing=world.listing(yield_bearing="true")),
        world.order(listing=world.listing(neg_risk="true", yield_bearing="true")),
        world.order(listing=world.listing(fee_rate_bps="100")),
    ]
    hashes = {signer.order_hash(draft_of(order)) for order in orders}
    hashes |= {
        other.order_hash(draft_of(orders[0]))
        for other in (world.signer(chain_id="97"), world.signer(account=ACCOUNT))
    }
    assert len(hashes) == len(orders) + 2
