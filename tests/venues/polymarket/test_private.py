"""The user channel says what a look-up would say, sooner, in any order, and never more."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket import world
from venues.base.events import Say
from venues.base.http import Purpose
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    News,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Size
from venues.polymarket.answers import CANCELLED, MATCHED
from venues.polymarket.orders import PolymarketOrders, draft_of
from venues.polymarket.private import PolymarketPrivate

SIGNER = world.signer()
ORDERS = PolymarketOrders()
IOC = world.order()
GTC = world.order(time_in_force=TimeInForce.GTC, size=Size(20_000_000))
HASH, REST = (SIGNER.order_hash(draft_of(order)) for order in (IOC, GTC))
OWN = world.SECRETS["api_key"]
TOLD = Pending(IOC.order_id, HASH, Size(19_230_700), Cash(10_000_000), MATCHED)
WHOLE = Filled(IOC.order_id, HASH, Size(19_230_700), Cash(9_999_964), Fee(239_990, "pUSD"))
KILLED = {
    "event_type": "order", "type": "CANCELLATION", "id": HASH,
    "status": "CANCELED_order couldn't be fully filled. FOK orders are fully filled or killed.",
    "size_matched": "", "original_size": "12", "price": "0.6", "side": "BUY", "order_type": "FOK",
    "created_at": "", "timestamp": "1795000065000", "associate_trades": [], "market": world.CONDITION,
    "asset_id": world.TOKEN, "owner": OWN, "order_owner": OWN, "outcome": "", "expiration": "0",
    "maker_address": SIGNER.maker,
}  # fmt: skip
"""As in section 8 of the card."""


def order_event(status: str, matched: str, order_hash: str = HASH, kind: str = "UPDATE") -> dict[str, Any]:
    return KILLED | {"type": kind, "id": order_hash, "status": status, "size_matched": matched}


def trade_event(status: str, size: str = "19.2307", trade_id: str = "t1", **wish: Any) -> dict[str, Any]:
    """One step of a trade that our order took; `maker_hash` makes it a trade that our order made."""
    maker_hash = wish.pop("maker_hash", "")
    maker = {
        "order_id": maker_hash or "0x11", "owner": OWN if maker_hash else "another", "matched_amount": size,
        "price": "0.52", "asset_id": world.TOKEN, "outcome": "Yes", "side": "BUY" if maker_hash else "SELL",
    }  # fmt: skip
    usual = {
        "event_type": "trade", "type": "TRADE", "id": trade_id, "asset_id": world.TOKEN, "size": size,
        "taker_order_id": "0x22" if maker_hash else HASH, "owner": "another" if maker_hash else OWN,
        "side": "SELL" if maker_hash else "BUY", "price": "0.52", "status": status, "maker_orders": [maker],
        "market": world.CONDITION, "match_time": "1795000000", "last_update": "1795000001",
        "timestamp": "1795000001", "trade_owner": OWN, "outcome": "Yes",
    }  # fmt: skip
    return usual | wish


def news(*events: dict[str, Any]) -> list[News]:
    stream = PolymarketPrivate(SIGNER)
    told = [each for event in events for each in stream.receive(json.dumps(event), 0)]
    return [each for each in told if isinstance(each, News)]


def heard(answer: Answer | None, *events: dict[str, Any], order: Order = IOC) -> Answer | None:
    return ORDERS.heard(order, answer, news(*events))


# --- the connection ---


def test_the_first_message_proves_who_we_are_and_asks_for_all_markets() -> None:
    stream = PolymarketPrivate(SIGNER)
    [said] = stream.opening()
    assert isinstance(said, Say)
    assert json.loads(said.text) == {
        "type": "user",
        "auth": {
            "apiKey": OWN,
            "secret": world.SECRETS["api_secret"],
            "passphrase": world.SECRETS["api_passphrase"],
        },
    }
    shake = stream.handshake()
    assert (shake.host, shake.path, shake.private, shake.purpose) == (
        "socket",
        "/ws/user",
        False,
        Purpose.ACCOUNT,
    )
    assert stream.watch([world.TOKEN]) == []
    with pytest.raises(StopIteration):
        next(stream.prepare(0))


def test_a_ping_is_said_every_ten_seconds_and_its_answer_means_nothing() -> None:
    stream = PolymarketPrivate(SIGNER)
    said = [at for at in range(0, 30_001, 500) if stream.tick(at) == [Say("PING")]]
    assert said == [0, 10_000, 20_000, 30_000]
    assert stream.receive("PONG", 0) == stream.receive(b"PONG", 0) == []


def test_events_come_alone_or_in_an_array_and_unknown_ones_mean_nothing() -> None:
    stream = PolymarketPrivate(SIGNER)
    both = [order_event("LIVE", "0"), {"event_type": "fireworks"}, trade_event("MATCHED")]
    told = stream.receive(json.dumps(both), 0)
    assert [each.venue_order_id for each in told if isinstance(each, News)] == [HASH, HASH]


@pytest.mark.parametrize(
    "frame",
    ["", "INVALID OPERATION", "{}", "[1]", '{"event_type":"order"}', '{"event_type":"trade","id":5}',
     "[" * 100_000, json.dumps(trade_event("MATCHED", maker_orders=[{"order_id": 1}]))],
)  # fmt: skip
def test_a_frame_that_cannot_be_read_needs_a_new_connection(frame: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PolymarketPrivate(SIGNER).receive(frame, 0)


def test_a_trade_is_news_of_our_own_orders_alone() -> None:
    strange = {"order_id": "0x33", "owner": "another", "matched_amount": "1", "price": "0.5", "asset_id": "1"}
    mine = strange | {"order_id": REST.upper().replace("0X", "0x"), "owner": OWN}
    by_wallet = strange | {"order_id": "0x44", "maker_address": SIGNER.maker.lower()}
    taken = trade_event(
        "MATCHED", taker_order_id="0x55", owner="another", maker_orders=[strange, mine, by_wallet]
    )
    assert [each.venue_order_id for each in news(taken)] == [REST, "0x44"]
    assert [each.venue_order_id for each in news(trade_event("MATCHED"))] == [HASH]
    shouted = order_event("LIVE", "0", HASH.upper())
    assert [each.venue_order_id for each in news(shouted)] == [HASH]


# --- what it proves ---


def test_an_order_is_final_when_all_that_its_reply_told_is_mined() -> None:
    steps = [trade_event("MATCHED"), trade_event("MINED")]
    assert heard(TOLD, steps[0]) is None
    assert heard(TOLD, *steps) == WHOLE
    assert heard(None, *steps) == Pending(
        IOC.order_id, HASH, WHOLE.size, WHOLE.cash, "told by the account's stream"
    )


@pytest.mark.parametrize("status", ["MATCHED", "CANCELED", "CANCELED_ORDER_TIMED_OUT"])
def test_an_order_is_final_when_the_count_of_its_end_is_mined(status: str) -> None:
    end = order_event(status, "19.2307")
    assert heard(None, end, trade_event("MINED")) == WHOLE
    assert heard(None, end) is None, "not without the trades"
    assert heard(None, end, trade_event("MINED", "9")) != WHOLE
    assert isinstance(heard(None, end, trade_event("MINED", "19.2306")), Pending), (
        "a trade of dust is missing"
    )


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("MINED",), Filled), (("CONFIRMED",), Filled), (("TRADE_STATUS_CONFIRMED",), Filled),
        (("MATCHED",), None), (("MATCHED_NOT_BROADCASTED",), None), (("NEW",), None),
        (("MINED", "RETRYING"), None), (("RETRYING", "MINED"), None), (("RETRYING", "CONFIRMED"), Filled),
        (("FAILED",), Rejected), (("MINED", "FAILED"), Rejected), (("FAILED", "CONFIRMED"), None),
    ],
)  # fmt: skip
def test_a_trade_counts_by_the_most_certain_word_about_it(words: tuple[str, ...], kind: type | None) -> None:
    done = heard(TOLD, *map(trade_event, words))
    assert done is None if kind is None else isinstance(done, kind)
    if isinstance(done, Rejected):
        assert (done.code, done.undone) == ("settlement_failed", True)


def test_only_the_reply_to_an_immediate_order_tells_its_whole_amount() -> None:
    nine = trade_event("MINED", "9")
    unsure = Pending(IOC.order_id, HASH, Size(9_000_000), Cash(4_680_000), "more trades may follow")
    assert heard(unsure, nine) is None
    rests = Pending(GTC.order_id, REST, Size(9_000_000), Cash(4_680_000), MATCHED)
    assert heard(rests, nine | {"taker_order_id": REST}, order=GTC) is None


def test_the_largest_count_of_an_end_is_its_whole_amount() -> None:
    ends = [order_event("CANCELED", "9"), order_event("MATCHED", "19.2307"), order_event("CANCELED", "9")]
    assert isinstance(heard(None, *ends, trade_event("MINED", "9")), Pending)
    assert heard(None, *ends, trade_event("MINED")) == WHOLE


def test_the_last_digits_of_an_amount_are_no_news() -> None:
    assert heard(TOLD, trade_event("MATCHED", "19.230769")) is None
    assert isinstance(heard(TOLD, trade_event("MATCHED", "20.230769")), Pending)


def test_an_end_without_a_trade_is_left_to_the_look_up_however_small() -> None:
    assert heard(None, order_event("CANCELED", "0.00001")) is None


def test_a_failed_part_is_no_fill() -> None:
    parts = trade_event("CONFIRMED", "9"), trade_event("FAILED", "10.2307", "t2")
    done = heard(TOLD, *parts)
    assert isinstance(done, Filled)
    assert (done.size, done.cash) == (9_000_000, 4_680_000)


def test_a_killed_order_whose_count_is_empty_is_left_to_the_look_up() -> None:
    assert heard(None, KILLED) is None
    assert isinstance(heard(None, KILLED | {"size_matched": "0"}), Rejected)
    assert heard(None, order_event("UNMATCHED", "0")) is None
    assert heard(None, order_event("DELAYED", "0")) is None


def test_a_resting_order_is_working_then_filled_as_maker_without_a_fee() -> None:
    placed = order_event("LIVE", "0", REST, "PLACEMENT")
    rests = heard(None, placed, order=GTC)
    assert rests == Working(GTC.order_id, REST, Size(0), Cash(0), Fee(0, "pUSD"))
    assert heard(rests, placed, order=GTC) is None, "nothing new"
    met = [trade_event(status, "8", maker_hash=REST) for status in ("MATCHED", "MINED")]
    part = order_event("LIVE", "8", REST)
    assert isinstance(heard(rests, placed, met[0], part, order=GTC), Pending)
    fewer = trade_event("MINED", "3", maker_hash=REST)
    assert isinstance(heard(rests, placed, fewer, part, order=GTC), Pending), "five shares are not told of"
    grown = heard(rests, placed, *met, part, order=GTC)
    assert grown == Working(GTC.order_id, REST, Size(8_000_000), Cash(4_160_000), Fee(0, "pUSD"))
    gone = heard(grown, placed, *met, part, order_event("CANCELED", "8", REST, "CANCELLATION"), order=GTC)
    assert gone == Filled(GTC.order_id, REST, Size(8_000_000), Cash(4_160_000), Fee(0, "pUSD"))
    empty = heard(rests, placed, order_event("CANCELED", "0", REST, "CANCELLATION"), order=GTC)
    assert empty == Filled(GTC.order_id, REST, Size(0), Cash(0), Fee(0, "pUSD"))


def test_an_old_word_does_not_put_a_cancelled_order_back_on_the_book() -> None:
    gone = Pending(GTC.order_id, REST, Size(0), Cash(0), CANCELLED)
    assert heard(gone, order_event("LIVE", "0", REST, "PLACEMENT"), order=GTC) is None


def test_what_has_its_last_word_is_not_touched() -> None:
    events = order_event("MATCHED", "19.2307"), trade_event("CONFIRMED")
    assert heard(WHOLE, *events) is None
    assert heard(Rejected(IOC.order_id, "x", "x"), *events) is None
    assert ORDERS.heard(IOC, None, []) is None


def test_news_of_another_order_proves_nothing() -> None:
    others = [order_event("MATCHED", "19.2307", "0x99"), trade_event("MINED", taker_order_id="0x99")]
    assert heard(TOLD, *others) is None
    rests = Working(GTC.order_id, REST, Size(0), Cash(0), Fee(0, "pUSD"))
    assert heard(rests, order_event("CANCELED", "0", "0x99"), order=GTC) is None


@pytest.mark.parametrize("wish", [{"asset_id": "1"}, {"size": "20"}, {"size": "much"}])
def test_a_trade_that_contradicts_the_order_or_itself_is_unreadable(wish: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        heard(TOLD, trade_event("MINED") | wish)


SAID = [
    order_event("MATCHED", "19.2307"),
    *(trade_event(status, "9", "a") for status in ("MATCHED", "MINED", "CONFIRMED")),
    *(trade_event(status, "10.2307", "b") for status in ("MATCHED", "RETRYING", "MINED", "CONFIRMED")),
]
ANSWERS = [
    None,
    Unknown(IOC.order_id, "timeout"),
    Pending(IOC.order_id, HASH, Size(0), Cash(0), "delayed"),
    TOLD,
]


@given(st.permutations(SAID), st.lists(st.sampled_from(SAID), max_size=4), st.sampled_from(ANSWERS))
def test_order_and_repetition_do_not_matter(
    events: list[dict[str, Any]], again: list[dict[str, Any]], answer: Answer | None
) -> None:
    done = heard(answer, *events, *again)
    assert isinstance(done, Filled)
    assert (done.size, done.fee.amount) == (19_230_700, 112_320 + 127_670)


@given(st.sets(st.integers(0, len(SAID) - 1)), st.sampled_from(ANSWERS))
def test_no_part_of_what_is_said_is_final_without_every_trade(kept: set[int], answer: Answer | None) -> None:
    """The slow way: final needs the whole amount from somewhere, and each trade on the chain for good."""
    done = heard(answer, *(SAID[at] for at in sorted(kept)))
    told = answer == TOLD or 0 in kept
    first, second = bool(kept & {2, 3}), 7 in kept or (6 in kept and 5 not in kept)
    assert isinstance(done, Filled) is (told and first and second)


@pytest.mark.parametrize("side", Side)
def test_the_fraction_of_a_millionth_is_the_buyers_to_pay(side: Side) -> None:
    """0.333333 shares at 0.52 are 0.17333316 dollars."""
    order = world.order(side=side, time_in_force=TimeInForce.GTC)
    order_hash = SIGNER.order_hash(draft_of(order))
    met = trade_event("MINED", "0.333333", maker_hash=order_hash)
    done = heard(None, met, order_event("CANCELED", "0.333333", order_hash), order=order)
    assert isinstance(done, Filled)
    assert done.cash == (173_334 if side is Side.BUY else 173_333)
