"""The simulated venue's WebSocket: what a listener with plain dictionaries learns is each token's book."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import venues.opinion
from tests.examples import examples
from tests.venues.opinion.sim_trader import NOW, SECOND, Book, Trader, heard, levels, scene
from venues.base.http import Response
from venues.base.units import ONE, micros
from venues.opinion.sim import OpinionSimulator
from venues.opinion.sim_line import SUBSCRIPTIONS_MAX, Line
from venues.sim.contract import Call

FRAMES = Path(venues.opinion.__path__[0]) / "vectors" / "frames" / "opinion.jsonl"
DEPTH = "market.depth.diff"
PRIVATE = ("trade.order.update", "trade.record.new")
PUBLIC = (DEPTH, "market.last.price", "market.last.trade")
OPTIONAL = {
    DEPTH: {"timestamp", "rootMarketId"},
    "market.last.price": {"rootMarketId"},
    "market.last.trade": {"rootMarketId"},
}


class Listener:
    """The slow, obvious way to keep one token's book: seed by REST, then apply what is newer (card, 8)."""

    def __init__(self, trader: Trader, token: str) -> None:
        self._trader, self._token = trader, token
        self.seed()

    def seed(self) -> None:
        row = self._trader.get("/token/orderbook", token_id=self._token)
        self.since = row["timestamp"]
        self.sides = {
            name: {level["price"]: level["size"] for level in row[name]} for name in ("bids", "asks")
        }

    def hear(self, frame: dict[str, Any]) -> None:
        if frame["tokenId"] != self._token or frame["timestamp"] <= self.since:
            return
        side = self.sides[frame["side"]]
        side.pop(frame["price"], None)
        if frame["size"] != "0":
            side[frame["price"]] = frame["size"]

    def levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids, asks = (
            sorted((micros(price), micros(size)) for price, size in self.sides[name].items())
            for name in ("bids", "asks")
        )
        return bids[::-1], asks


def complement(side: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(ONE - price, size) for price, size in side]


move = st.tuples(
    st.booleans(),
    st.sampled_from(["buy", "sell"]),
    st.integers(390, 470),
    st.integers(12, 60),
    st.sampled_from(["market", "limit", "limit", "cancel", "house", "wait", "seed", "seed"]),
)


@settings(max_examples=examples(60))
@given(st.lists(move, max_size=25), st.integers(0, 2))
def test_snapshots_and_diffs_make_both_books(
    moves: list[tuple[bool, str, int, int, str]], failing: int
) -> None:
    """Most of it happens within one millisecond, where only the order of stamps tells old from new."""
    sim, trader, book = scene()
    sim.knobs["fail_trades"] = failing
    line = trader.listen(book, DEPTH)
    listeners = [Listener(trader, token) for token in book.tokens]
    for no, side, price, amount, kind in moves:
        match kind:
            case "cancel":
                trader.cancel_all()
            case "house":
                trader.cancel_all()
                bids, asks = [(f"0.{price - 5}", str(amount))], [(f"0.{price}", "700"), ("0.9", "3")]
                sim.exchange.set_book(book.native, levels(bids), levels(asks), trader.now)
            case "wait":
                trader.wait(400)
            case "seed":
                listeners[no].seed()
            case "market":
                trader.post(book, side, str(amount), no=no)
            case _:
                mine = 1_000 - price if no else price
                trader.post(book, side, str(amount), f"0.{mine:03d}", no=no)
        sim.tick(trader.now)
        for frame in heard(line):
            for listener in listeners:
                listener.hear(frame)
        bids_now, asks_now = sim.exchange.levels(book.native)
        assert listeners[0].levels() == (bids_now, asks_now)
        assert listeners[1].levels() == (complement(asks_now), complement(bids_now))
    sim.exchange.audit()


def test_a_frame_heard_before_the_snapshot_is_in_it() -> None:
    """A diff that was buffered while the snapshot is fetched is dropped, a later one applied."""
    sim, trader, book = scene()
    line = trader.listen(book, DEPTH)
    trader.get("/token/orderbook", token_id=book.tokens[0])
    trader.place(book, "buy", "20", "0.42")
    buffered = heard(line)
    listener = Listener(trader, book.tokens[0])
    assert {frame["timestamp"] for frame in buffered} == {listener.since}
    trader.place(book, "buy", "20", "0.425")
    later = heard(line)
    assert min(frame["timestamp"] for frame in later) > listener.since
    for frame in buffered + later:
        listener.hear(frame)
    assert listener.levels() == sim.exchange.levels(book.native)
    assert sorted(frame["side"] for frame in buffered) == ["asks", "bids"]


def test_stamps_never_go_back_and_are_the_time() -> None:
    _, trader, book = scene()
    line = trader.listen(book, DEPTH)
    for price in ("0.42", "0.421", "0.422"):
        trader.place(book, "buy", "15", price)
        trader.get("/token/orderbook", token_id=book.tokens[0])
    stamps = [frame["timestamp"] for frame in heard(line)]
    assert stamps == sorted(stamps)
    trader.wait(SECOND)
    trader.place(book, "buy", "15", "0.423")
    assert {frame["timestamp"] for frame in heard(line)} == {NOW + SECOND}
    assert trader.get("/token/orderbook", token_id=book.tokens[0])["timestamp"] == NOW + SECOND


def test_every_message_has_the_fields_of_the_documented_frames() -> None:
    documented: dict[str, list[dict[str, Any]]] = {}
    for text in FRAMES.read_text().splitlines():
        frame = json.loads(text)
        if "msgType" in frame:
            documented.setdefault(frame["msgType"], []).append(frame)
    _, trader, book = scene()
    line = trader.listen(book, *PUBLIC, *PRIVATE)
    trader.place(book, "buy", "20")
    trader.cancel(trader.place(book, "sell", "15", "0.6"))
    trader.wait(SECOND)
    told: dict[str, list[dict[str, Any]]] = {}
    for frame in heard(line):
        told.setdefault(frame["msgType"], []).append(frame)
    assert told.keys() == documented.keys()
    for kind, frames in told.items():
        wanted, example = (
            {frozenset(frame) - OPTIONAL.get(kind, set()) for frame in documented[kind]},
            documented[kind][0],
        )
        for frame in frames:
            assert {frozenset(frame) - OPTIONAL.get(kind, set())} == wanted
            assert all(type(frame[name]) is type(example[name]) for name in frame.keys() & example.keys())


def test_the_public_hears_of_a_trade_in_the_takers_terms() -> None:
    sim, trader, book = scene()
    other = Trader(sim, sim.open_account({}, NOW))
    line = other.listen(book, *PUBLIC, *PRIVATE)
    trader.place(book, "buy", "20", no=True)
    price, trade, *diffs = heard(line)
    assert (price["price"], price["tokenId"], price["outcomeSide"]) == ("0.59", book.tokens[1], 2)
    assert (trade["side"], trade["price"], trade["shares"], trade["amount"]) == (
        "Buy",
        "0.59",
        "33.474576",
        "19.749999",
    )
    assert [(d["outcomeSide"], d["side"], d["price"], d["size"]) for d in diffs] == [
        (1, "bids", "0.41", "766.525424"),
        (2, "asks", "0.59", "766.525424"),
    ]


def test_own_orders_are_told_to_their_owner_alone() -> None:
    sim, trader, book = scene()
    other = Trader(sim, sim.open_account({"balance": "100"}, NOW))
    mine, theirs = trader.listen(book, *PRIVATE), other.listen(book, *PRIVATE)
    trader.place(book, "sell", "20", "0.42")
    assert [e["orderUpdateType"] for e in heard(mine)] == ["orderNew"]
    other.place(book, "buy", "6")
    trader.wait(SECOND)
    assert [e.get("orderUpdateType") or e["side"] for e in heard(mine)] == [
        "orderFill",
        "orderConfirm",
        "Sell",
    ]
    assert [e.get("orderUpdateType") or e["side"] for e in heard(theirs)] == [
        "orderNew", "orderFill", "orderConfirm", "Buy",
    ]  # fmt: skip
    assert [row["side"] for row in trader.get("/trade")["list"]] == ["Sell"]
    assert [row["side"] for row in other.get("/trade")["list"]] == ["Buy"]
    sim.exchange.audit()


def test_a_parents_id_brings_the_news_of_all_its_children_but_no_books() -> None:
    sim, trader, book = scene()
    children = [Book(sim, parent_id=412) for _ in range(2)]
    line = trader.listen(book)
    for channel in (*PUBLIC, *PRIVATE):
        line.receive(json.dumps({"action": "SUBSCRIBE", "channel": channel, "rootMarketId": 412}), NOW)
    assert [frame["code"] for frame in heard(line)] == [400, 0, 0, 0, 0]
    for child in children:
        sim.exchange.set_book(child.native, [], levels([("0.5", "100")]), NOW)
        trader.place(child, "buy", "10")
    trader.place(book, "buy", "10")
    trader.wait(SECOND)
    frames = heard(line)
    assert {(f["marketId"], f["rootMarketId"]) for f in frames} == {(c.market_id, 412) for c in children}
    assert {f["msgType"] for f in frames} == {*PUBLIC[1:], *PRIVATE}


def test_subscriptions_end_and_nonsense_is_answered_without_a_type() -> None:
    _, trader, book = scene()
    line = trader.listen(book, DEPTH)
    wrong: tuple[Any, ...] = (
        {"action": "SUBSCRIBE", "channel": "weather", "marketId": book.market_id},
        {"action": "SUBSCRIBE", "channel": DEPTH},
        {"action": "SUBSCRIBE", "channel": DEPTH, "marketId": book.native},
        {"action": "SUBSCRIBE", "channel": DEPTH, "marketId": True},
        {"action": "SUBSCRIBE", "channel": DEPTH, "marketId": 1},
        {"action": "SUBSCRIBE", "channel": "trade.record.new", "marketId": book.market_id, "rootMarketId": 1},
        {"action": "SUBSCRIBE", "channel": [], "marketId": book.market_id},
        {"action": "DANCE"},
        [],
        None,
    )
    for wish in wrong:
        line.receive(json.dumps(wish), NOW)
    line.receive("{", NOW)
    line.receive("[" * 5_000, NOW)
    frames = heard(line)
    assert [frame["code"] for frame in frames] == [400] * (len(wrong) + 2)
    assert not any("msgType" in frame for frame in frames)
    line.receive(json.dumps({"action": "UNSUBSCRIBE", "channel": DEPTH, "marketId": book.market_id}), NOW)
    assert heard(line)[0]["code"] == 0
    trader.place(book, "buy", "20")
    assert heard(line) == []


def test_a_connection_has_so_many_subscriptions_and_no_more() -> None:
    sim, trader, book = scene()
    line = trader.listen(book)
    ids = [int(sim.list_market({})[0]) for _ in range(SUBSCRIPTIONS_MAX // 4)]
    for channel in (*PUBLIC, *PRIVATE):
        for market_id in ids:
            line.receive(json.dumps({"action": "SUBSCRIBE", "channel": channel, "marketId": market_id}), NOW)
    assert [frame["code"] for frame in heard(line)].count(0) == SUBSCRIPTIONS_MAX


def test_only_heartbeats_keep_a_connection_alive() -> None:
    _, trader, book = scene()
    alive, silent = trader.listen(book), trader.listen(book)
    for now_ms in range(NOW, NOW + 60_001, 30_000):
        alive.receive('{"action":"HEARTBEAT"}', now_ms)
        silent.receive(
            json.dumps({"action": "SUBSCRIBE", "channel": DEPTH, "marketId": book.market_id}), now_ms
        )
    for line in (alive, silent):
        line.tick(NOW + 60_000)
        assert not line.closed
        line.tick(NOW + 60_001)
    assert (alive.closed, silent.closed) == (False, True)
    assert all("msgType" not in frame for frame in heard(alive))
    heard(silent)
    trader.place(book, "buy", "20")
    assert silent.outbox == []


@pytest.mark.parametrize(("path", "key", "status"), [("/", "guess", 401), ("/", "", 401), ("/ws", None, 404)])
def test_a_connection_needs_a_key(path: str, key: str | None, status: int) -> None:
    sim, trader, _ = scene()
    query = {"apikey": trader.api_key if key is None else key}
    refused = sim.connect(Call(method="GET", path=path, query=query), NOW)
    assert isinstance(refused, Response)
    assert refused.status == status


def test_a_gone_connection_is_told_nothing() -> None:
    sim, trader, book = scene()
    line = trader.listen(book, *PUBLIC)
    sim.disconnect(line)
    trader.place(book, "buy", "20")
    assert line.outbox == []


def test_a_level_that_stays_the_same_at_the_end_is_told_as_it_is() -> None:
    """Absolute sizes: a listener that hears of a level twice is not wrong."""
    sim, trader, book = scene()
    line = trader.listen(book, DEPTH)
    sim.exchange.set_book(book.native, levels([("0.41", "7")]), levels([("0.43", "10")]), NOW)
    sim.tick(NOW)
    sizes = {(f["outcomeSide"], f["side"], f["price"]): f["size"] for f in heard(line)}
    assert sizes[1, "bids", "0.41"] == sizes[2, "asks", "0.59"] == "7"
    assert sizes[1, "bids", "0.4"] == sizes[2, "asks", "0.6"] == "0"
    assert sizes.get((1, "asks", "0.43"), "10") == "10"
    assert isinstance(line, Line)
    assert isinstance(sim, OpinionSimulator)
