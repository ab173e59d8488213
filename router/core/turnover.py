"""What an account has sent lately: money by order for a minute, sizes for its usual size, orders a second."""

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import msgspec

from router.core.controls import HISTORY_MAX, HISTORY_MS, MINUTE_MS
from venues.base.orders import OrderId
from venues.base.units import Cash, Size

SECOND_MS = 1_000


class Rate:
    """How many in any second. Bounded by what it lets through."""

    def __init__(self, per_second: int) -> None:
        assert per_second > 0
        self._per_second = per_second
        self._taken: deque[int] = deque()

    def full(self, now_ms: int) -> bool:
        """Whether one more would be too many."""
        while self._taken and self._taken[0] <= now_ms - SECOND_MS:
            self._taken.popleft()
        return len(self._taken) >= self._per_second

    def take(self, now_ms: int) -> None:
        """One more; it was not full."""
        self._taken.append(now_ms)


class _Sent(msgspec.Struct):
    venue: str
    cash: Cash
    """At its worst until it is settled, then what it came to."""
    settled: bool = False


class Turnover:
    """Money that one account's orders moved in the last sixty seconds. Times are monotonic milliseconds."""

    def __init__(self) -> None:
        self._sent: dict[OrderId, _Sent] = {}
        self._times: deque[tuple[int, OrderId]] = deque()
        """Oldest first."""
        self._sums: defaultdict[str, int] = defaultdict(int)
        """By venue, and under "" of all."""

    def sent(self, order_id: OrderId, venue: str, cash: Cash, now_ms: int) -> None:
        """An order may leave from now on: it counts as filled, at its worst. Repeats do nothing."""
        if order_id in self._sent:
            return
        self._sent[order_id] = _Sent(venue, cash)
        if self._times and now_ms < self._times[-1][0]:  # read back after a restart
            insort(self._times, (now_ms, order_id))
        else:
            self._times.append((now_ms, order_id))
        self._add(venue, cash)

    def settled(self, order_id: OrderId, cash: Cash) -> None:
        """Its last word: it came to this much. The first counts, until a later one says more."""
        sent = self._sent.get(order_id)
        if sent is not None and (not sent.settled or cash > sent.cash):
            self._add(sent.venue, cash - sent.cash)
            sent.cash, sent.settled = cash, True

    def minute(self, now_ms: int, venue: str = "") -> Cash:
        """Of the last sixty seconds, at one venue or at all of them."""
        while self._times and self._times[0][0] <= now_ms - MINUTE_MS:
            _, order_id = self._times.popleft()
            old = self._sent.pop(order_id)
            self._add(old.venue, -old.cash)
        return Cash(self._sums.get(venue, 0))

    def _add(self, venue: str, cash: int) -> None:
        self._sums[venue] += cash
        self._sums[""] += cash


class Sizes:
    """How large one account's orders were in the last thirty days. Times are Unix milliseconds."""

    def __init__(self, earlier: Iterable[tuple[int, Size]]) -> None:
        """`earlier` is oldest first; the latest HISTORY_MAX count."""
        self._sizes = deque(earlier, maxlen=HISTORY_MAX)
        self._ordered = sorted([size for _, size in self._sizes])

    def add(self, size: Size, now_ms: int) -> None:
        """One more order, with all its parts."""
        if len(self._sizes) == HISTORY_MAX:
            self._drop()
        self._sizes.append((now_ms, size))
        insort(self._ordered, size)

    def lately(self, now_ms: int) -> Sequence[Size]:
        """Those that count, in ascending order. Valid until the next one."""
        while self._sizes and self._sizes[0][0] <= now_ms - HISTORY_MS:
            self._drop()
        return self._ordered

    def _drop(self) -> None:
        _, size = self._sizes.popleft()
        del self._ordered[bisect_left(self._ordered, size)]
