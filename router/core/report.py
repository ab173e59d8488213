"""What the caller is told: fills, summary and the reasons, from the plan and the venues' answers."""

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from router.core.gated import spoken
from router.core.model import Considered, LeftOut, MarketOrder, RouteId
from router.core.records import Planned
from venues.base.contract import Traits
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    Order,
    OrderId,
    Pending,
    Rejected,
    Side,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Price, Size, half_even, plain


class FillStatus(Enum):
    """Where one venue order stands, in the caller's words."""

    FILLED = "filled"
    PARTIAL = "partial"
    OPEN = "open"
    FAILED = "failed"


class FillLine(msgspec.Struct, frozen=True, kw_only=True):
    """One order that was sent to a venue."""

    venue: str
    venue_order_id: str | None
    """None when the venue gave none: it failed, or we do not know yet."""
    order_id: OrderId
    status: FillStatus
    size: Size
    cash: Cash
    """Notional traded, fee excluded."""
    price: Price
    """Average raw price of the fills; 0 without any."""
    fee: Fee | None
    error: str | None
    """Why it failed; None in all other cases."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer to one route, in no dialect yet."""

    route_id: RouteId
    asked: MarketOrder
    fills: tuple[FillLine, ...]
    size: Size
    """Shares traded in all."""
    cash: Cash
    """Notional traded in all, fees excluded."""
    failed: bool
    """Every order that was sent came to nothing, with proof."""
    considered: tuple[Considered, ...]
    left_out: tuple[LeftOut, ...] = ()
    """Venues that could not be used at all, with the reason; the seed dialect tells it in `reasoning`."""
    reasoning: str

    @property
    def average(self) -> Price | None:
        """Size-weighted average raw price; None when nothing traded."""
        return Price(half_even(self.cash * ONE, self.size)) if self.size else None


def report(planned: Planned, known: Mapping[OrderId, Answer], traits: Mapping[str, Traits]) -> Report:
    """The report of a route from its intent and the best knowledge of each order."""
    lines = [
        fill_line(order, known.get(order.order_id), traits[order.listing.venue]) for order in planned.orders
    ]
    return Report(
        route_id=planned.route_id,
        asked=planned.asked,
        fills=tuple(lines),
        size=Size(sum([line.size for line in lines])),
        cash=Cash(sum([line.cash for line in lines])),
        failed=all(line.status is FillStatus.FAILED for line in lines),
        considered=planned.considered,
        left_out=planned.left_out,
        reasoning=reasoning(planned.asked, lines, planned.considered, planned.left_out) + _cut(planned.cut),
    )


def fill_line(order: Order, answer: Answer | None, traits: Traits) -> FillLine:
    """One order in the caller's words. Only proof makes it `failed`."""
    status, size, cash, fee, error = FillStatus.OPEN, Size(0), Cash(0), None, None
    venue_order_id = None
    match answer:
        case Filled():
            size, cash, fee, venue_order_id = answer.size, answer.cash, answer.fee, answer.venue_order_id
            if size == 0:
                status, error, fee = FillStatus.FAILED, "nothing could be filled at the limit price", None
            else:
                status = FillStatus.FILLED if complete(order, size, cash, traits) else FillStatus.PARTIAL
        case Rejected():
            status, error = FillStatus.FAILED, f"{answer.code}: {answer.message}"
        case Working() | Pending():
            size, cash, venue_order_id = answer.size, answer.cash, answer.venue_order_id
            if size > 0 and complete(order, size, cash, traits):
                status = FillStatus.FILLED
        case Unknown() | None:
            pass
    return FillLine(
        venue=order.listing.venue,
        venue_order_id=venue_order_id,
        order_id=order.order_id,
        status=status,
        size=size,
        cash=cash,
        price=Price(half_even(cash * ONE, size)) if size else Price(0),
        fee=fee,
        error=error,
    )


def complete(order: Order, size: Size, cash: Cash, traits: Traits) -> bool:
    """Whether all of the order was done, but for what is smaller than the venue's own unit."""
    if order.side is Side.BUY and traits.buys_in_cash:
        return order.cash - cash < traits.cash_lot or size >= order.size
    return order.size - size < order.listing.lot


def reasoning(
    asked: MarketOrder,
    lines: Sequence[FillLine],
    considered: Sequence[Considered],
    left_out: Sequence[LeftOut],
) -> str:
    """A few sentences that a person understands."""
    used = [line for line in lines if line.size > 0]
    verb = "Bought" if asked.side is Side.BUY else "Sold"
    parts = [f"{plain(line.size)} at {plain(line.price)} on {line.venue}" for line in used]
    if parts:
        goal = "lowest" if asked.side is Side.BUY else "highest"
        first = f"{verb} {_listed(parts)}: the {goal} prices after fees."
    elif any(line.status is FillStatus.OPEN for line in lines):
        venues = dict.fromkeys(line.venue for line in lines if line.status is FillStatus.OPEN)
        waiting = _listed(list(venues))
        first = f"No fill is confirmed yet; {waiting} will be asked again."
    else:
        first = f"Nothing was filled: {_listed([f'{line.venue} ({line.error})' for line in lines])}."
    rest = [line.venue for line in lines if line.size > 0 and line.status is not FillStatus.FILLED]
    rest += [line.venue for line in lines if line.size == 0 and used]
    dropped = [f"{entry.venue} ({_words(entry.dropped)})" for entry in considered if entry.dropped]
    second = ""
    if rest:
        second = f" Not all was done on {_listed(list(dict.fromkeys(rest)))}."
    if dropped:
        second += f" Not used: {_listed(dropped)}."
    if left_out:
        second += f" Left out: {_listed([spoken(entry) for entry in left_out])}."
    return first + second


def _cut(most: int | None) -> str:
    return "" if most is None else f" Held to {plain(most)}: its share of what was on offer."


def _words(reason: str) -> str:
    return reason.replace("_", " ")


def _listed(words: Sequence[str]) -> str:
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
