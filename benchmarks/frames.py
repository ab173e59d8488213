"""Market-data frames with the statistics of busy books, from a fixed seed; nothing here talks to a venue.

`changes` writes absolute level changes with best prices (2 % whole books of about 50 levels a side, else 1
to 6 changes, about 1 kB). `deltas` writes numbered, signed changes of one level over many books.
"""

import json
import random
from typing import NamedTuple

SEED = 20261121
ASSET = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
MARKET = "0x5f65177b394277fd294cd75650044e32ba009a95022d88a0c1d565897d72f8f1"
START_MS = 1_763_600_000_000
TICKS = 1_000
"""Prices are whole thousandths, sizes whole hundredths."""
MIDDLE = 520
DEPTH = 50


class Stream(NamedTuple):
    """Frames and the books they must lead to: thousandths to hundredths."""

    frames: list[bytes]
    levels: int
    bids: dict[int, int]
    asks: dict[int, int]


class _Maker:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.bids = {MIDDLE - 1 - i: self.size() for i in range(DEPTH)}
        self.asks = {MIDDLE + 1 + i: self.size() for i in range(DEPTH)}
        self.ms = START_MS

    def size(self) -> int:
        return self.rng.choice((500, 1_000, 2_500, 10_000)) + self.rng.randrange(1, 500_000)

    def book(self) -> dict[str, object]:
        return {
            "event_type": "book",
            "asset_id": ASSET,
            "market": MARKET,
            "timestamp": str(self.ms),
            "hash": f"{self.rng.getrandbits(160):040x}",
            "bids": _rows(sorted(self.bids.items())),
            "asks": _rows(sorted(self.asks.items(), reverse=True)),
        }

    def change(self) -> tuple[int, int, str]:
        buying = self.rng.random() < 0.5
        mine, other = (self.bids, self.asks) if buying else (self.asks, self.bids)
        what = self.rng.random()
        if len(mine) < DEPTH - 5:
            what = 0.9
        elif len(mine) > DEPTH + 5:
            what = 0.75
        near = sorted(mine, reverse=buying)[min(len(mine) - 1, int(self.rng.expovariate(0.12)))]
        if what < 0.7:
            mine[near] = self.size()
            return near, mine[near], "BUY" if buying else "SELL"
        if what < 0.85 and len(mine) > 5:
            del mine[near]
            return near, 0, "BUY" if buying else "SELL"
        low, high = (max(mine) - 40, min(other) - 1) if buying else (max(other) + 1, min(mine) + 40)
        price = self.rng.randint(max(1, low), min(TICKS - 1, high))
        mine[price] = self.size()
        return price, mine[price], "BUY" if buying else "SELL"

    def changes(self) -> dict[str, object]:
        self.ms += self.rng.randrange(1, 40)
        rows = []
        for _ in range(self.rng.randint(1, 6)):
            price, size, side = self.change()
            row = {"asset_id": ASSET, "price": _price(price), "size": _size(size), "side": side}
            row["hash"] = f"{self.rng.getrandbits(160):040x}"
            row |= {"best_bid": _price(max(self.bids)), "best_ask": _price(min(self.asks))}
            rows.append(row)
        frame: dict[str, object] = {"market": MARKET, "price_changes": rows, "timestamp": str(self.ms)}
        return frame | {"event_type": "price_change"}


def _price(ticks: int) -> str:
    return f"0.{ticks:03d}".rstrip("0")


def _size(hundredths: int) -> str:
    whole, rest = divmod(hundredths, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".")


def _rows(levels: list[tuple[int, int]]) -> list[dict[str, str]]:
    return [{"price": _price(price), "size": _size(size)} for price, size in levels]


def changes(count: int) -> Stream:
    """One book: whole books and absolute changes."""
    maker = _Maker(SEED)
    frames, levels = [], 0
    for number in range(count):
        whole = number == 0 or maker.rng.random() < 0.02
        frame = maker.book() if whole else maker.changes()
        rows = frame.get("price_changes")
        levels += len(rows) if isinstance(rows, list) else len(maker.bids) + len(maker.asks)
        frames.append(json.dumps(frame, separators=(",", ":")).encode())
    return Stream(frames, levels, dict(maker.bids), dict(maker.asks))


def tickers(books: int) -> list[str]:
    """The books of `deltas`."""
    return [f"KXBENCH-26NOV21-B{number}" for number in range(books)]


def deltas(count: int, books: int) -> list[bytes]:
    """Many books on one subscription: a snapshot each, then signed changes of one level at a time."""
    rng = random.Random(SEED)
    names = tickers(books)
    sizes: dict[tuple[str, str, int], int] = {}
    frames: list[dict[str, object]] = []
    for name in names:
        body: dict[str, object] = {"market_ticker": name}
        for side in ("yes", "no"):
            for cents in range(20, 45):
                sizes[name, side, cents] = rng.randrange(100, 100_000)
            rows = [[f"0.{c:02d}00", f"{sizes[name, side, c] / 100:.2f}"] for c in range(20, 45)]
            body[f"{side}_dollars_fp"] = rows
        frames.append({"type": "orderbook_snapshot", "sid": 1, "seq": len(frames) + 1, "msg": body})
    keys = list(sizes)
    while len(frames) < count:
        key = rng.choice(keys)
        change = rng.randrange(-sizes[key], 50_000)
        sizes[key] += change
        name, side, cents = key
        body = {"market_ticker": name, "price_dollars": f"0.{cents:02d}00", "delta_fp": f"{change / 100:.2f}"}
        body |= {"side": side, "ts_ms": START_MS + len(frames), "ts": "2026-11-21T00:00:00Z"}
        frames.append({"type": "orderbook_delta", "sid": 1, "seq": len(frames) + 1, "msg": body})
    return [json.dumps(frame, separators=(",", ":")).encode() for frame in frames]
