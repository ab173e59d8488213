"""Keys and signatures: what goes where, and what is never shown."""

import json

import pytest

from tests.venues.opinion import examples
from tests.venues.opinion.examples import EXCHANGE, NO_TOKEN, SECRETS, YES_TOKEN
from venues.base.http import Purpose, Request
from venues.base.orders import OrderId, Side
from venues.opinion.amounts import limit_amounts
from venues.opinion.feed import OpinionFeed
from venues.opinion.reads import get, post
from venues.opinion.signer import OpinionSigner


def test_the_key_is_a_header_of_requests_and_a_part_of_the_sockets_query() -> None:
    signer = examples.signer()
    for request in (get("/user/balance"), post("/order", {})):
        signed = signer.sign(request, 1)
        assert signed.headers == {**request.headers, "apikey": SECRETS["api_key"]}
        assert signed.query == request.query
    upgrade = signer.sign(OpinionFeed().handshake(), 1)
    assert upgrade.target == f"/?apikey={SECRETS['api_key']}"
    assert "apikey" not in upgrade.headers


def test_the_key_never_goes_to_the_chains_node() -> None:
    with pytest.raises(AssertionError):
        examples.signer().sign(Request(method="POST", path="", host="rpc", purpose=Purpose.DATA), 1)


def test_no_secret_is_shown() -> None:
    shown = repr(examples.signer())
    assert SECRETS["safe"] in shown
    assert SECRETS["api_key"] not in shown
    assert SECRETS["private_key"][2:] not in shown


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("private_key", "", "private_key: must be 32 bytes"),
        ("private_key", "0x" + "00" * 32, "private_key: is no secp256k1 key"),
        ("api_key", "", "api_key: must be printable"),
        ("api_key", "two words", "api_key: must be printable"),
        ("safe", "0x12", "safe: must be 20 bytes"),
        ("safe", "0xfb7e1c903389a6D5A36703C9e2AE356Ec885E15b", "safe: is the key's own address"),
    ],
)
def test_a_bad_credential_is_named_with_its_rule_and_not_repeated(name: str, value: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as caught:
        OpinionSigner(SECRETS | {name: value})
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize(("inverted", "token"), [(False, YES_TOKEN), (True, NO_TOKEN)])
@pytest.mark.parametrize(("side", "word"), [(Side.BUY, "0"), (Side.SELL, "1")])
def test_an_order_names_its_outcomes_token_and_the_amounts_it_signs(
    inverted: bool, token: str, side: Side, word: str
) -> None:
    order = examples.order(listing=examples.listing(inverted=inverted), side=side)
    signed = examples.signer().signed(order)
    maker, taker = limit_amounts(order)
    assert (signed.token_id, signed.side) == (token, word)
    assert (signed.maker_amount, signed.taker_amount) == (str(maker), str(taker))
    assert (signed.topic_id, signed.price, signed.timestamp) == (5120, "0.42", order.created_ms // 1000)
    assert signed.signature == signed.sign


def test_the_same_order_makes_the_same_bytes_and_another_one_another_salt() -> None:
    signer = examples.signer()
    bodies = [post("/order", signer.signed(examples.order())).body for _ in range(2)]
    assert bodies[0] == bodies[1]
    assert "postOnly" not in json.loads(bodies[0])
    others = [examples.order(salt=1), examples.order(order_id=OrderId("another"))]
    salts = {signer.signed(order).salt for order in [examples.order(), *others]}
    assert len(salts) == 3
    assert all(int(salt) >= 1 << 64 for salt in salts), "at least 64 random bits (card 9)"


def test_the_signature_depends_on_the_exchange() -> None:
    signer, order = examples.signer(), examples.order()
    elsewhere = examples.order(listing=examples.listing(exchange="0x" + "11" * 20))
    assert signer.signed(order).signature != signer.signed(elsewhere).signature
    assert order.listing.details["exchange"] == EXCHANGE
