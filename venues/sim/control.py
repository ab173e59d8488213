"""The control face of a simulated venue, under `/_sim/`: tests look behind its wire and set its scene.

Every refusal is {"error": text} and names the field and the rule. See docs/simulators.md.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol, runtime_checkable
from urllib.parse import unquote

import msgspec
from msgspec import Meta

from venues.base.events import Level
from venues.base.http import Response
from venues.base.units import ONE, Price, Size, complement, plain
from venues.sim.clock import SKEW_MS_MAX, SimClock
from venues.sim.contract import Call, Simulator
from venues.sim.engine import EngineError
from venues.sim.faults import Faults, read_rules
from venues.sim.ledger import book, ledger
from venues.sim.model import Market
from venues.sim.wish import amount, positions

PREFIX = "/_sim/"
"""No venue has a path that begins so."""
LEVELS_MAX = 10_000
"""As many levels a side as the finest grid of any venue has prices."""


@runtime_checkable
class Tunable(Protocol):
    """A simulator with switches of its own, by name. Each keeps its type."""

    knobs: dict[str, Any]


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An exact book: [price, size] pairs as decimal text, in any order."""

    bids: Annotated[list[tuple[str, str]], Meta(max_length=LEVELS_MAX)]
    asks: Annotated[list[tuple[str, str]], Meta(max_length=LEVELS_MAX)]


Skew = Annotated[int, Meta(ge=-SKEW_MS_MAX, le=SKEW_MS_MAX)]


class ClockWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the three, or none for real time."""

    offset_ms: Skew | None = None
    fixed_ms: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    advance_ms: Annotated[int, Meta(ge=0, le=SKEW_MS_MAX)] | None = None


class AccountWish(msgspec.Struct, frozen=True):
    """What every venue's wish may hold. Other keys are the venue's own, which its simulator checks."""

    balance: str = "0"
    positions: dict[str, str] = {}
    credentials: dict[str, str] = {}


class NotHere(Exception):
    """The control face has no such thing."""


class Control:
    """Carries out the calls under `/_sim/` on one simulator."""

    def __init__(
        self, simulator: Simulator, faults: Faults, clock: SimClock, *, released: Callable[[Market], None]
    ) -> None:
        self._simulator = simulator
        self._exchange = simulator.exchange
        self._faults = faults
        self._clock = clock
        self._released = released
        """Told that a test has taken over this market's book."""
        self._verbs: dict[str, Callable[[Call, str], object]] = {
            "GET ledger": self._ledger,
            "GET books": self._book,
            "PUT books": self._set_book,
            "POST accounts": self._open_account,
            "POST markets": self._list_market,
            "GET faults": self._show_faults,
            "PUT faults": self._set_faults,
            "GET clock": self._show_clock,
            "POST clock": self._set_clock,
            "GET knobs": self._show_knobs,
            "POST knobs": self._set_knobs,
        }

    def answer(self, call: Call) -> Response:
        """One control call. Whatever is wrong with it is the caller's to know: 400, 404 or 405."""
        asked = call.path.removeprefix(PREFIX).removeprefix(PREFIX[1:])  # said twice: see docs/simulators.md
        noun, _, rest = asked.partition("/")
        verb = self._verbs.get(f"{call.method} {noun}")
        if verb is None:
            methods = [name.split()[0] for name in self._verbs if name.split()[1] == noun]
            if methods:
                return _reply(405, {"error": f"{noun} takes {' and '.join(methods)}, not {call.method}"})
            return _reply(404, {"error": f"no {PREFIX}{noun}; there are {sorted(self._verbs)}"})
        try:
            return _reply(200, verb(call, unquote(rest)))
        except NotHere as error:
            return _reply(404, {"error": str(error)})
        except EngineError as error:
            return _reply(400, {"error": f"the exchange refused: {error.code}"})
        except ValueError as error:
            return _reply(400, {"error": str(error)})

    def _ledger(self, call: Call, rest: str) -> object:
        name = call.query.get("account")
        if name is not None and name not in self._exchange.accounts:
            raise NotHere(f"account: no {name!r} here; there are {sorted(self._exchange.accounts)[:10]}")
        return ledger(self._exchange, name)

    def _book(self, call: Call, rest: str) -> object:
        if rest not in self._exchange.by_native:
            raise NotHere(f"listing: no {rest!r} here; there are {sorted(self._exchange.by_native)[:10]}")
        return book(self._exchange, rest)

    def _set_book(self, call: Call, rest: str) -> object:
        self._book(call, rest)
        market, outcome = self._exchange.by_native[rest]
        wish = msgspec.json.decode(call.body, type=Levels)
        bids = _levels("bids", wish.bids, market, outcome=outcome)
        asks = _levels("asks", wish.asks, market, outcome=outcome)
        if bids and asks and max(bids)[0] >= min(asks)[0]:
            raise ValueError(
                f"bids, asks: crossed, {plain(max(bids)[0])} bid is not below {plain(min(asks)[0])} ask"
            )
        if not market.trading:
            raise ValueError(f"listing: {rest!r} is not trading, so its book cannot be set")
        self._released(market)
        self._exchange.set_book(rest, bids, asks, self._clock.now())
        return book(self._exchange, rest)

    def _open_account(self, call: Call, rest: str) -> object:
        wish = _object(call)
        checked = msgspec.convert(wish, AccountWish)
        amount("balance", checked.balance)
        positions(self._exchange, checked.positions)
        before = set(self._exchange.accounts)
        credentials = self._simulator.open_account(wish, self._clock.now())
        opened = sorted(set(self._exchange.accounts) - before)
        # A venue that keeps cash in several pots opens one for each; the main one sorts first.
        assert opened, "one account was wished for, none was opened"
        return {"account": opened[0], "credentials": dict(credentials)}

    def _list_market(self, call: Call, rest: str) -> object:
        return {"listings": self._simulator.list_market(_object(call))}

    def _show_faults(self, call: Call, rest: str) -> object:
        return {"faults": self._faults.shown()}

    def _set_faults(self, call: Call, rest: str) -> object:
        self._faults.replace(read_rules(call.body), self._clock.real())
        return {"faults": self._faults.shown()}

    def _show_clock(self, call: Call, rest: str) -> object:
        return {"now_ms": self._clock.now(), "real_ms": self._clock.real()}

    def _set_clock(self, call: Call, rest: str) -> object:
        wish = msgspec.json.decode(call.body, type=ClockWish)
        given = [name for name in ClockWish.__struct_fields__ if getattr(wish, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{', '.join(given)}: give one of them, or {{}} for real time")
        if wish.advance_ms is not None:
            self._clock.advance(wish.advance_ms)
        elif wish.fixed_ms is not None:
            self._clock.fix(wish.fixed_ms)
        else:
            self._clock.run(wish.offset_ms or 0)
        return self._show_clock(call, rest)

    def _show_knobs(self, call: Call, rest: str) -> object:
        return {"knobs": self._knobs()}

    def _set_knobs(self, call: Call, rest: str) -> object:
        knobs, wish = self._knobs(), _object(call)
        for name, value in wish.items():
            if name not in knobs:
                raise ValueError(f"{name}: no such knob; there are {sorted(knobs)}")
            if type(value) is not type(knobs[name]):
                raise ValueError(f"{name}: takes {type(knobs[name]).__name__}, was {value!r}")
        knobs.update(wish)
        return {"knobs": knobs}

    def _knobs(self) -> dict[str, Any]:
        if not isinstance(self._simulator, Tunable):
            raise NotHere(f"{self._simulator.name} has no knobs")
        return self._simulator.knobs


def _reply(status: int, value: object) -> Response:
    body = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    return Response(status, body, {"content-type": "application/json"})


def _object(call: Call) -> Mapping[str, Any]:
    return msgspec.json.decode(call.body, type=dict[str, Any])


def _levels(side: str, pairs: list[tuple[str, str]], market: Market, *, outcome: int) -> list[Level]:
    """One side of a wished book, checked level by level."""
    levels: dict[Price, Size] = {}
    for n, (price_text, size_text) in enumerate(pairs):
        price = Price(amount(f"{side}[{n}] price", price_text))
        size = Size(amount(f"{side}[{n}] size", size_text))
        if not 0 < price < ONE:
            raise ValueError(f"{side}[{n}] price: must be above 0 and below 1, was {price_text}")
        if market.grid and not market.grid.valid(price if outcome == 0 else complement(price)):
            raise ValueError(f"{side}[{n}] price: {price_text} is not on the listing's grid")
        if size <= 0 or size % market.size_step:
            step = plain(market.size_step)
            raise ValueError(f"{side}[{n}] size: must be a positive multiple of {step}, was {size_text}")
        if price in levels:
            raise ValueError(f"{side}[{n}] price: {price_text} appears twice")
        levels[price] = size
    return list(levels.items())
