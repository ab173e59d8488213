"""What goes wrong on the wire, by rule and by seed. This module only decides; the server carries it out.

A rule names a fault and the calls it falls on. Calls are written "METHOD path" for HTTP requests and
WebSocket upgrades, "ws path" for frames to the client, "say path" for frames from it and "ping path" for
WebSocket pings. At most one rule applies to a call: the first in the list that is willing.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from venues.base.units import ONE, micros

RULES_MAX = 100
"""A test that needs more rules at once is no longer about faults."""
CALL_CHARS_MAX = 200
"""Longer than any path of a venue, short enough that a pattern stays readable."""
WAIT_MS_MAX = 600_000
"""Ten minutes: longer than any deadline of a client, so that "never" can be told from "late"."""


class Dice(Protocol):
    """The luck of the simulators: `random.Random` has it."""

    def randrange(self, start: int, stop: int) -> int:
        """A number from `start` up to and without `stop`."""
        ...


class Fault(Enum):
    """What can go wrong with one call or frame."""

    LATE = "late"
    LOST = "lost"
    EXECUTED_THEN_LOST = "executed_then_lost"
    """Shorthand for `lost` with `when` "after"."""
    DOUBLED = "doubled"
    REORDERED = "reordered"
    REFUSED = "refused"
    GARBLED = "garbled"
    ERROR5XX = "error5xx"
    DISCONNECT = "disconnect"


class When(Enum):
    """On which side of the venue's own processing the fault falls."""

    BEFORE = "before"
    """The venue has not seen the call."""
    AFTER = "after"
    """The venue has done what the call asked for."""


Millis = Annotated[int, Meta(ge=0, le=WAIT_MS_MAX)]

_DEFAULTS: dict[Fault, dict[str, object]] = {
    Fault.LATE: {"when": When.AFTER, "delay_ms": 1_000},
    Fault.LOST: {"when": When.BEFORE, "delay_ms": 30_000},
    Fault.EXECUTED_THEN_LOST: {"delay_ms": 30_000},
    Fault.DOUBLED: {},
    Fault.REORDERED: {"delay_ms": 1_000},
    Fault.REFUSED: {"status": 429, "body": '{"error":"refused by a fault rule"}'},
    Fault.GARBLED: {},
    Fault.ERROR5XX: {"when": When.BEFORE, "status": 503, "body": '{"error":"failed by a fault rule"}'},
    Fault.DISCONNECT: {"when": When.BEFORE},
}
"""The options each fault takes, with what they are when the rule does not say."""
_STATUSES = {Fault.REFUSED: (400, 499), Fault.ERROR5XX: (500, 599)}


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule as the user writes it. An option that its fault does not take is refused."""

    fault: Fault
    call: Annotated[str, Meta(min_length=1, max_length=CALL_CHARS_MAX)]
    """A regular expression that a call matches from its start; end it with $ to match to its end."""
    times: Annotated[int, Meta(ge=1)] | None = None
    """Applies this often, then no more; None for always."""
    skip: Annotated[int, Meta(ge=0)] = 0
    """Lets this many matching calls pass first."""
    probability: str = "1"
    """Chance for each matching call, as a decimal above 0 and at most 1."""
    for_ms: Annotated[int, Meta(ge=1)] | None = None
    """Ends this long after it was set, on the server's own clock; None for never."""
    delay_ms: Millis | UnsetType = UNSET
    when: When | UnsetType = UNSET
    status: int | UnsetType = UNSET
    body: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        for option in ("delay_ms", "when", "status", "body"):
            if getattr(self, option) is not UNSET and option not in _DEFAULTS[self.fault]:
                raise ValueError(f"{option}: not an option of the fault {self.fault.value!r}")
        low, high = _STATUSES.get(self.fault, (0, 0))
        if self.status is not UNSET and not low <= self.status <= high:
            raise ValueError(f"status: {self.fault.value!r} takes {low} to {high}, was {self.status}")
        try:
            re.compile(self.call)
        except re.error as error:
            raise ValueError(f"call: not a regular expression: {error}") from error
        try:
            chance = micros(self.probability)
        except ValueError as error:
            raise ValueError(f"probability: {error}") from error
        if not 0 < chance <= ONE:
            raise ValueError(f"probability: above 0 and at most 1, was {self.probability}")


class Reply(Enum):
    """What the client of an HTTP call gets."""

    VENUES = "venues"
    """The venue's own answer, to the last processing of the call."""
    CANNED = "canned"
    """The rule's status and body."""
    GARBLED = "garbled"
    """The venue's answer with a damaged body."""
    NOTHING = "nothing"
    """No byte: the connection is closed."""


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """What the server does with one HTTP call, in this order."""

    wait_ms: int = 0
    overtaken_ms: int = 0
    """Waits until another call was processed, at most this long."""
    processed: int = 1
    """How often the venue gets the call."""
    hold_ms: int = 0
    """Keeps the client waiting for the reply."""
    reply: Reply = Reply.VENUES
    status: int = 0
    body: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What the server does with one WebSocket frame, in this order."""

    wait_ms: int = 0
    """The stream stands still: frames behind it wait as well."""
    overtaken_ms: int = 0
    """Lets the next frame of the connection go first, waits for it at most this long."""
    texts: tuple[str, ...] = ()
    """The frames to hand on."""
    cut: bool = False
    close_code: int | None = None


PLAINLY = Treatment()
LOST = Delivery()
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011
"""Close codes of RFC 6455, section 7.4.1."""


class _Active:
    """A rule at work: what is left of it."""

    def __init__(self, rule: Rule, now_ms: int, dice: Dice) -> None:
        self.rule = rule
        self.seen = 0
        self.applied = 0
        self._pattern = re.compile(rule.call)
        self._chance = micros(rule.probability)
        self._ends_ms = None if rule.for_ms is None else now_ms + rule.for_ms
        self._dice = dice

    def applies(self, call: str, now_ms: int) -> bool:
        over = self._ends_ms is not None and now_ms >= self._ends_ms
        if over or self.applied == self.rule.times or not self._pattern.match(call):
            return False
        self.seen += 1
        if self.seen <= self.rule.skip:
            return False
        if self._chance < ONE and self._dice.randrange(0, ONE) >= self._chance:
            return False
        self.applied += 1
        return True


class Faults:
    """The rules of one simulator. Equal seeds, rules and calls give equal faults: each rule has its own
    dice, thrown only for calls it matches, and setting the rules starts all dice anew."""

    def __init__(self, dice: Callable[[int], Dice]) -> None:
        self._new_dice = dice
        """Dice from the number of a rule; the same number gives the same throws."""
        self._active: list[_Active] = []
        self._damage = dice(-1)

    def replace(self, rules: Sequence[Rule], now_ms: int) -> None:
        """Forget the old rules; these are the rules now."""
        self._active = [_Active(rule, now_ms, self._new_dice(n)) for n, rule in enumerate(rules)]
        self._damage = self._new_dice(-1)

    def treat(self, call: str, now_ms: int) -> Treatment:
        """What befalls this HTTP call. Counts it: ask once per call."""
        rule = self._willing(call, now_ms)
        return PLAINLY if rule is None else _treatment(rule)

    def deliver(self, call: str, text: str, now_ms: int) -> Delivery:
        """What befalls this frame. Counts it: ask once per frame."""
        rule = self._willing(call, now_ms)
        match rule.fault if rule else None:
            case Fault.LOST | Fault.EXECUTED_THEN_LOST:
                return LOST
            case Fault.DOUBLED:
                return Delivery(texts=(text, text))
            case Fault.GARBLED:
                return Delivery(texts=(self.garble(text.encode()).decode(errors="replace"),))
            case Fault.LATE:
                return Delivery(texts=(text,), wait_ms=_delay(rule))
            case Fault.REORDERED:
                return Delivery(texts=(text,), overtaken_ms=_delay(rule))
            case Fault.DISCONNECT:
                return Delivery(cut=True)
            case Fault.REFUSED:
                return Delivery(close_code=POLICY_VIOLATION)
            case Fault.ERROR5XX:
                return Delivery(close_code=INTERNAL_ERROR)
            case _:
                return Delivery(texts=(text,))

    def _willing(self, call: str, now_ms: int) -> Rule | None:
        for active in self._active:
            if active.applies(call, now_ms):
                return active.rule
        return None

    def garble(self, data: bytes) -> bytes:
        """Lose a stretch at the beginning or the end: never a readable JSON object or array again."""
        whole = data.strip()
        if len(whole) < 2:
            return b"\x00"
        at = self._damage.randrange(1, len(whole))
        return whole[:at] if self._damage.randrange(0, 2) else whole[at:]

    def shown(self) -> list[dict[str, object]]:
        """The rules with how often each matched (`seen`) and applied (`applied`)."""
        return [
            msgspec.to_builtins(active.rule) | {"seen": active.seen, "applied": active.applied}
            for active in self._active
        ]


def read_rules(body: bytes) -> list[Rule]:
    """A rule, a list of rules, or {} or [] for none. ValueError names the field and the rule it broke."""
    decoded = msgspec.json.decode(body)
    wishes = decoded if isinstance(decoded, list) else [] if decoded == {} else [decoded]
    if len(wishes) > RULES_MAX:
        raise ValueError(f"at most {RULES_MAX} rules, was {len(wishes)}")
    return msgspec.convert(wishes, list[Rule])


def _option(rule: Rule | None, name: str) -> object:
    assert rule is not None
    given = getattr(rule, name)
    return _DEFAULTS[rule.fault].get(name) if given is UNSET else given


def _delay(rule: Rule | None) -> int:
    delay = _option(rule, "delay_ms")
    assert isinstance(delay, int)
    return delay


def _treatment(rule: Rule) -> Treatment:
    before = _option(rule, "when") is When.BEFORE
    match rule.fault:
        case Fault.LATE if before:
            return Treatment(wait_ms=_delay(rule))
        case Fault.LATE:
            return Treatment(hold_ms=_delay(rule))
        case Fault.LOST | Fault.EXECUTED_THEN_LOST:
            return Treatment(processed=0 if before else 1, hold_ms=_delay(rule), reply=Reply.NOTHING)
        case Fault.DISCONNECT:
            return Treatment(processed=0 if before else 1, reply=Reply.NOTHING)
        case Fault.REORDERED:
            return Treatment(overtaken_ms=_delay(rule))
        case Fault.DOUBLED:
            return Treatment(processed=2)
        case Fault.GARBLED:
            return Treatment(reply=Reply.GARBLED)
        case Fault.REFUSED | Fault.ERROR5XX:
            processed = 1 if rule.fault is Fault.ERROR5XX and not before else 0
            canned = {"status": _option(rule, "status"), "body": _option(rule, "body")}
            return msgspec.convert({"processed": processed, "reply": "canned", **canned}, Treatment)
