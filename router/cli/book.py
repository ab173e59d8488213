"""`crossbook book`: an outcome's merged book, live, with the venue and the fee of every level."""

import asyncio
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from registry.model import Outcome, OutcomeId
from router.assembly import MarketData, data_signers, open_accounts
from router.config import ConfigError, load
from router.core.merge import Merged, Offer
from router.runtime.logs import Redactor
from router.runtime.registry_file import read_registry
from venues import discover
from venues.base.orders import Side
from venues.base.units import DIGITS, NANOS_PER_MICRO, ONE, Price, decimal, half_even, plain

LEVELS = 12
"""Levels a side: what fits on a terminal of ordinary height."""
NATIVE_CHARS_MAX = 13
REFRESH_MS = 250
SEED_MS_MAX = 15_000
"""Longest wait for a first book before showing what is there."""


async def show(path: Path, outcome_id: str, redactor: Redactor, *, once: bool) -> int:
    """Stream the outcome's books and draw them until interrupted, or once when they have come."""
    venues = discover()
    config = load(path, venues)
    market = MarketData(config, venues, data_signers(config, open_accounts(config, venues, redactor)))
    registry = read_registry(Path(config.registry.file), venues)
    outcome = registry.outcome(OutcomeId(outcome_id))
    if outcome is None:
        raise ConfigError(f"{config.registry.file}: no outcome has the id {outcome_id}")
    await market.start(registry)
    console = Console()
    try:
        await _seeded(market, outcome)
        if once:
            console.print(draw(market, outcome))
            return 0
        with Live(draw(market, outcome), console=console, auto_refresh=False) as live:
            while True:
                await market.clock.sleep(REFRESH_MS)
                live.update(draw(market, outcome), refresh=True)
    finally:
        await market.stop()


async def _seeded(market: MarketData, outcome: Outcome) -> None:
    """Wait until every listing's book is usable, or until it has been long enough."""
    end_ms = market.clock.monotonic_ms() + SEED_MS_MAX
    while market.clock.monotonic_ms() < end_ms:
        merged = read(market, outcome, Side.BUY)
        if len(merged.terms) == len(outcome.listings) and not merged.unusable:
            return
        await asyncio.sleep(0.05)


def read(market: MarketData, outcome: Outcome, side: Side) -> Merged:
    """One side of the outcome over every venue that lists it."""
    return market.ladders.read(outcome, side, frozenset(key.venue for key in outcome.listings)).takes


def draw(market: MarketData, outcome: Outcome) -> Group:
    """Asks above bids, best ones meeting in the middle; below, the books that may not be used and why."""
    asks, bids = read(market, outcome, Side.BUY), read(market, outcome, Side.SELL)
    title = f"{escape(outcome.title)} [bold]{escape(outcome.label)}[/bold]"
    table = Table(title=title, caption=outcome.outcome_id, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("side", "after fees", "price", "fee bps", "size", "venue", "listing"):
        text = heading in ("side", "venue", "listing")
        last = heading == "listing"  # the only one that gives way on a narrow terminal
        table.add_column(heading, justify="left" if text else "right", no_wrap=not last, overflow="fold")
    for row in reversed(_rows(asks, "[red]ask[/red]")):
        table.add_row(*row)
    table.add_section()
    for row in _rows(bids, "[green]bid[/green]"):
        table.add_row(*row)
    missing = [Text(f"{key}: {why}", style="yellow") for key, why in sorted(asks.unusable.items())]
    return Group(table, *missing)


def _rows(merged: Merged, word: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for key, index, price, size, *_ in islice(_offers(merged), LEVELS):
        listing = merged.terms[index].listing
        native = str(listing.native)
        if len(native) > NATIVE_CHARS_MAX:
            native = f"{native[:6]}…{native[-6:]}"
        turned = ", turned" if listing.inverted else ""
        fees = _fee_bps(abs(key), price)
        rows.append(
            (
                word,
                _nanos(abs(key)),
                decimal(price)[:6],
                fees,
                plain(size),
                listing.venue,
                escape(native + turned),
            )
        )
    return rows


def _offers(merged: Merged) -> Iterable[Offer]:
    return iter(merged.offers)


def _nanos(rank: int) -> str:
    whole, rest = divmod(rank, ONE * NANOS_PER_MICRO)
    return f"{whole}.{rest:09d}"[: DIGITS + 2]


def _fee_bps(rank: int, price: Price) -> str:
    """The fee in hundredths of a basis point of the price, for the eye."""
    fee = abs(rank - price * NANOS_PER_MICRO)
    hundredths = half_even(fee * 1_000_000, price * NANOS_PER_MICRO)
    return f"{hundredths // 100}.{hundredths % 100:02d}"
