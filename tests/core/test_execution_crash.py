"""Pull the plug after every effect: the recovered report is what the venues did; no order runs twice."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from router.core.execution import Done, Effect, Execution, Extend, LookUp, Reply, Send, Write
from router.core.records import Answered, Finished, Planned, Record, decode, encode
from tests.core.samples import NOW_MS, order, planned
from venues.base.orders import Answer, Fee, Filled, Order, OrderId, Pending, Rejected, Unknown
from venues.base.units import ONE, Cash, Size

SOURCE = [order("o1"), order("o2"), order("o3")]
FUEL_MAX = 60
"""More effects than any of these routes has."""


class Dead(Exception):
    """The power went."""


@dataclass(frozen=True)
class Fate:
    """What one venue does with one order."""

    size: int | None
    """Shares it fills at once; None: the order never arrives there."""
    reply: str
    """What we hear of it: said, lost, pending, or twice."""
    hidden: int
    """Look-ups that still show nothing."""


@dataclass
class World:
    """What survives a crash: the disk and the market."""

    fates: dict[OrderId, Fate]
    disk: list[bytes] = field(default_factory=list)
    market: dict[str, int] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)

    def run(self, execution: Execution, effects: list[Effect], fuel: int) -> bool:
        """Perform effects in order; Dead when the fuel is spent. True if the caller was answered."""
        replied = False
        queue: list[Answer] = []
        while True:
            for effect in effects:
                if fuel == 0:
                    raise Dead
                fuel -= 1
                match effect:
                    case Write(record):
                        self.disk.append(encode(record))
                    case Send(sent):
                        queue += self.place(sent)
                    case LookUp(asked, _, _):
                        queue.append(self.look_up(asked))
                    case Reply():
                        self.check(execution)
                        replied = True
                    case Extend():
                        raise AssertionError("nothing was held back, so there is nothing to hand out")
                    case Done():
                        return replied
            effects = execution.answered(queue.pop(0), NOW_MS)

    def place(self, sent: Order) -> list[Answer]:
        written = [r for r in self.records() if isinstance(r, Planned)]
        assert any(sent in r.orders for r in written), "an order left before its intent was on disk"
        assert sent.order_id not in self.market, "an order ran twice"
        fate = self.fates[sent.order_id]
        if fate.size is not None:
            self.market[sent.order_id] = fate.size
        match fate.reply:
            case "said":
                return [self.last_word(sent)]
            case "twice":
                return [self.last_word(sent), self.last_word(sent)]
            case "pending":
                return [Pending(sent.order_id, "v", Size(fate.size or 0), Cash(0), "delayed")]
            case _:
                return [Unknown(sent.order_id, "lost")]

    def look_up(self, asked: Order) -> Answer:
        shown = self.hidden.setdefault(asked.order_id, self.fates[asked.order_id].hidden)
        if shown > 0:
            self.hidden[asked.order_id] = shown - 1
            return Unknown(asked.order_id, "not shown yet")
        return self.last_word(asked)

    def last_word(self, asked: Order) -> Answer:
        if asked.order_id not in self.market:
            return Rejected(asked.order_id, "not_executed", "never arrived")
        size = self.market[asked.order_id]
        return Filled(asked.order_id, "v", Size(size), Cash(size // 2), Fee(0, "USD"))

    def records(self) -> list[Record]:
        return [decode(line) for line in self.disk]

    def check(self, execution: Execution) -> None:
        """What is reported is on disk, and true."""
        answers = {r.answer.order_id: r.answer for r in self.records() if isinstance(r, Answered)}
        for order_id, answer in execution.known.items():
            if isinstance(answer, Filled | Rejected):
                assert answers[order_id] == answer, "reported before it was written"

    def recover(self) -> Execution | None:
        records = self.records()
        if not records or any(isinstance(r, Finished) for r in records):
            return None
        first = records[0]
        assert isinstance(first, Planned)
        return Execution(first, [r.answer for r in records if isinstance(r, Answered)])

    def reported(self) -> dict[OrderId, int]:
        """Shares by order, from the disk alone."""
        answers = [r.answer for r in self.records() if isinstance(r, Answered)]
        return {a.order_id: a.size for a in answers if isinstance(a, Filled)}


FATES = st.builds(
    Fate,
    size=st.none() | st.integers(0, 10).map(lambda n: n * ONE),
    reply=st.sampled_from(["said", "lost", "pending", "twice"]),
    hidden=st.integers(0, 4),
)


@given(st.tuples(FATES, FATES, FATES), st.integers(0, 3))
def test_the_report_equals_the_market_wherever_we_die(fates: tuple[Fate, ...], again: int) -> None:
    by_id = {o.order_id: fate for o, fate in zip(SOURCE, fates, strict=True)}
    for fuel in range(FUEL_MAX):
        world = World(dict(by_id))
        execution = Execution(planned(*SOURCE))
        try:
            world.run(execution, execution.start(), fuel)
        except Dead:
            for attempt in range(20):
                survivor = world.recover()
                if survivor is None:
                    break
                try:
                    world.run(survivor, survivor.resume(NOW_MS), again + attempt * 5)
                except Dead:
                    continue
        if not world.disk:
            assert not world.market, "an order left before its intent was on disk"
            continue
        assert any(isinstance(r, Finished) for r in world.records()), "the route never ended"
        assert world.reported() == {OrderId(o): size for o, size in world.market.items()}


def test_without_a_crash_the_caller_is_answered_exactly_once() -> None:
    world = World({o.order_id: Fate(10 * ONE, "twice", 0) for o in SOURCE})
    execution = Execution(planned(*SOURCE))
    assert world.run(execution, execution.start(), FUEL_MAX)
    kinds = [type(r) for r in world.records()]
    assert kinds == [Planned, Answered, Answered, Answered, Finished]
