"""Brings what an account's own stream says to the orders it is about.

News may come before the reply to the order that caused it, twice, or about orders that are not ours. It only
ever shortens a wait: every order is looked up all the same until it has its last word.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from router.core.late import casts_doubt
from router.core.model import AccountId, RouteId
from router.runtime.clock import Clock
from router.runtime.ended import Ended, EndedOrders
from router.runtime.metrics import Metrics
from venues.base.contract import Venue
from venues.base.listing import Native
from venues.base.orders import Answer, Filled, News, Order, OrderId, Pending, Rejected, Unknown
from venues.base.units import Cash, Size

NEWS_MAX = 500
"""News kept of one order: more than it has fills. What comes beyond it is left to the look-ups."""
UNCLAIMED_MAX = 200
"""Orders that news came about and nobody asked for: replies still under way, and other programs' orders."""

Hear = Callable[[Answer], None]
log = structlog.get_logger(__name__)


class _Open:
    """An order somebody waits for."""

    def __init__(self, order: Order, hear: Hear) -> None:
        self.order, self.hear = order, hear
        self.answer: Answer | None = None
        self.news: list[News] = []


class _Desk:
    """The open orders of one account at one venue."""

    def __init__(self) -> None:
        self.orders: dict[OrderId, _Open] = {}
        self.ours: dict[str, OrderId] = {}
        """By the venue's id of an order."""
        self.unclaimed: dict[str, list[News]] = {}
        """By the venue's id, the oldest first."""
        self.back = asyncio.Event()
        """Set, and replaced by another, whenever the account's stream is up again."""


class Desks:
    """The desks of all accounts."""

    def __init__(self, venues: Mapping[str, Venue], metrics: Metrics, clock: Clock) -> None:
        self._venues, self._metrics, self._clock = venues, metrics, clock
        self._desks: dict[tuple[AccountId, str], _Desk] = {}
        self.ended = EndedOrders(clock.monotonic_ms)
        self.on_doubt: Callable[[AccountId, Ended], None] = lambda *_: None
        """Told of an order that had its last word, and of which a stream says that more traded."""
        self.on_back: Callable[[AccountId, str], None] = lambda *_: None
        """Told of an account's stream that is up, for the first time or again."""
        self.on_open: Callable[[AccountId, str, Native], None] = lambda *_: None
        """Told of each book an order is about to go to: some streams must be asked to tell of it."""

    def open(self, account: AccountId, order: Order, hear: Hear) -> None:
        """From now on each answer that news about the order makes goes to `hear`, and to nobody before it."""
        venue = order.listing.venue
        desk = self._desk(account, venue)
        opened = desk.orders.get(order.order_id)
        if opened is not None:
            opened.hear = hear
            return
        desk.orders[order.order_id] = _Open(order, hear)
        self.on_open(account, venue, order.listing.native)

    def learnt(self, account: AccountId, order: Order, answer: Answer) -> None:
        """What is known of the order now. With it may come the venue's id, and news that waited for that."""
        desk = self._desks.get((account, order.listing.venue))
        opened = desk.orders.get(order.order_id) if desk else None
        if desk is None or opened is None:
            return
        opened.answer = answer
        venue_order_id = "" if isinstance(answer, Unknown) else getattr(answer, "venue_order_id", "")
        if venue_order_id and venue_order_id not in desk.ours:
            desk.ours[venue_order_id] = order.order_id
            for news in desk.unclaimed.pop(venue_order_id, ()):
                self._tell(opened, news)

    async def wait(self, account: AccountId, venue: str, ms: int) -> None:
        """Return after so long, or as soon as the account's stream is up again: it may have missed news."""
        desk = self._desk(account, venue)
        sleeping = asyncio.ensure_future(self._clock.sleep(ms))
        back = asyncio.ensure_future(desk.back.wait())
        try:
            await asyncio.wait({sleeping, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            back.cancel()

    def back(self, account: AccountId, venue: str) -> None:
        """The account's stream is up: what may have been missed is looked up now."""
        desk = self._desk(account, venue)
        desk.back.set()
        desk.back = asyncio.Event()
        self.on_back(account, venue)

    def venue_ids(self, account: AccountId, venue: str) -> Mapping[str, OrderId]:
        """The venue's ids of this account's orders without a last word, where it has told them."""
        desk = self._desks.get((account, venue))
        return desk.ours if desk else {}

    def close(self, account: AccountId, order: Order, route_id: RouteId, last: Filled | Rejected) -> None:
        """The order has its last word."""
        desk = self._desks.get((account, order.listing.venue))
        opened = desk.orders.pop(order.order_id, None) if desk else None
        news = opened.news if opened else ()
        ours = desk.ours if desk else {}
        named = [key for key, of in ours.items() if of == order.order_id]
        now_ms = self._clock.monotonic_ms()
        self.ended.add(account, Ended(route_id, order, last, at_ms=now_ms, news=news, venue_ids=named))
        for venue_order_id in named:
            del ours[venue_order_id]

    def news(self, account: AccountId, venue: str, news: News) -> None:
        """The account's stream at this venue said something."""
        self._metrics.news.of(venue).inc()
        desk = self._desk(account, venue)
        order_id = OrderId(news.client_id)
        if order_id not in desk.orders:
            order_id = desk.ours.get(news.venue_order_id, OrderId(""))
        opened = desk.orders.get(order_id)
        ids = {"client_id": news.client_id, "venue_order_id": news.venue_order_id}
        if opened is not None:
            self._tell(opened, news)
        elif (ended := self.ended.find(account, venue, **ids)) is not None:
            self._tell_ended(account, ended, news)
        elif news.venue_order_id:
            waiting = desk.unclaimed.setdefault(news.venue_order_id, [])
            if len(waiting) < NEWS_MAX:
                waiting.append(news)
            if len(desk.unclaimed) > UNCLAIMED_MAX:
                del desk.unclaimed[next(iter(desk.unclaimed))]

    def _desk(self, account: AccountId, venue: str) -> _Desk:
        desk = self._desks.get((account, venue))
        if desk is None:
            desk = self._desks[account, venue] = _Desk()
        return desk

    def _tell(self, opened: _Open, news: News) -> None:
        if len(opened.news) >= NEWS_MAX:
            return
        opened.news.append(news)
        order = opened.order
        try:
            answer = self._venues[order.listing.venue].orders.heard(order, opened.answer, opened.news)
        except ValueError as error:
            log.warning(
                "stream.unreadable_news", venue=order.listing.venue, order=order.order_id, reason=str(error)
            )
            return
        if answer is not None:
            opened.hear(answer)

    def _tell_ended(self, account: AccountId, ended: Ended, news: News) -> None:
        """Repeats of what is known are usual. What says more than the last word casts doubt on it."""
        if len(ended.news) >= NEWS_MAX:
            return
        ended.news.append(news)
        order = ended.order
        named = Pending(order.order_id, news.venue_order_id, Size(0), Cash(0), "ended")
        known = named if news.venue_order_id else None
        try:
            answer = self._venues[order.listing.venue].orders.heard(order, known, ended.news)
        except ValueError:
            return
        if answer is not None and casts_doubt(ended.last, answer):
            self.on_doubt(account, ended)
