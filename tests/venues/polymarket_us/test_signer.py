"""Keys are parsed once, refused with their name, and never shown. Signatures: the vectors."""

from base64 import b64encode

import msgspec
import pytest

from tests.venues.polymarket_us.examples import CREDENTIALS, SIGNER, order
from venues.base.contract import Heir
from venues.base.http import Purpose, Request
from venues.base.orders import OrderId
from venues.polymarket_us.signer import PolymarketUsSigner

REQUEST = Request(method="GET", path="/v1/orders/open", query=(("slugs", "a"),), purpose=Purpose.ACCOUNT)


def test_neither_query_nor_body_is_signed() -> None:
    bare = Request(method="GET", path="/v1/orders/open", purpose=Purpose.ACCOUNT, body=b"{}")
    assert SIGNER.sign(REQUEST, 5).headers == SIGNER.sign(bare, 5).headers
    assert SIGNER.sign(REQUEST, 5).headers != SIGNER.sign(REQUEST, 6).headers


def test_the_seed_alone_and_the_seed_with_its_public_key_sign_alike() -> None:
    long = {**CREDENTIALS, "secret_key": b64encode(bytes([1] * 32 + [9] * 32)).decode()}
    assert PolymarketUsSigner(long).sign(REQUEST, 5).headers == SIGNER.sign(REQUEST, 5).headers


def test_a_secret_may_be_broken_over_lines() -> None:
    secret = CREDENTIALS["secret_key"]
    broken = {**CREDENTIALS, "secret_key": f" {secret[:20]}\n{secret[20:]}\n"}
    assert PolymarketUsSigner(broken).sign(REQUEST, 5).headers == SIGNER.sign(REQUEST, 5).headers


@pytest.mark.parametrize(
    ("named", "value"),
    [
        ("key_id", ""),
        ("key_id", "bad\nid"),
        ("secret_key", ""),
        ("secret_key", "AQEB"),
        ("secret_key", "!" * 44),
    ],
)
def test_a_bad_secret_is_named_and_not_repeated(named: str, value: str) -> None:
    with pytest.raises(ValueError, match=named) as refused:
        PolymarketUsSigner({**CREDENTIALS, named: value})
    assert not value or value not in str(refused.value)


def test_nothing_secret_is_shown() -> None:
    assert repr(SIGNER) == f"PolymarketUsSigner(key_id={CREDENTIALS['key_id']!r})"


def test_newer_keys_of_the_account_know_whose_the_venues_orders_are() -> None:
    """Also what is learnt with the older ones afterwards: an order under way may still be theirs."""
    before, after = PolymarketUsSigner(CREDENTIALS), PolymarketUsSigner(CREDENTIALS)
    assert isinstance(after, Heir)
    after.inherit(before)
    mine, twin = [msgspec.structs.replace(order(), order_id=OrderId(name)) for name in ("mine", "twin")]
    before.claims.own(mine, "venue-1")
    assert after.claims.free(mine, "venue-1")
    assert not after.claims.free(twin, "venue-1")
