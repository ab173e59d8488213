"""A slow and obvious reading of the market channel: JSON in, dicts out. Shares nothing with the feed."""

from decimal import Decimal
from typing import Any

Sides = tuple[dict[int, int], dict[int, int]]


def millionths(text: str) -> int:
    return int(Decimal(text) * 1_000_000)


class SlowBooks:
    """Books of these assets: bids and asks by price. An asset without a snapshot has none."""

    def __init__(self, natives: list[str]) -> None:
        self.natives = set(natives)
        self.books: dict[str, Sides] = {}

    def receive(self, frame: Any) -> None:
        for part in frame if isinstance(frame, list) else [frame]:
            kind = part["event_type"]
            if kind == "book" and part["asset_id"] in self.natives:
                bids, asks = (
                    {millionths(row["price"]): millionths(row["size"]) for row in part[side]}
                    for side in ("bids", "asks")
                )
                self.books[part["asset_id"]] = bids, asks
            if kind == "price_change":
                for change in part["price_changes"]:
                    self._change(change)
            if kind == "market_resolved":
                for asset in part["assets_ids"]:
                    self.books.pop(asset, None)
            if kind == "tick_size_change":
                self.books.pop(part["asset_id"], None)

    def _change(self, change: Any) -> None:
        book = self.books.get(change["asset_id"])
        if book is None:
            return
        half = book[0] if change["side"] == "BUY" else book[1]
        price, size = millionths(change["price"]), millionths(change["size"])
        if size:
            half[price] = size
        else:
            half.pop(price, None)
