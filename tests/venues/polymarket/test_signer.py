"""Credentials are checked when they are read, and never shown."""

import pytest

from tests.venues.polymarket import world
from venues.base.http import Purpose, Request
from venues.polymarket.orders import draft_of
from venues.polymarket.signer import PolymarketSigner

OTHER = "0x51b7C68A71dCcBc0b7FA4400934a293D8f4d3Ba8"


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        ({"private_key": ""}, "private_key: must be 32 bytes"),
        ({"private_key": "0x12"}, "private_key: must be 32 bytes"),
        ({"api_key": ""}, "api_key: must"),
        ({"api_passphrase": "a\nb"}, "api_passphrase: must"),
        ({"api_secret": "!"}, "api_secret: must be url-safe base64"),
        ({"api_secret": ""}, "api_secret: must be url-safe base64"),
        ({"signature_type": "4"}, "signature_type: must be 0"),
        ({"chain_id": "1"}, "chain_id: must be 137"),
        ({"funder": OTHER}, "funder: with signature_type 0"),
        ({"signature_type": "2", "funder": "0x12"}, "funder: must be 20 bytes"),
        ({"signature_type": "2"}, f"funder: needed for signature_type 2; this key's is {OTHER}"),
    ],
)
def test_a_bad_credential_is_named_with_its_rule(wish: dict[str, str], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        PolymarketSigner(world.SECRETS | wish)


def test_no_secret_shows_in_a_repr_or_an_error() -> None:
    shown = repr(PolymarketSigner(world.SECRETS))
    for name in ("private_key", "api_secret", "api_passphrase"):
        assert world.SECRETS[name] not in shown
        with pytest.raises(ValueError, match=name) as caught:
            PolymarketSigner(world.SECRETS | {name: "secret\n"})
        assert "secret\n" not in str(caught.value)


def test_the_query_is_not_signed_and_the_body_is() -> None:
    signer = world.signer()
    bare = Request(method="GET", path="/data/orders", purpose=Purpose.ACCOUNT)
    asked = Request(method="GET", path="/data/orders", purpose=Purpose.ACCOUNT, query=(("id", "1"),))
    filled = Request(method="GET", path="/data/orders", purpose=Purpose.ACCOUNT, body=b"{}")
    signatures = [signer.sign(request, 1_000).headers["POLY_SIGNATURE"] for request in (bare, asked, filled)]
    assert signatures[0] == signatures[1] != signatures[2]


def test_two_orders_that_differ_in_salt_or_time_have_different_hashes() -> None:
    signer = world.signer()
    orders = [world.order(), world.order(salt=1), world.order(created_ms=1)]
    assert len({signer.order_hash(draft_of(order)) for order in orders}) == 3
