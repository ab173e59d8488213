"""The account's own stream: what it says, and what that proves about an order."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.limitless.examples import FOLDER, SECRETS, order, signer, talk_through
from venues.base.contract import PrivateEvent
from venues.base.events import Refused, Say
from venues.base.orders import (
    SHARES,
    Answer,
    Fee,
    Filled,
    News,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Size
from venues.limitless.link import SILENT_MS
from venues.limitless.orders import LimitlessOrders
from venues.limitless.private import LimitlessPrivate
from venues.limitless.signer import LimitlessSigner

OPEN = '0{"sid":"s","pingInterval":25000,"pingTimeout":60000}'
JOINED = '40/markets,{"sid":"n"}'
OURS = order().order_id
FRAMES = [
    json.loads(line)["frame"] for line in (FOLDER / "frames" / "limitless.jsonl").read_text().splitlines()
]
LOST = Unknown(OURS, "timeout")
HALF = Pending(OURS, "v1", Size(5 * ONE), Cash(2_100_000), "MATCHED, not settled yet")


def hear(*frames: str) -> list[PrivateEvent]:
    stream = LimitlessPrivate(signer())
    return [each for text in (OPEN, JOINED, *frames) for each in stream.receive(text, 0)][2:]


def event(**fields: Any) -> str:
    return "42/markets," + json.dumps(["orderEvent", fields])


def news(**fields: Any) -> News:
    [told] = hear(event(**fields))
    assert isinstance(told, News)
    return told


def trade(word: str, name: str = "t1", *, shares: int = 10, client: str | None = OURS, **more: Any) -> News:
    """A settlement event of our order as taker, at 0.42 and three percent."""
    size = shares * ONE
    fields = {
        "source": "SETTLEMENT", "type": word, "orderId": "v1", "takerOrderId": "v1", "clientOrderId": client,
        "eventId": f"{'matched' if word == 'MATCHED' else 'settlement'}:{name}:v1", "tradeEventId": name,
        "amountContracts": str(size), "amountCollateral": str(size * 42 // 100),
        "feeAmountContracts": str(size * 3 // 100), "feeAmountCollateral": "0", "price": "0.42", **more,
    }  # fmt: skip
    return news(**fields)


def engine(kind: str, status: str | None = None, **more: Any) -> News:
    fields = {
        "source": "OME", "type": kind, "orderId": "v1", "clientOrderId": OURS, "eventId": f"{kind}:v1",
        "price": 0.42, "remainingSize": 10_000_000, "side": "BUY", "token": "YES", **more,
    }  # fmt: skip
    return news(**fields | ({"status": status} if status else {}))


def heard(*told: News, answer: Answer | None = LOST, **fields: Any) -> Answer | None:
    return LimitlessOrders().heard(order(**fields), answer, told)


def filled(shares: int = 10) -> Filled:
    return Filled(OURS, "v1", Size(shares * ONE), Cash(shares * 420_000), Fee(shares * 30_000, SHARES))


# --- the connection ---


def test_the_handshake_is_signed_and_nothing_is_fetched_before() -> None:
    stream = LimitlessPrivate(signer())
    request = stream.handshake()
    assert (request.target, request.private, request.host) == (
        "/socket.io/?EIO=4&transport=websocket", True, "socket",
    )  # fmt: skip
    assert talk_through(stream.prepare(0), []) == (None, [])
    assert stream.opening() == stream.watch([]) == []


def test_order_events_are_subscribed_once_the_namespace_is_open() -> None:
    stream = LimitlessPrivate(signer())
    assert stream.receive(OPEN, 0) == [Say("40/markets,")]
    assert stream.receive(JOINED, 0) == [Say('42/markets,["subscribe_order_events",{}]')]
    assert stream.receive("2", 0) == [Say("3")]


@pytest.mark.parametrize(
    "frame", ["1", "41/markets,", '44/markets,{"message":"Invalid signature"}',
              '42/markets,["exception",{"status":"error","message":"Unauthorized"}]'],
)  # fmt: skip
def test_a_refusal_costs_the_connection(frame: str) -> None:
    [refused] = hear(frame)
    assert isinstance(refused, Refused)
    assert refused.fatal


def test_a_silent_connection_is_dead() -> None:
    stream = LimitlessPrivate(signer())
    stream.receive(OPEN, 0)
    stream.receive(JOINED, 0)
    assert stream.tick(SILENT_MS) == []
    [refused] = stream.tick(SILENT_MS + 1)
    assert isinstance(refused, Refused)


@pytest.mark.parametrize("name", ["system", "authenticated", "positions", "tx", "novelty"])
def test_what_concerns_no_order_is_no_news(name: str) -> None:
    assert hear("42/markets," + json.dumps([name, {"status": "CONFIRMED"}])) == []


@pytest.mark.parametrize("number", [7, "7"])
def test_an_event_whose_id_is_a_number_is_news_as_well(number: object) -> None:
    """Of the engine's own events only the last is known to have an id of text: the rest may be counted."""
    told = news(source="OME", eventId=number, type="PLACEMENT", orderId="v1", clientOrderId=OURS)
    assert (told.venue_order_id, told.told["event_id"]) == ("v1", "7")


# --- what it proves ---


def test_a_match_is_told_and_its_settlement_is_the_fill() -> None:
    told = heard(trade("MATCHED"))
    assert isinstance(told, Pending)
    assert (told.venue_order_id, told.size, told.cash) == ("v1", 10 * ONE, 4_200_000)
    assert heard(trade("MATCHED"), trade("MINED"), answer=told) == filled()
    assert heard(trade("MINED")) == filled()


def test_a_trade_that_failed_takes_back_what_was_told() -> None:
    answer = heard(trade("MATCHED"), trade("FAILED"))
    assert isinstance(answer, Rejected)
    assert answer.undone


def test_what_failed_of_a_resting_order_may_trade_again() -> None:
    for shares in (10, 6):
        told = [trade("FAILED", shares=shares)]
        told += [trade("MINED", "t2", shares=10 - shares)] if shares < 10 else []
        assert isinstance(heard(*told), Filled | Rejected)
        assert isinstance(heard(*told, time_in_force=TimeInForce.GTC), Pending)


def test_repeated_events_add_nothing() -> None:
    once = [trade("MATCHED", shares=5), trade("MINED", shares=5)]
    told = heard(*once, *once, *once)
    assert isinstance(told, Pending)
    assert told.size == 5 * ONE


def test_several_trades_make_up_one_order() -> None:
    told = [
        trade(word, name, shares=shares)
        for name, shares in (("t1", 4), ("t2", 6))
        for word in ("MATCHED", "MINED")
    ]
    assert heard(*told) == filled()
    assert isinstance(heard(*told[:3]), Pending)
    partly = [trade("MINED", "t1", shares=4), trade("FAILED", "t2", shares=6)]
    assert heard(*partly) == filled(4)


def test_a_part_that_is_settled_is_no_last_word() -> None:
    """The order may have more trades that were not heard of."""
    for end in ("FILLED", "PARTIALLY_FILLED", "KILLED"):
        told = heard(trade("MINED", shares=4), engine("EXECUTION", end))
        assert isinstance(told, Pending)
        assert told.size == 4 * ONE


def test_settlement_words_that_contradict_each_other_prove_nothing() -> None:
    told = heard(trade("MINED"), trade("FAILED"))
    assert isinstance(told, Pending)


@pytest.mark.parametrize("kind", ["PLACEMENT", "UPDATE", "CANCELLATION", "EXECUTION"])
def test_an_order_heard_of_exists_and_no_fills_are_counted_from_the_engine(kind: str) -> None:
    told = heard(engine(kind))
    assert isinstance(told, Pending)
    assert (told.venue_order_id, told.size) == ("v1", 0)
    assert heard(engine(kind), answer=told) is None


def test_trades_as_maker_are_left_to_the_look_up() -> None:
    told = heard(trade("MINED", takerOrderId="v9"), time_in_force=TimeInForce.GTC)
    assert isinstance(told, Pending)
    assert told.size == 0


def test_another_orders_news_mean_nothing() -> None:
    assert heard(trade("MINED", client="another")) is None
    assert heard(trade("MINED", client=None)) is None, "whose it is, is not known"
    assert heard(trade("MINED", client=None), answer=HALF) == filled(), (
        "it has the id that the venue gave ours"
    )
    assert heard(trade("MINED", client=None, orderId="v2", takerOrderId="v2"), answer=HALF) is None
    assert heard() is None


def test_news_never_lower_what_is_known() -> None:
    more = Pending(OURS, "v1", Size(10 * ONE), Cash(4_200_000), "MATCHED, not settled yet")
    assert heard(trade("MATCHED", shares=5), answer=more) is None
    assert heard(trade("MATCHED"), answer=HALF) is not None
    working = Working(OURS, "v1", Size(5 * ONE), Cash(2_100_000), Fee(0, "USDC"))
    assert heard(trade("MATCHED", shares=5), answer=working) is None


@pytest.mark.parametrize("last", [filled(4), Rejected(OURS, "x", "y")])
def test_a_last_word_stays(last: Answer) -> None:
    assert heard(trade("MINED"), answer=last) is None


@pytest.mark.parametrize(
    "wrong",
    [{"amountContracts": "-1"}, {"amountContracts": None}, {"amountCollateral": "4200001"},
     {"amountCollateral": "x"}, {"feeAmountCollateral": "1"}, {"amountCollateral": "0"}],
)  # fmt: skip
def test_amounts_that_cannot_be_this_orders_are_not_believed(wrong: dict[str, Any]) -> None:
    assert heard(trade("MINED", **wrong)) is None


def test_a_sale_pays_its_fee_in_money() -> None:
    told = trade("MINED", feeAmountContracts="0", feeAmountCollateral="60480")
    answer = heard(told, side=Side.SELL)
    assert answer == Filled(OURS, "v1", Size(10 * ONE), Cash(4_200_000), Fee(60_480, "USDC"))


def test_the_order_of_arrival_does_not_matter() -> None:
    told = [trade("MATCHED", "a", shares=4), trade("MINED", "a", shares=4), trade("MATCHED", "b", shares=6),
            trade("MINED", "b", shares=6), engine("EXECUTION", "FILLED")]  # fmt: skip
    assert {str(heard(*some)) for some in itertools.permutations(told)} == {str(filled())}


WORDS = st.sampled_from(["MATCHED", "MINED", "FAILED"])
TOLD = st.lists(st.tuples(WORDS, st.sampled_from(["a", "b", "c"])), max_size=12)
SHARES_OF = {"a": 5, "b": 3, "c": 2}


@given(TOLD)
def test_growing_news_never_lose_a_fill_nor_change_a_last_word(told: list[tuple[str, str]]) -> None:
    """As the runner keeps it: each answer is what the next news are compared with."""
    stream = [trade(word, name, shares=SHARES_OF[name]) for word, name in told]
    answer: Answer | None = None
    for count in range(len(stream) + 1):
        found = LimitlessOrders().heard(order(), answer, stream[:count])
        before = answer.size if isinstance(answer, Pending) else 0
        if isinstance(found, Pending):
            assert found.size >= before
        if isinstance(found, Filled):
            mined = {name for word, name in told[:count] if word == "MINED"}
            failed = {name for word, name in told[:count] if word == "FAILED"}
            assert mined | failed == set(SHARES_OF)
            assert found.size == sum(SHARES_OF[name] for name in mined) * ONE
        if isinstance(answer, Filled | Rejected):
            assert found is None
        answer = found or answer
        assert LimitlessOrders().heard(order(), answer, stream[:count]) is None, "idempotent"


@given(st.sampled_from(FRAMES), st.data())
def test_a_damaged_frame_raises_value_error_or_is_read(line: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(line) - 1))
    damaged = line[:at] + data.draw(st.text(max_size=3)) + line[at + data.draw(st.integers(0, 40)) :]
    stream = LimitlessPrivate(LimitlessSigner(SECRETS))
    try:
        events = stream.receive(damaged, 0)
    except ValueError:
        return
    LimitlessOrders().heard(order(), LOST, [each for each in events if isinstance(each, News)])
