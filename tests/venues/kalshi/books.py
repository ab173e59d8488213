"""A slow, obvious reader of this venue's frames, written from its documentation, and the feed beside it."""

import json
from decimal import Decimal
from typing import Any

from venues.base.events import BookSide, FeedEvent, Lost, Say, Snapshot, Update
from venues.base.listing import Native
from venues.base.units import ONE
from venues.kalshi.feed import KalshiFeed

Side = dict[Decimal, Decimal]
BookText = dict[str, dict[str, str]]
A = Native("KXHIGHNY-26NOV21-B55.5")
B = Native("KXETHD-26NOV2017-T3099.99")
C = Native("KXNFLGAME-26NOV22KCBUF-KC")
E = Native("KXCPIYOY-26DEC-T2.9")


class SlowReader:
    """Books of YES and NO bids as the venue writes them, in decimals; `trusted` ones have missed nothing."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, Side]] = {}
        self.trusted: set[str] = set()
        self._numbers: dict[int, int] = {}
        self._homes: dict[int, set[str]] = {}

    def read(self, line: str) -> None:
        frame = json.loads(line)
        sid, number, body = frame.get("sid"), frame.get("seq"), frame.get("msg")
        if sid is not None and number is not None:
            if number != self._numbers.get(sid, number - 1) + 1:
                self.trusted -= self._homes.get(sid, set())
            self._numbers[sid] = number
        if frame["type"] == "orderbook_snapshot":
            ticker = body["market_ticker"]
            self._homes.setdefault(sid, set()).add(ticker)
            self.trusted.add(ticker)
            self.books[ticker] = {
                side: {Decimal(price): Decimal(size) for price, size in body.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
        if frame["type"] == "orderbook_delta" and body["market_ticker"] in self.trusted:
            side = self.books[body["market_ticker"]][body["side"]]
            price = Decimal(body["price_dollars"])
            side[price] = side.get(price, Decimal(0)) + Decimal(body["delta_fp"])
            if not side[price]:
                del side[price]

    def text(self, ticker: str) -> BookText:
        return {
            side: {f"{price:.4f}": f"{size:.2f}" for price, size in sorted(levels.items())}
            for side, levels in self.books[ticker].items()
        }


class Follower:
    """What a listener to the feed knows: the same books, from events alone."""

    def __init__(self) -> None:
        self.bids: dict[str, dict[int, int]] = {}
        self.asks: dict[str, dict[int, int]] = {}
        self.trusted: set[str] = set()

    def hear(self, events: list[FeedEvent]) -> None:
        for event in events:
            match event:
                case Snapshot():
                    assert len({price for price, _ in event.bids}) == len(event.bids)
                    assert all(size > 0 for _, size in [*event.bids, *event.asks])
                    self.bids[event.native], self.asks[event.native] = dict(event.bids), dict(event.asks)
                    self.trusted.add(event.native)
                case Update():
                    assert event.relative
                    for side, price, change in event.touches:
                        half = (self.bids if side is BookSide.BID else self.asks)[event.native]
                        half[price] = half.get(price, 0) + change
                        if not half[price]:
                            del half[price]
                case Lost():
                    self.trusted.discard(event.native)
                case _:
                    pass

    def text(self, ticker: str) -> BookText:
        no_bids = {ONE - price: size for price, size in self.asks[ticker].items()}
        return {
            name: {f"{Decimal(p) / ONE:.4f}": f"{Decimal(s) / ONE:.2f}" for p, s in sorted(half.items())}
            for name, half in (("yes", self.bids[ticker]), ("no", no_bids))
        }


def commands(events: list[FeedEvent]) -> list[dict[str, Any]]:
    return [json.loads(event.text) for event in events if isinstance(event, Say)]


def check_frames(lines: list[str]) -> None:
    """Any stream: after every line both readers trust the same books and find the same in them."""
    feed, reader, follower = KalshiFeed(), SlowReader(), Follower()
    for line in lines:
        reader.read(line)
        follower.hear(feed.receive(line, 0))
        assert follower.trusted == reader.trusted
        for ticker in reader.trusted:
            assert follower.text(ticker) == reader.text(ticker)
    assert reader.trusted


def _levels(*rows: str) -> dict[str, str]:
    return dict(row.split("x") for row in rows)


A_NO = _levels("0.0200x99.99", "0.5500x7.00", "0.5600x12.00")
AFTER_48: dict[str, BookText] = {
    A: {
        "yes": _levels("0.0100x1500.00", "0.3900x40.00", "0.4000x25.50", "0.4100x15.00", "0.4200x6.00"),
        "no": A_NO,
    },
    B: {"yes": _levels("0.0010x5000.00", "0.6120x310.25", "0.6130x80.00"), "no": _levels("0.3810x120.00")},
    E: {"yes": {}, "no": _levels("0.0450x1000.00")},
}
AT_THE_END: dict[str, BookText] = {
    A: {"yes": _levels("0.0100x1500.00", "0.4000x25.50", "0.4100x15.00", "0.4200x6.00"), "no": A_NO},
    B: {
        "yes": _levels("0.0010x5000.00", "0.6120x300.00", "0.6130x80.00", "0.6140x2.50"),
        "no": _levels("0.3810x120.00"),
    },
    E: {"yes": {}, "no": _levels("0.0400x12.00", "0.0450x1000.00")},
}


def check_documented(lines: list[str]) -> None:
    """The 55 documented lines, with the commands that belong to them, against the documented books."""
    assert len(lines) == 55, "another stream than the one that frames/kalshi.md describes"
    feed, follower = KalshiFeed(), Follower()
    feed.subscribe([A, B, C])
    for number, line in enumerate(lines, 1):
        if number == 30:
            feed.subscribe([E])
        if number == 48:
            feed.unsubscribe([C])
        events = feed.receive(line, 0)
        follower.hear(events)
        lost = {event.native for event in events if isinstance(event, Lost)}
        if number == 49:
            assert lost == {A, B, E}
            (said,) = commands(events)
            assert said["cmd"] == "update_subscription"
            assert said["params"] == {
                "sids": [1],
                "action": "get_snapshot",
                "market_tickers": sorted([A, B, E]),
            }
        else:
            assert not lost, f"line {number}"
        if number == 48:
            assert {ticker: follower.text(ticker) for ticker in AFTER_48} == AFTER_48
        if number == 50:
            assert follower.trusted & {A, B, E} == set()
        if 51 <= number <= 53:
            assert follower.trusted & {A, B, E} == set([A, B, E][: number - 50])
    assert {ticker: follower.text(ticker) for ticker in AT_THE_END} == AT_THE_END
