"""A wish is what a test or a demo asks of a simulated venue: an account or a market, as JSON.

Every error is a ValueError that names the field and the rule, for the control face to show.
"""

from collections.abc import Collection, Mapping

from venues.base.units import Size, micros, plain
from venues.sim.engine import Exchange
from venues.sim.ledger import parse_key
from venues.sim.model import Market


def check_keys(thing: str, wish: Collection[str], known: Collection[str]) -> None:
    """Refuse a wish with a key that this thing does not have."""
    unknown = sorted(set(wish) - set(known))
    if unknown:
        raise ValueError(f"{thing}: no such fields {unknown}; there are {sorted(known)}")


def amount(field: str, text: object) -> int:
    """Decimal text in millionths."""
    try:
        return micros(str(text))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from error


def whole(field: str, value: object, most: int) -> int:
    """A whole number from 0 to `most`."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{field}: a whole number from 0 to {most}, was {value!r}")
    return value


def positions(exchange: Exchange, wish: Mapping[str, object]) -> list[tuple[Market, int, Size]]:
    """Market, outcome and shares of each listing key ("TICKER" or "TICKER:inverted") with decimal text."""
    found: list[tuple[Market, int, Size]] = []
    for key, text in wish.items():
        try:
            market, outcome = parse_key(exchange, key)
        except ValueError as error:
            raise ValueError(f"positions: {error}") from error
        size = Size(amount(f"positions[{key!r}]", text))
        if size % market.size_step:
            raise ValueError(f"positions: {key} is not a multiple of {plain(market.size_step)}")
        found.append((market, outcome, size))
    return found
