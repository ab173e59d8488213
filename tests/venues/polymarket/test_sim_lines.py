"""The simulated venue's WebSockets: what a listener with a plain dictionary learns is the book."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import venues.polymarket
from tests.examples import examples
from tests.venues.polymarket.sim_trader import NOW, Trader
from venues.base.units import ONE, Price, Size, micros
from venues.polymarket.sim import PolymarketSimulator
from venues.polymarket.sim_lines import MarketLine, UserLine
from venues.polymarket.sim_rows import book_row
from venues.polymarket.sim_rules import Terms
from venues.sim.contract import Call
from venues.sim.model import Market

FRAMES = Path(venues.polymarket.__file__).parent / "vectors" / "frames" / "polymarket.jsonl"
OPTIONAL = {
    "book": {"min_order_size", "tick_size", "neg_risk", "last_trade_price"},
    "last_trade_price": {"transaction_hash"},
}
UNTOLD = {"event_message", "description", "group_item_title", "line", "game_start_time", "sports_market_type"}
"""Words about a market that decide nothing."""
HASHED = [
    "market",
    "asset_id",
    "timestamp",
    "hash",
    "bids",
    "asks",
    "min_order_size",
    "tick_size",
    "neg_risk",
    "last_trade_price",
]
Book = dict[str, dict[str, str]]


def listen(sim: PolymarketSimulator, tokens: list[str], **more: Any) -> MarketLine:
    line = sim.connect(Call(method="GET", path="/ws/market"), NOW)
    assert isinstance(line, MarketLine)
    line.receive(json.dumps({"type": "market", "assets_ids": tokens, **more}), NOW)
    return line


def heard(line: MarketLine | UserLine) -> list[dict[str, Any]]:
    """All events so far, whether they came alone or in an array."""
    frames = [json.loads(text) for text in line.outbox]
    line.outbox.clear()
    return [event for frame in frames for event in (frame if isinstance(frame, list) else [frame])]


def venue(**market: Any) -> tuple[PolymarketSimulator, str, str]:
    sim = PolymarketSimulator(3)
    yes, no = sim.list_market({"minimum_size": "0.01", **market})
    book(sim, yes, [(48, 30), (47, 100)], [(52, 10), (54, 100)])
    sim.tick(NOW)
    return sim, yes, no


def book(
    sim: PolymarketSimulator, token: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    def levels(side: list[tuple[int, int]]) -> list[tuple[Price, Size]]:
        return [(Price(cents * 10_000), Size(shares * ONE)) for cents, shares in side]

    sim.exchange.set_book(token, levels(bids), levels(asks), NOW)


class Listener:
    """The slow, obvious way to keep a book: one dictionary per side, exactly as the frames say."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = defaultdict(lambda: {"BUY": {}, "SELL": {}})

    def hear(self, event: dict[str, Any]) -> None:
        if event["event_type"] == "book":
            sides = {"BUY": event["bids"], "SELL": event["asks"]}
            self.books[event["asset_id"]] = {
                side: {row["price"]: row["size"] for row in rows} for side, rows in sides.items()
            }
        for change in event.get("price_changes", []):
            side = self.books[change["asset_id"]][change["side"]]
            side.pop(change["price"], None)
            if change["size"] != "0":
                side[change["price"]] = change["size"]

    def top(self, token: str) -> tuple[str, str]:
        bids, asks = self.books[token]["BUY"], self.books[token]["SELL"]
        return max(bids, key=float, default="0"), min(asks, key=float, default="1")

    def levels(self, token: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids, asks = (
            sorted((micros(price), micros(size)) for price, size in self.books[token][side].items())
            for side in ("BUY", "SELL")
        )
        return bids[::-1], asks


move = st.tuples(
    st.integers(0, 1),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(30, 70),
    st.integers(100, 3_000),
    st.sampled_from(["FAK", "FOK", "GTC", "GTC", "cancel", "house"]),
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(move, max_size=30), st.integers(0, 2))
def test_snapshots_and_changes_make_the_book(
    moves: list[tuple[int, str, int, int, str]], failing: int
) -> None:
    sim, yes, no = venue()
    trader = Trader(sim, sim.open_account({"balance": "500", "positions": {yes: "500", no: "500"}}, NOW))
    sim.knobs["fail_trades"] = failing
    line, listener = listen(sim, [yes, no]), Listener()
    for step, (outcome, side, cents, amount, kind) in enumerate(moves):
        trader.now = NOW + step * 100
        match kind:
            case "cancel":
                trader.call("DELETE", "/cancel-all")
            case "house":
                trader.call("DELETE", "/cancel-all")
                book(sim, yes, [(cents - 1, amount)], [(cents + 1, amount), (cents + 2, 7)])
            case _:
                trader.trade((yes, no)[outcome], side, cents, amount, kind)
        sim.tick(trader.now)
        for event in heard(line):
            listener.hear(event)
            for change in event.get("price_changes", []):
                assert change["asset_id"] in (yes, no)
        for token in (yes, no):
            assert listener.levels(token) == sim.exchange.levels(token)
    sim.exchange.audit()


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(st.tuples(st.integers(30, 70), st.integers(1, 50)), max_size=12))
def test_best_prices_hold_after_each_frame(orders: list[tuple[int, int]]) -> None:
    """Only without trades: after one, the trade and the new book follow in frames of their own."""
    sim, yes, no = venue()
    trader = Trader(sim, sim.open_account({"balance": "5000"}, NOW))
    line, listener = listen(sim, [yes, no]), Listener()
    for cents, shares in orders:
        trader.trade((yes, no)[shares % 2], "BUY", cents, shares * 100, "GTC")
        for event in heard(line):
            listener.hear(event)
            for change in event.get("price_changes", []):
                assert listener.top(change["asset_id"]) == (change["best_bid"], change["best_ask"])


def test_every_event_has_the_fields_of_the_recorded_frames() -> None:
    recorded: dict[str, set[str]] = {}
    for text in FRAMES.read_text().splitlines():
        frame = json.loads(text) if text.startswith(("[", "{")) else []
        for event in frame if isinstance(frame, list) else [frame]:
            fields = recorded.setdefault(event["event_type"], set(event))
            fields &= set(event)
    sim, yes, no = venue()
    line = listen(sim, [yes, no], custom_feature_enabled=True)
    trader = Trader(sim, sim.open_account({"balance": "500"}, NOW))
    trader.trade(yes, "BUY", 52, 1_000, "FAK")
    sim.list_market({})
    sim.tick(NOW)
    sim.change_tick(yes, "0.001", NOW)
    sim.resolve(no, NOW)
    events = {event["event_type"]: event for event in heard(line)}
    assert set(events) == set(recorded)
    for kind, event in events.items():
        missing = recorded[kind] - set(event) - OPTIONAL.get(kind, set())
        assert missing <= UNTOLD, kind
    assert events["market_resolved"]["winning_asset_id"] == no


def test_the_hash_is_that_of_the_book_with_an_empty_hash() -> None:
    sim, yes, no = venue(neg_risk=True)
    rows = [*heard(listen(sim, [yes, no]))]
    rows += [json.loads(sim.answer(Call(method="GET", path="/book", query={"token_id": yes}), NOW).body)]
    for row in rows:
        row.pop("event_type", None)
        text = json.dumps({name: row[name] for name in HASHED} | {"hash": ""}, separators=(",", ":"))
        assert row["hash"] == hashlib.sha1(text.encode()).hexdigest()
    assert [level["price"] for level in rows[0]["bids"]] == ["0.47", "0.48"]
    assert [level["price"] for level in rows[0]["asks"]] == ["0.54", "0.52"]


def test_the_hash_is_the_official_clients() -> None:
    vectors = json.loads((FRAMES.parent.parent / "polymarket.json").read_text())
    [case] = [case for case in vectors["cases"] if case["kind"] == "book_hash"]
    row = case["input"]
    terms = Terms(
        Market(row["market"], (row["asset_id"], "2")),
        title="",
        tick=micros(row["tick_size"]),
        neg_risk=row["neg_risk"],
        fee_rate=0,
        fee_exponent=1,
        minimum=micros(row["min_order_size"]),
        delay_ms=0,
        last=Price(micros(row["last_trade_price"])),
    )
    bids, asks = (
        [(Price(micros(level["price"])), Size(micros(level["size"]))) for level in reversed(row[side])]
        for side in ("bids", "asks")
    )
    assert book_row(terms, 0, (bids, asks), int(row["timestamp"]))["hash"] == case["expected"]["hash"]


def test_levels_that_stay_the_same_are_not_told() -> None:
    sim, yes, no = venue()
    line = listen(sim, [yes, no])
    heard(line)
    book(sim, yes, [(48, 30), (47, 100)], [(52, 10), (54, 101)])
    sim.tick(NOW)
    [change] = heard(line)
    assert [(row["price"], row["size"]) for row in change["price_changes"]] == [
        ("0.54", "101"),
        ("0.46", "101"),
    ]


def test_a_trade_is_followed_by_both_books() -> None:
    sim, yes, no = venue()
    line = listen(sim, [yes, no])
    heard(line)
    trader = Trader(sim, sim.open_account({"balance": "500"}, NOW))
    trader.trade(no, "BUY", 52, 5_200, "FAK")  # meets the bid of 30 Yes at 0.48
    change, trade, *books = heard(line)
    assert [(c["asset_id"], c["side"], c["price"], c["size"]) for c in change["price_changes"]] == [
        (yes, "BUY", "0.48", "0"),
        (no, "SELL", "0.52", "0"),
    ]
    assert (trade["asset_id"], trade["price"], trade["size"], trade["side"]) == (no, "0.52", "30", "BUY")
    assert [(row["event_type"], row["asset_id"]) for row in books] == [("book", yes), ("book", no)]
    assert [row["last_trade_price"] for row in books] == ["0.48", "0.52"]


def test_a_line_hears_of_its_own_assets_only() -> None:
    sim, yes, no = venue()
    other = sim.list_market({})[0]
    line, elsewhere = listen(sim, [yes]), listen(sim, [other])
    assert [event["asset_id"] for event in heard(line)] == [yes]
    heard(elsewhere)
    trader = Trader(sim, sim.open_account({"balance": "500"}, NOW))
    trader.trade(no, "BUY", 52, 1_000, "FAK")
    kinds = [event["event_type"] for event in heard(line)]
    assert kinds == ["price_change", "book"]
    assert heard(elsewhere) == []
    line.receive(json.dumps({"operation": "unsubscribe", "assets_ids": [yes]}), NOW)
    trader.trade(yes, "BUY", 52, 1_000, "FAK")
    assert heard(line) == []
    line.receive(json.dumps({"operation": "subscribe", "assets_ids": [yes, other]}), NOW)
    assert {event["asset_id"] for event in heard(line)} == {yes, other}
    line.receive(json.dumps({"operation": "subscribe", "assets_ids": [yes]}), NOW)
    assert line.outbox == ["NO NEW ASSETS"]


def test_custom_events_come_only_when_asked_for() -> None:
    sim, yes, _ = venue()
    plain, custom = listen(sim, [yes]), listen(sim, [yes], custom_feature_enabled=True, initial_dump=False)
    heard(plain)
    assert custom.outbox == []
    book(sim, yes, [(49, 5)], [(51, 5)])
    sim.list_market({"title": "Another?"})
    sim.tick(NOW)
    assert {event["event_type"] for event in heard(plain)} == {"price_change"}
    assert {event["event_type"] for event in heard(custom)} == {"price_change", "best_bid_ask", "new_market"}


def test_the_tick_gets_finer_near_certainty() -> None:
    sim, yes, no = venue()
    sim.knobs["tick_follows_price"] = 1
    line = listen(sim, [yes])
    heard(line)
    book(sim, yes, [(97, 5)], [(98, 5)])
    sim.tick(NOW)
    change, new_tick, fresh = heard(line)
    assert change["event_type"] == "price_change"
    assert (new_tick["old_tick_size"], new_tick["new_tick_size"]) == ("0.01", "0.001")
    assert (fresh["event_type"], fresh["tick_size"]) == ("book", "0.001")
    tick = sim.answer(Call(method="GET", path="/tick-size", query={"token_id": no}), NOW)
    assert tick.body == b'{"minimum_tick_size":0.001}'


@pytest.mark.parametrize("path", ["/ws/market", "/ws/user"])
def test_ping_is_answered_and_nonsense_is_named(path: str) -> None:
    sim, _, _ = venue()
    line = sim.connect(Call(method="GET", path=path), NOW)
    assert isinstance(line, MarketLine | UserLine)
    nonsense = (
        "{",
        "[]",
        '{"operation":"fly"}',
        '{"operation":"subscribe","assets_ids":[[]],"markets":[{}]}',
    )
    for text in ("PING", *nonsense):
        line.receive(text, NOW)
    assert line.outbox == ["PONG", *["INVALID OPERATION"] * len(nonsense)]
    sim.knobs["silent_ms"] = 30_000
    line.tick(NOW + 30_000)
    assert not line.closed
    line.tick(NOW + 30_001)
    assert line.closed


def test_wrong_credentials_close_the_user_line() -> None:
    sim, yes, _ = venue()
    trader = Trader(sim, sim.open_account({"balance": "500"}, NOW))
    line = trader.listen()
    assert not line.closed
    wrong = sim.connect(Call(method="GET", path="/ws/user"), NOW)
    assert isinstance(wrong, UserLine)
    auth = {"apiKey": trader.api_key, "secret": "x", "passphrase": "x"}
    wrong.receive(json.dumps({"type": "user", "auth": auth}), NOW)
    assert wrong.closed
    trader.trade(yes, "BUY", 40, 1_000, "GTC")
    assert wrong.outbox == []
    assert [event["type"] for event in heard(line)] == ["PLACEMENT"]


def test_a_maker_hears_placement_update_and_cancellation() -> None:
    sim, yes, no = venue()
    maker, taker = (Trader(sim, sim.open_account({"balance": "500"}, NOW)) for _ in range(2))
    line, deaf = maker.listen(), maker.listen()
    deaf.receive(json.dumps({"operation": "subscribe", "markets": ["0xelsewhere"]}), NOW)
    maker.trade(yes, "BUY", 50, 2_000, "GTC")
    taker.trade(no, "BUY", 50, 500, "FAK")
    maker.call("DELETE", "/cancel-all")
    orders = [event for event in heard(line) if event["event_type"] == "order"]
    assert [(e["type"], e["status"], e["size_matched"]) for e in orders] == [
        ("PLACEMENT", "LIVE", "0"),
        ("UPDATE", "LIVE", "10"),
        ("CANCELLATION", "CANCELED", "10"),
    ]
    assert deaf.outbox == []


def test_a_new_line_hears_nothing_of_what_was_before() -> None:
    sim, yes, _ = venue()
    book(sim, yes, [(48, 30)], [(52, 30)])
    trader = Trader(sim, sim.open_account({"balance": "500"}, NOW))
    first = trader.listen()
    trader.trade(yes, "BUY", 52, 1_000, "FAK")
    sim.disconnect(first)
    second = trader.listen()
    sim.tick(NOW + 500)
    assert [event.get("status") for event in heard(first)] == ["MATCHED", "MATCHED"]
    assert [event.get("status") for event in heard(second)] == ["MINED"]


def test_the_same_seed_gives_the_same_bytes() -> None:
    def run(seed: int) -> list[str]:
        sim = PolymarketSimulator(seed)
        [yes, _] = sim.list_market({})
        book(sim, yes, [(48, 30)], [(52, 30)])
        line = listen(sim, [yes])
        trader = Trader(sim, sim.open_account({"balance": "500"}, NOW))
        user = trader.listen()
        trader.trade(yes, "BUY", 52, 1_000, "FAK")
        sim.tick(NOW + 5_000)
        return line.outbox + user.outbox

    assert run(1) == run(1)
    assert run(1) != run(2)
