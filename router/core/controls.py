"""Controls before trading: each a small rule that raises its refusal with name, value and limit.

They are asked before the intent is written and again when an order is sent. Money is counted at its worst:
an order without a last word counts as filled, with every fee. Only what is asked for can be cut (collar,
depth); an order that was planned is sent as it is, or not at all.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from registry.model import Match, Outcome
from router.core.errors import (
    ConfirmRequired,
    InvalidSize,
    NotTradable,
    PriceCollar,
    RiskLimit,
)
from router.core.merge import Merged, Offer
from router.core.model import MarketOrder
from venues.base.listing import Listing, ListingKey
from venues.base.orders import Order, Side
from venues.base.units import ONE, Cash, Price, Size, down, plain, proceeds, up

HISTORY_MIN = 10
"""Orders an account must have had before its usual size means anything."""
HISTORY_MAX = 500
"""Latest orders that the usual size is taken from."""
HISTORY_MS = 30 * 24 * 3_600_000
MINUTE_MS = 60_000


class CashLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much money, fees included: of an account, or of an account at one venue."""

    order: Cash = Cash(100 * ONE)
    """In one order."""
    minute: Cash = Cash(500 * ONE)
    """In any sixty seconds."""
    open: Cash = Cash(1_000 * ONE)
    """In all orders without a last word."""


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one account may do. The defaults are those of the settings."""

    cash: CashLimits = CashLimits()
    at: Mapping[str, CashLimits] = {}
    """By venue, where it is not the account's own."""
    order_size: Size = Size(100_000 * ONE)
    """Shares in one order."""
    collar: Price = Price(100_000)
    """How far a price may be from the middle between the best bid and the best ask of all venues."""
    collar_bps: int = 1_500
    """How far a price may be from the best one."""
    depth_bps: int = 5_000
    """The share of what is on offer within the collar that one order may take."""
    orders_per_second: int = 5
    closing_ms: int = 60_000
    """Before a market closes no order is sent to it any more."""
    price_low: Price = Price(10_000)
    price_high: Price = Price(990_000)
    """Outside of these a price needs `confirm`."""
    matches: frozenset[Match] = frozenset({Match.EXACT, Match.ORDINARY})
    """How a listing must match its outcome in the registry."""
    usual_times: int = 10
    """More than so many times the account's usual size needs `confirm`."""

    def cash_at(self, venue: str) -> CashLimits:
        """How much money at this venue."""
        return self.at.get(venue, self.cash)


# --- what is asked ---


def check_asked(limits: AccountLimits, asked: MarketOrder) -> None:
    """The largest order, in money and in shares. Raises RiskLimit or InvalidSize."""
    if asked.amount > limits.cash.order:
        raise RiskLimit("order_usd", plain(asked.amount), plain(limits.cash.order))
    if asked.size > limits.order_size:
        raise InvalidSize("order_shares", plain(asked.size), plain(limits.order_size))


def check_sale(limits: AccountLimits, asked: MarketOrder, bid: Price | None) -> None:
    """The largest order in money where shares are asked for: at the best price. Raises RiskLimit."""
    if asked.side is not Side.SELL or bid is None:
        return
    worth = proceeds(bid, asked.size)
    if worth > limits.cash.order:
        raise RiskLimit("order_usd", f"{plain(worth)} at the best bid", plain(limits.cash.order))


def check_usual(limits: AccountLimits, sizes: Sequence[Size], size: Size, *, confirmed: bool) -> None:
    """Whether it is far larger than this account's orders of late: `sizes`, in ascending order.

    Raises ConfirmRequired.
    """
    if confirmed or len(sizes) < HISTORY_MIN:
        return
    most = limits.usual_times * sizes[(len(sizes) - 1) // 2]
    if size > most:
        raise ConfirmRequired("confirm_medians", f"{plain(size)} shares", f"{plain(most)} shares")


# --- what may be planned ---


UNLIKE = "class_not_allowed"
"""The account may not trade listings that match as this one does."""
UNLISTED = "not_in_registry"
"""The registry in force does not have the listing under this outcome any more."""


def barred(limits: AccountLimits, outcome: Outcome, now: Outcome | None) -> dict[ListingKey, str]:
    """The listings of an outcome that the account may not trade, and why.

    `now` is the outcome in the registry in force, None where that has none of its id.
    """
    if now is outcome and not outcome.matches and Match.ORDINARY in limits.matches:
        return {}
    here = now.listings if now is not None else ()
    gone = {key: UNLISTED for key in outcome.listings if key not in here}
    return gone | dict.fromkeys(now.unlike(limits.matches) if now is not None else (), UNLIKE)


def check_matches(limits: AccountLimits, outcome: Outcome, merged: Merged) -> None:
    """Whether a listing is left that the account may trade. Raises NotTradable."""
    if not merged.unusable:
        return
    keys = [terms.listing.key for terms in merged.terms]
    if not keys or any(merged.unusable.get(key) not in (UNLIKE, UNLISTED) for key in keys):
        return
    found = sorted({match.value for match in outcome.unlike(limits.matches).values()})
    raise NotTradable("classes", ", ".join(found) or UNLISTED, ", ".join(sorted(limits.matches)))


def check_closing(limits: AccountLimits, listing: Listing, now_ms: int) -> None:
    """A market that closes soon, where its venue says when. Raises NotTradable."""
    if listing.closes_ms is not None and listing.closes_ms - now_ms < limits.closing_ms:
        raise NotTradable(
            "closing_ms", f"closes in {listing.closes_ms - now_ms} ms", f"{limits.closing_ms} ms"
        )


def without_closing(limits: AccountLimits, asked: MarketOrder, merged: Merged, now_ms: int) -> MarketOrder:
    """The order without the venues whose market closes soon. Raises NotTradable when no other is left."""
    closing: dict[str, NotTradable] = {}
    for terms in merged.terms:
        try:
            check_closing(limits, terms.listing, now_ms)
        except NotTradable as refusal:
            closing[terms.listing.venue] = refusal
    if not closing:
        return asked
    if all(terms.listing.venue in closing for terms in merged.terms):
        raise next(iter(closing.values()))
    return msgspec.structs.replace(asked, exclude_venues=asked.exclude_venues | closing.keys())


def collared(limits: AccountLimits, asked: MarketOrder, bid: Price | None, ask: Price | None) -> MarketOrder:
    """The order, held to prices within the collar; `bid` and `ask` are the best ones of all its venues.

    Where one side of the books is empty there is no middle: the best price alone counts. Raises PriceCollar
    when the best price itself is out of it.
    """
    slippage = asked.max_slippage_bps
    bps = limits.collar_bps if slippage is None else min(slippage, limits.collar_bps)
    if bid is None or ask is None:
        return msgspec.structs.replace(asked, max_slippage_bps=bps)
    if asked.side is Side.BUY:
        far = Price(down(bid + ask + 2 * limits.collar, 2))
        best, worst = ask, far if asked.max_price is None else min(asked.max_price, far)
    else:
        far = Price(up(bid + ask - 2 * limits.collar, 2))
        best, worst = bid, far if asked.max_price is None else max(asked.max_price, far)
    if _worse(asked.side, best, far):
        raise PriceCollar("collar_usd", f"best price {plain(best)}", f"{plain(far)}, from the middle")
    return msgspec.structs.replace(asked, max_price=worst, max_slippage_bps=bps)


def within_depth(limits: AccountLimits, asked: MarketOrder, merged: Merged) -> int:
    """How much of the amount (buy) or size (sell) stays within its share of what is on offer.

    On offer is what `asked` accepts by price and venue. All of it when it fits. It reads no more of the books
    than twice what the order takes by default.
    """
    if asked.side is Side.SELL:
        return _size_within(limits, asked, merged)
    taken: list[tuple[Size, Cash]] = []
    depth, bought, left = 0, 0, int(asked.amount)
    for offer in _acceptable(asked, merged):
        size, cash = offer[3], offer[4]
        depth += size
        if left > 0:
            taken.append((size, cash))
            bought += size if cash <= left else down(size * left, cash)
            left -= min(cash, left)
        if left == 0 and bought * 10_000 <= depth * limits.depth_bps:
            return asked.amount
    most = down(depth * limits.depth_bps, 10_000)
    return asked.amount if bought <= most else _cost_of(taken, most)


def _size_within(limits: AccountLimits, asked: MarketOrder, merged: Merged) -> int:
    depth = 0
    for offer in _acceptable(asked, merged):
        depth += offer[3]
        if asked.size * 10_000 <= depth * limits.depth_bps:
            return asked.size
    return min(asked.size, down(depth * limits.depth_bps, 10_000))


def _cost_of(taken: Sequence[tuple[Size, Cash]], shares: int) -> int:
    """What the first so many shares of these levels cost, rounded down."""
    spent = 0
    for size, cash in taken:
        part = min(size, shares)
        spent += down(cash * part, size)
        shares -= part
    return spent


def _acceptable(asked: MarketOrder, merged: Merged) -> Iterator[Offer]:
    """Offers within the caller's prices and venues, best first."""
    worst = worst_price(asked, merged)
    for offer in merged.offers:
        venue = merged.terms[offer[1]].listing.venue
        if asked.venues is not None and venue not in asked.venues:
            continue
        if venue not in asked.exclude_venues and (worst is None or not _worse(asked.side, offer[2], worst)):
            yield offer


def worst_price(asked: MarketOrder, merged: Merged) -> Price | None:
    """The worst raw price the order accepts, by its own bounds."""
    best = merged.best
    if asked.max_slippage_bps is None or best is None:
        return asked.max_price
    if asked.side is Side.BUY:
        slipped = Price(down(best * (10_000 + asked.max_slippage_bps), 10_000))
        return slipped if asked.max_price is None else min(asked.max_price, slipped)
    slipped = Price(up(best * (10_000 - asked.max_slippage_bps), 10_000))
    return slipped if asked.max_price is None else max(asked.max_price, slipped)


def _worse(side: Side, price: Price, than: Price) -> bool:
    return price > than if side is Side.BUY else price < than


# --- what was planned ---


class Used(msgspec.Struct, frozen=True):
    """Money in use, at its worst."""

    minute: Cash
    """In the orders of the last sixty seconds."""
    open: Cash
    """In orders without a last word."""


def at_worst(order: Order) -> Cash:
    """The most an order moves: a buy its cash and all it may cost beyond, a sale its planned proceeds."""
    return order.cash if order.side is Side.SELL else Cash(order.cash + order.reserve)


def room(limits: CashLimits, used: Used) -> Cash:
    """What one more order may be for."""
    return Cash(max(0, min(limits.order, limits.minute - used.minute, limits.open - used.open)))


def check_cash(limits: CashLimits, used: Used, cash: Cash, *, where: str = "") -> None:
    """One more order of this much. Raises RiskLimit."""
    at = f"{where}: " if where else ""
    if cash > limits.order:
        raise RiskLimit(f"{at}order_usd", plain(cash), plain(limits.order))
    if used.minute + cash > limits.minute:
        raise RiskLimit(f"{at}minute_usd", plain(used.minute + cash), plain(limits.minute))
    if used.open + cash > limits.open:
        raise RiskLimit(f"{at}open_usd", plain(used.open + cash), plain(limits.open))


def check_prices(limits: AccountLimits, orders: Collection[Order], *, confirmed: bool) -> None:
    """Prices at which hardly anything is left to gain. Raises ConfirmRequired."""
    for order in orders:
        if not (confirmed or limits.price_low <= order.limit <= limits.price_high):
            least, most = plain(limits.price_low), plain(limits.price_high)
            raise ConfirmRequired("confirm_price", plain(order.limit), f"{least} to {most}")


def check_rules(order: Order) -> None:
    """The venue's own rules: grid, lot and least size. Raises InvalidSize."""
    listing = order.listing
    if not listing.valid_price(order.limit):
        raise InvalidSize("tick", plain(order.limit), "a price of the venue's grid")
    if order.size < max(1, listing.minimum_size):
        raise InvalidSize("min_size", plain(order.size), plain(listing.minimum_size))


# --- what is sent ---


def check_now(
    limits: AccountLimits,
    order: Order,
    merged: Merged,
    *,
    bid: Price | None,
    ask: Price | None,
    now_ms: int,
) -> None:
    """The books as they are when the order is to leave. Raises NotTradable or PriceCollar."""
    key: ListingKey = order.listing.key
    if key in merged.unusable:
        raise NotTradable("book", merged.unusable[key], "usable")
    if key not in [terms.listing.key for terms in merged.terms]:
        raise NotTradable("book", "not followed any more", "usable")
    check_closing(limits, order.listing, now_ms)
    if bid is None or ask is None:
        return
    middle_twice, limit_twice = bid + ask, 2 * order.limit
    away = limit_twice - middle_twice if order.side is Side.BUY else middle_twice - limit_twice
    if away > 2 * limits.collar:
        raise PriceCollar("collar_usd", plain(up(away, 2)), plain(limits.collar))
