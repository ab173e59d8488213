"""The fills of one order, added up: from the venue's list of matches, or from the wallet's events (card 9).

Added in wei and rounded once per order: what we were given down, what we gave or were charged up.
"""

from collections.abc import Iterable, Sequence

import msgspec

from venues.base.orders import SHARES, Fee, News, Order, Side
from venues.base.units import ONE, Cash, Size, down, up
from venues.predict import wire
from venues.predict.listings import token_of
from venues.predict.wire import WEI_PER_MICRO, wei

COLLATERAL = "USDT"
UNITS = {"SHARES": SHARES, "COLLATERAL": COLLATERAL}
"""The venue's words for what a fee was taken out of."""
SUBMITTED = "orderTransactionSubmitted"
SUCCESS = "orderTransactionSuccess"
FAILED = "orderTransactionFailed"
_WEI_SQUARED = WEI_PER_MICRO * WEI_PER_MICRO * ONE
_QUOTES = {Side.BUY: "Bid", Side.SELL: "Ask"}


class Fill(msgspec.Struct, frozen=True):
    """One settlement's part in an order; all numbers wei."""

    settlement: str
    price: int
    size: int
    fee: int
    unit: str


class Fills(msgspec.Struct, frozen=True):
    """Fills of one order."""

    side: Side
    rows: tuple[Fill, ...] = ()

    @property
    def wei(self) -> int:
        """Shares traded, exactly."""
        return sum(row.size for row in self.rows)

    @property
    def size(self) -> Size:
        """Shares: bought, rounded down; sold, rounded up."""
        cut = down if self.side is Side.BUY else up
        return Size(cut(self.wei, WEI_PER_MICRO))

    @property
    def cash(self) -> Cash:
        """Their notional: paid, rounded up; received, rounded down."""
        cut = up if self.side is Side.BUY else down
        return Cash(cut(sum(row.price * row.size for row in self.rows), _WEI_SQUARED))

    @property
    def fee(self) -> Fee:
        """What was charged, rounded up; ValueError if it was taken out of two things at once."""
        units = {row.unit for row in self.rows if row.fee}
        if len(units) > 1:
            raise ValueError("fees in shares and in money for one order")
        amount = up(sum(row.fee for row in self.rows), WEI_PER_MICRO)
        return Fee(amount, units.pop() if units else COLLATERAL)


def from_matches(matches: Iterable[wire.Match], order: Order, order_hash: str) -> Fills:
    """The order's part in these matches, each counted once; others are passed over.

    ValueError if one of them contradicts the order.
    """
    found: dict[tuple[str, ...], Fill] = {}
    for match in matches:
        if match.taker.hash.lower() == order_hash:
            parts = [(match.taker, match.price_executed, match.amount_filled)]
        else:
            makers = [maker for maker in match.makers if maker.hash.lower() == order_hash]
            parts = [(maker, maker.price, maker.amount) for maker in makers]
        for party, price, size in parts:
            if (
                party.outcome.on_chain_id != token_of(order.listing)
                or party.quote_type != _QUOTES[order.side]
            ):
                raise ValueError("a match of this order is for another outcome or side")
            if _beyond(order, wei(price)):
                raise ValueError(f"a match of this order at {price} wei, worse than its limit")
            unit = UNITS.get(party.fee.kind)
            if unit is None:
                raise ValueError(f"fee type {party.fee.kind!r}")
            key = (match.settlement_id, match.transaction_hash or "", match.executed_at, price, size)
            found[key] = Fill(match.settlement_id, wei(price), wei(size), wei(party.fee.amount), unit)
    return Fills(order.side, tuple(found.values()))


class Heard(msgspec.Struct, frozen=True):
    """What the wallet's events say of one order."""

    settled: Fills
    """Settlements that succeeded: final."""
    settling: Fills
    """Settlements under way."""


def from_news(news: Sequence[News], order: Order) -> Heard | None:
    """Each settlement once, by its latest state; a failed one did not happen.

    None where an event cannot be read, or where two contradict each other: the look-up then decides.
    """
    settled: dict[str, Fill] = {}
    settling: dict[str, Fill] = {}
    failed: set[str] = set()
    for item in news:
        kind, settlement = item.told.get("type", ""), item.told.get("settlement", "")
        if kind not in (SUBMITTED, SUCCESS, FAILED):
            continue
        fill = _fill(item) if settlement else None
        if fill is None or _beyond(order, fill.price):
            return None
        if kind == FAILED:
            failed.add(settlement)
        elif kind == SUCCESS:
            if settled.setdefault(settlement, fill) != fill:
                return None
        else:
            settling.setdefault(settlement, fill)
    if failed & set(settled):
        return None
    open_rows = [fill for key, fill in settling.items() if key not in settled and key not in failed]
    return Heard(Fills(order.side, tuple(settled.values())), Fills(order.side, tuple(open_rows)))


def _beyond(order: Order, price_wei: int) -> bool:
    """Whether this price is one that the signed amounts forbid, so that it cannot be the order's own.

    An average that was rounded may lie a wei beyond: a millionth is left for that.
    """
    limit_wei = order.limit * WEI_PER_MICRO
    worse = price_wei - limit_wei if order.side is Side.BUY else limit_wei - price_wei
    return worse > WEI_PER_MICRO


def _fill(item: News) -> Fill | None:
    told = item.told
    try:
        price, size, fee = (wei(told[name]) for name in ("price", "size", "fee"))
        return Fill(told["settlement"], price, size, fee, UNITS[told["fee_type"]])
    except (KeyError, ValueError):
        return None
