"""What a Predexon client may send, and what is said about everything else."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.model import Key, MarketOrder
from router.http.predexon.read import SCOPE, ParseError, asked, key
from venues.base.orders import Side

OUTCOME = "px-k3v7q2mzt5wd"


def body(**keys: object) -> bytes:
    return msgspec.json.encode({"predexonId": OUTCOME, **keys})


def market_order(raw: bytes) -> MarketOrder:
    return asked(raw).order


def test_a_buy_names_an_amount() -> None:
    wish = market_order(body(side="buy", amount="25.00"))
    assert (wish.side, wish.amount, wish.size, wish.requested) == (Side.BUY, 25_000_000, 0, "25")


def test_a_sell_names_a_size() -> None:
    wish = market_order(body(side="sell", size="0.50"))
    assert (wish.side, wish.amount, wish.size, wish.requested) == (Side.SELL, 0, 500_000, "0.5")


@pytest.mark.parametrize(
    ("text", "micros", "echo"),
    [
        ('"10.00"', 10_000_000, "10"),
        ('"007.10"', 7_100_000, "7.1"),
        ('"0.1234567"', 123_456, "0.1234567"),
        ("10", 10_000_000, "10"),
        ("10.5", 10_500_000, "10.5"),
        ("0.29", 290_000, "0.29"),
        ('"123456789012345678"', 123_456_789_012_345_678_000_000, "123456789012345678"),
    ],
)
def test_strings_and_numbers_are_read_exactly(text: str, micros: int, echo: str) -> None:
    raw = f'{{"predexonId":"{OUTCOME}","side":"buy","amount":{text}}}'
    wish = market_order(raw.encode())
    assert (wish.amount, wish.requested) == (micros, echo)


@given(st.integers(1, 10**15), st.integers(0, 6))
def test_no_digit_is_lost(value: int, digits: int) -> None:
    text = f"{value // 10**digits}.{value % 10**digits:0{digits}d}" if digits else str(value)
    for written in (f'"{text}"', text):
        raw = f'{{"predexonId":"{OUTCOME}","side":"sell","size":{written}}}'
        assert market_order(raw.encode()).size == value * 10 ** (6 - digits)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "body: "),
        (b"{", "body: "),
        (b"[]", "body: "),
        (b"\xff", "body: "),
        (b'{"predexonId":"px-aaaaaaaa","side":"buy","amount":"\xff"}', "body: "),
        (b'{"predexonId":"px-aaaaaaaa","side":"buy","amount":"1","note":"\xff"}', "body: "),
        (b"[" * 60_000, "body: "),
        (b'{"predexonId":"px-aaaaaaaa","side":"buy","x":' + b"[" * 60_000, "body: "),
        (b'{"side":"buy","amount":"1"}', "predexonId: required"),
        (b'{"predexonId":7,"side":"buy","amount":"1"}', "predexonId: "),
        (b'{"predexonId":"px-","side":"buy","amount":"1"}', "predexonId: "),
        (b'{"predexonId":"px-AAAAAAAA","side":"buy","amount":"1"}', "predexonId: "),
        (b'{"predexonId":"px-aaaaaaaa\\n","side":"buy","amount":"1"}', "predexonId: "),
        (body(amount="1"), "side: required"),
        (body(side="BUY", amount="1"), "side: "),
        (body(side="buy"), "amount: required"),
        (body(side="buy", amount=None), "amount: required"),
        (body(side="sell", amount="1"), "amount: not allowed"),
        (body(side="buy", size="1", amount="1"), "size: not allowed"),
        (body(side="sell"), "size: required"),
        (body(side="buy", amount="0"), "amount: must be greater than zero"),
        (body(side="buy", amount="0.00"), "amount: must be greater than zero"),
        (body(side="buy", amount="0.0000001"), "amount: must be at least 0.000001"),
        (body(side="buy", amount="-1"), "amount: "),
        (body(side="buy", amount="+1"), "amount: "),
        (body(side="buy", amount="1e3"), "amount: "),
        (body(side="buy", amount=" 1"), "amount: "),
        (body(side="buy", amount="1."), "amount: "),
        (body(side="buy", amount=".5"), "amount: "),
        (body(side="buy", amount="NaN"), "amount: "),
        (body(side="buy", amount="1_000"), "amount: "),
        (body(side="buy", amount="\u0661"), "amount: "),
        (body(side="buy", amount="1234567890123456789"), "amount: "),
        (body(side="buy", amount=True), "amount: "),
        (body(side="buy", amount=["1"]), "amount: "),
        (body(side="buy", amount={"value": "1"}), "amount: "),
        (b'{"predexonId":"px-aaaaaaaa","side":"buy","amount":1e3}', "amount: "),
        (b'{"predexonId":"px-aaaaaaaa","side":"buy","amount":-1}', "amount: "),
        (body(side="buy", amount="1", type="limit"), "type: "),
        (body(side="buy", amount="1", type="limit", price=0.5), "type: "),
        (body(side="buy", amount="1", price="0.5"), "price: "),
        (body(side="buy", amount="1", bridgeEnabled=True), "bridgeEnabled: "),
        (body(side="buy", amount="1", bridgeEnabled="false"), "bridgeEnabled: "),
        (body(side="buy", amount="1", bridgeEnabled=0), "bridgeEnabled: "),
        (body(side="buy", amount="1", confirm="true"), "confirm: "),
        (body(side="buy", amount="1", confirm=1), "confirm: "),
    ],
)
def test_what_cannot_be_an_order_is_refused_by_field(raw: bytes, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        market_order(raw)
    assert str(refused.value).startswith(message)


def test_what_the_newer_clients_always_send_is_no_obstacle() -> None:
    wish = asked(body(side="buy", amount=5, type="market", bridgeEnabled=False, clientOrderId="c"))
    assert (wish.order.amount, wish.client_order_id) == (5_000_000, "c")
    assert asked(body(side="buy", amount=5, clientOrderId=None)).client_order_id is None


LONGEST = "k" * 255


@pytest.mark.parametrize(
    ("headers", "given", "known"),
    [
        ([], None, None),
        (["a"], None, "a"),
        ([], "b", "b"),
        (["c"], "c", "c"),
        (["!~"], None, "!~"),
        ([LONGEST], None, LONGEST),
        ([], LONGEST, LONGEST),
    ],
)
def test_a_key_comes_as_header_or_in_the_body(
    headers: list[str], given: str | None, known: str | None
) -> None:
    told = asked(body(side="buy", amount=5, clientOrderId=given)).client_order_id
    assert key(headers, told) == (None if known is None else Key(SCOPE, known))


@pytest.mark.parametrize("text", ["", " ", "a b", "a\tb", "a\n", "\x7f", "\u00e9", "\udce9", "k" * 256])
def test_what_is_no_key_is_refused_by_name_and_never_shortened(text: str) -> None:
    with pytest.raises(ParseError, match=r"^idempotency-key: must be 1 to 255 visible ASCII"):
        key([text], None)
    raw = f'{{"predexonId":"{OUTCOME}","side":"buy","amount":5,"clientOrderId":{json.dumps(text)}}}'
    with pytest.raises(ParseError):
        asked(raw.encode())


@pytest.mark.parametrize("given", [7, True, ["a"], {"a": 1}])
def test_an_id_that_is_no_string_is_refused(given: object) -> None:
    with pytest.raises(ParseError, match=r"^clientOrderId: must be a string"):
        asked(body(side="buy", amount=5, clientOrderId=given))


def test_two_different_keys_are_refused() -> None:
    with pytest.raises(ParseError, match="clientOrderId: must equal"):
        key(["a"], "b")
    with pytest.raises(ParseError, match="given more than once"):
        key(["a", "a"], None)


WRAPPED = st.binary(max_size=20).map(
    lambda raw: b'{"predexonId":"px-aaaaaaaa","side":"buy","amount":"' + raw + b'"}'
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | WRAPPED)
def test_any_bytes_are_an_order_or_a_parse_error(raw: bytes) -> None:
    with contextlib.suppress(ParseError):
        market_order(raw)


def test_the_same_order_in_other_words_is_the_same_order() -> None:
    plain, wordy = body(side="buy", amount="10"), body(note="x", type="market", amount=10.00, side="buy")
    assert asked(plain) == asked(wordy)
    assert asked(plain) != asked(body(side="buy", amount="10.0000001"))
