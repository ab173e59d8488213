"""Constructors for this venue's tests, with a default for everything."""

from typing import Any

import msgspec

from venues.base.events import BookSide, Halted, Lost, Regrid, Snapshot, Top, Update
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side
from venues.base.units import Cash, Price, Size
from venues.polymarket.feed import PolymarketFeed
from venues.polymarket.signer import PolymarketSigner

ORDER_ID = OrderId("6f1b0f0e-0000-4000-8000-00000000000a")
SECRETS = {
    "private_key": "0x" + "00" * 31 + "01",
    "api_key": "00000000-0000-4000-8000-00000000000a",
    "api_secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "api_passphrase": "fixture-passphrase-a",
}
TOKEN = Native("68886447233116875996564400920384388293442549903079473097920949558863702044959")
SIBLING = "21094241077248297592517186676870556920881866926103902522144259896280984533972"
CONDITION = "0x" + "ab" * 32
DETAILS = {
    "condition_id": CONDITION,
    "outcome": "Yes",
    "sibling": SIBLING,
    "neg_risk": "false",
    "fee_rate": "50000",
    "fee_exponent": "1",
    "fee_taker_only": "true",
    "minimum_resting_size": "5000000",
    "taker_delay_ms": "0",
}


def signer() -> PolymarketSigner:
    return PolymarketSigner(SECRETS)


def listing(*, native: str = TOKEN, tick: int = 10_000, details: dict[str, str] | None = None) -> Listing:
    return Listing(
        venue="polymarket",
        native=Native(native),
        grid=Grid.uniform(tick),
        lot=10_000,
        minimum_cash=1_000_000,
        details=DETAILS | (details or {}),
    )


def order(**wish: Any) -> Order:
    """A market buy of 10 pUSD at 0.52 or better, unless told otherwise."""
    usual: dict[str, Any] = {
        "order_id": ORDER_ID,
        "listing": listing(),
        "side": Side.BUY,
        "limit": Price(520_000),
        "size": Size(19_230_000),
        "cash": Cash(10_000_000),
        "created_ms": 1_795_000_000_123,
        "salt": 479_249_096_354,
    }
    return Order(**(usual | wish))


def reply(**wish: Any) -> bytes:
    """The reply to a full match of `order()`, unless told otherwise."""
    usual = {
        "success": True, "errorMsg": "", "orderID": "", "status": "matched", "makingAmount": "10",
        "takingAmount": "19.2307", "transactionsHashes": [], "tradeIDs": ["t1"],
    }  # fmt: skip
    return msgspec.json.encode(usual | wish)


class Replay:
    """Books made from a feed's events, in the simplest way, and what contradicted them."""

    def __init__(self, natives: list[str]) -> None:
        self.feed = PolymarketFeed()
        self.feed.subscribe([Native(native) for native in natives])
        self.books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self.ticks: dict[str, int] = {}
        self.contradictions: list[Update | Top | Lost] = []

    def receive(self, frame: str) -> None:
        for event in self.feed.receive(frame, 0):
            match event:
                case Snapshot():
                    self.books[event.native] = dict(event.bids), dict(event.asks)
                case Update() if event.native in self.books:
                    self._update(event)
                    if event.top is not None and self.top(event.native) != event.top:
                        self.contradictions.append(event)
                case Top(exact=True) if event.native in self.books:
                    if self.top(event.native) != (event.bid, event.ask):
                        self.contradictions.append(event)
                case Regrid():
                    self.ticks[event.native] = event.grid.bands[0].step
                    self.books.pop(event.native, None)
                case Halted():
                    self.books.pop(event.native, None)
                case Lost():
                    self.contradictions.append(event)
                case _:
                    pass

    def top(self, native: str) -> tuple[int | None, int | None]:
        bids, asks = self.books[native]
        return max(bids, default=None), min(asks, default=None)

    def best_first(self, native: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids, asks = self.books[native]
        return sorted(bids.items(), reverse=True), sorted(asks.items())

    def _update(self, event: Update) -> None:
        bids, asks = self.books[event.native]
        for side, price, size in event.touches:
            half = bids if side is BookSide.BID else asks
            half[price] = size
            if not size:
                del half[price]
