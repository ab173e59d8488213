"""Split a buy over 288 asks in 6 venues with 5 fee curves, against a bare walk of the ready merged ladder.

    python -m benchmarks.allocation [--rounds 11]

Three sizes: four levels, a third of everything, everything. `allocate` is the plan with its orders, checks
and transparency block; `decide` also brings the merged side up to date after three touched prices.
"""

import argparse
import random
from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from benchmarks.record import microseconds, note, ratio, record, seconds
from registry.model import OutcomeId
from router.core.allocate import allocate
from router.core.book import Book, Pulse
from router.core.merge import Merged, MergedSide, Offer, RankTables, Source
from router.core.model import MarketOrder, Means, Terms
from venues.base.contract import CashFee, Traits
from venues.base.events import BookSide, Snapshot, Update
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Charge, Side
from venues.base.units import ONE, Cash, Nanos, Price, Size, down, up

SEED = 20261121
LEVELS = 50
TICKS = (1_000, 10_000, 1_000, 1_000, 10_000, 1_000)
LOTS = (10_000, 10_000, 1_000, 10_000, 100_000, 10_000)
RATES = ((0, 0, 0), (0, 70_000, 0), (0, 20_000, 0), (10_000, 0, 0), (0, 0, 30_000), (5_000, 0, 0))
"""By venue, in millionths: of the price, of p(1-p), of min(p, 1-p)."""
NOW = 1_000


class Curve(CashFee, msgspec.Struct, frozen=True):
    """Three common shapes of fees, added up; exact per share, rounded up per part."""

    flat: int
    quadratic: int
    lesser: int

    def per_share(self, price: Price) -> int:
        """Millionths of millionths of millionths of a dollar."""
        lesser = min(price, ONE - price) * self.lesser
        return (price * self.flat + lesser) * ONE + self.quadratic * price * (ONE - price)

    def rank(self, side: Side, price: Price) -> Nanos:
        """Per share, rounded against the venue."""
        fee = up(self.per_share(price), 10**9)
        return Nanos(price * 1_000 + (fee if side is Side.BUY else -fee))

    def reserve(self, side: Side, price: Price, size: Size) -> Cash:
        """Rounded up once per part."""
        return Cash(up(self.per_share(price) * size, ONE**3))

    def fixed(self, side: Side) -> Cash:
        """Nothing."""
        return Cash(0)

    def charged(self, side: Side, fills: Sequence[tuple[Price, Size]]) -> Charge:
        """Part by part."""
        return Charge(Cash(sum(self.reserve(side, price, size) for price, size in fills)))


def asks(rng: random.Random, tick: int) -> list[tuple[Price, Size]]:
    """One venue's ladder: fine ticks with gaps, or coarse ticks without."""
    price = 520_000 + tick * rng.randrange(5)
    levels: list[tuple[Price, Size]] = []
    while len(levels) < LEVELS and price <= 999_000:
        levels.append((Price(price), Size(rng.randrange(5, 5_000) * ONE // rng.choice((1, 1, 10)))))
        price += tick * rng.choice((1, 1, 1, 2, 3)) if tick == 1_000 else tick
    return levels


def sources(rng: random.Random) -> list[Source]:
    """Six venues with a seeded, connected book each."""
    found = []
    for number, (tick, lot, rates) in enumerate(zip(TICKS, LOTS, RATES, strict=True)):
        native = Native(f"book-{number}")
        listing = Listing(venue=f"venue-{number}", native=native, grid=Grid.uniform(tick), lot=lot)
        traits = Traits(buys_in_cash=number == 2, cash_lot=10_000)
        book = Book(native, levels_max=1_000)
        book.attach(Pulse(NOW))
        book.apply(Snapshot(native, [], asks(rng, tick)), NOW)
        found.append(Source(Terms(listing=listing, curve=Curve(*rates), traits=traits), book, 1_000))
    return found


def bare_walk(offers: Iterable[Offer], budget: int) -> tuple[int, int, dict[int, list[int]]]:
    """The floor: shares, cost and legs from the same ready ladder; nothing checked, nothing explained."""
    legs: dict[int, list[int]] = {}
    left = budget
    for rank, venue, price, offered, *_ in offers:
        size = offered
        cost = rank * size
        if cost > left:
            size = Size(down(left, rank))
            if not size:
                break
            cost = rank * size
        left -= cost
        leg = legs.get(venue)
        if leg is None:
            legs[venue] = [size, cost, price]
        else:
            leg[0] += size
            leg[1] += cost
            leg[2] = price
        if cost and left < rank:
            break
    return sum(leg[0] for leg in legs.values()), budget - left, legs


def touch(books: Sequence[Book], rng: random.Random) -> None:
    """Three levels of three books get another size."""
    for book in rng.sample(books, 3):
        price = rng.choice(list(book.asks.levels)[:10])
        book.apply(Update(book.native, [(BookSide.ASK, price, rng.randrange(5, 5_000) * ONE)]), NOW)


def measure(rounds: int) -> dict[str, dict[str, object]]:
    """Figures by size of the order."""
    rng = random.Random(SEED)
    everything = sources(rng)
    side = MergedSide(everything, Side.BUY, RankTables())
    merged = side.read(NOW)
    ready = list(merged.offers)
    total = sum(offer[4] for offer in ready)
    means = Means(funds={(s.terms.listing.venue, ""): Cash(10 * total) for s in everything}, holdings={})
    small = sum(offer[4] for offer in ready[:4]) - 1
    moving = sources(random.Random(SEED))
    moving_side = MergedSide(moving, Side.BUY, RankTables())
    books = [source.book for source in moving]
    figures: dict[str, dict[str, object]] = {}
    for name, amount in {"small": small, "third": total // 3, "everything": 2 * total}.items():
        asked = MarketOrder(outcome=OutcomeId("px-benchmark"), side=Side.BUY, amount=Cash(amount))
        plan = allocate(merged, asked, means)
        walked = bare_walk(merged.offers, amount * 10**9)

        def decide(asked: MarketOrder = asked) -> None:
            touch(books, rng)
            now: Merged = moving_side.read(NOW)
            allocate(now, asked, means)

        taken = seconds(
            {
                "walk": partial(bare_walk, merged.offers, amount * 10**9),
                "allocate": partial(allocate, merged, asked, means),
            },
            rounds=rounds,
            times=200,
        )
        decided = seconds({"touch": lambda: touch(books, rng), "decide": decide}, rounds=rounds, times=50)
        figures[name] = {
            "cash": amount // ONE,
            "levels": sum(len(order.parts) for order in plan.orders),
            "orders": len(plan.orders),
            "exact": plan.exact,
            "walk_us": microseconds(taken, "walk"),
            "allocate_us": microseconds(taken, "allocate"),
            "ratio": ratio(taken, "allocate", "walk"),
            "decide_us": round(microseconds(decided, "decide") - microseconds(decided, "touch"), 1),
            "shares_above_walk": round((sum(o.size for o in plan.orders) - walked[0]) / ONE, 3),
        }
    return figures


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    figures = measure(parser.parse_args().rounds)
    for name, row in figures.items():
        note(f"{name:12} {row}")
    record("allocation", figures)


if __name__ == "__main__":
    main()
