"""The largest order where only one listing can take part: nothing competes with it, so no other gains more.

That needs what an order gains to grow with its size. It does where all shares of a buy arrive, and where a
lot is worth several times what rounding may cost. Where that, or whether a larger order fits, is in doubt,
the question is left to the general ways.
"""

from collections.abc import Iterable

from router.core.best_first import Bounds, Split
from router.core.ladder import slop
from router.core.merge import Offer
from router.core.portion import Portion, arriving, portion
from venues.base.orders import Side
from venues.base.units import Cash, Price, Size, affordable, proceeds

STEADY = 4
"""Twice: a lot may end one level and begin another, each rounded. Doubled, for it costs next to nothing."""
_BUY = Side.BUY


def single(bounds: Bounds, offers: Iterable[Offer]) -> Split | None:
    """The best split over the one listing allowed; None when that is not certain, or nothing runs out."""
    [index] = bounds.allowed
    terms, rules = bounds.terms[index], bounds.rules[index]
    room = min(bounds.total, bounds.limits[bounds.pools[index]])
    left = room - rules.fixed
    column = 4 if bounds.side is _BUY else 3
    whole: list[Offer] = []
    for offer in offers:
        left -= offer[column]
        if left < 0:
            each = portion(terms, rules, whole, offer)
            if not (_steady(each, offer[2]) and each.fit(room) and each.full(room)):
                return None
            return Split({index: each} if each.gain > 0 and each.allowed else {}, exact=True)
        whole.append(offer)
    return None


def _steady(each: Portion, price: Price) -> bool:
    """Whether a larger order surely gains more, down to this price."""
    rules, curve = each.rules, each.terms.curve
    if not each.buying:
        lot = Size(rules.step)
        worth = proceeds(price, lot) - curve.reserve(rules.side, price, lot)
    elif rules.keeps_nothing:
        return True
    else:
        worth = arriving(
            curve, price, affordable(price, Cash(rules.step)) if rules.in_cash else Size(rules.step)
        )
    best = each.whole[0][2] if each.whole else price
    return worth >= STEADY * max(slop(curve, rules.side, best), slop(curve, rules.side, price))
