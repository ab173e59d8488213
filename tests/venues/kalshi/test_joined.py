"""The adapter joined to its simulator, without a router: orders that rest, are listed, and are heard of."""

import itertools
import random
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest

from router.core.pace import Budget
from tests.venues.kalshi.markets import KINDS
from tests.world import call_of
from venues.base.events import Say
from venues.base.http import Reply, Request, Response, Talk, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    News,
    Order,
    OrderId,
    Pending,
    Rejected,
    Side,
    Standing,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import ONE, Cash, Price, Size
from venues.kalshi import VENUE
from venues.kalshi.listings import KalshiListings
from venues.kalshi.orders import KalshiOrders
from venues.kalshi.private import KalshiPrivate
from venues.kalshi.signer import KalshiSigner
from venues.kalshi.sim import KalshiSimulator
from venues.sim.contract import Socket

T = TypeVar("T")
ORDERS, LISTINGS = KalshiOrders(), KalshiListings()
BIDS = [(Price(400_000), Size(30 * ONE)), (Price(300_000), Size(30 * ONE))]
ASKS = [(Price(500_000), Size(10 * ONE)), (Price(600_000), Size(50 * ONE))]


class Trader:
    """One account of the venue, its stream, and everything the stream said."""

    def __init__(self, scene: "Scene", **wish: Any) -> None:
        self.scene = scene
        self.signer = KalshiSigner(scene.sim.open_account({"balance": "1000", **wish}, scene.now_ms))
        self.feed = KalshiPrivate(self.signer)
        upgrade = self.signer.sign(self.feed.handshake(), scene.now_ms)
        socket = scene.sim.connect(call_of(upgrade), scene.now_ms)
        assert not isinstance(socket, Response)
        self.socket: Socket = socket
        self.news: list[News] = []
        self._do(self.feed.opening())
        self.listen()

    def hold(self, talk: Talk[T]) -> T:
        """A conversation; each request takes 5 ms."""
        return self.scene.hold(talk, self.signer)

    def place(self, order: Order) -> Answer:
        return self.hold(ORDERS.place(order, self.signer))

    def look_up(self, order: Order, answer: Answer) -> Answer:
        return self.hold(ORDERS.look_up(order, self.signer, answer, self.scene.now_ms))

    def cancel(self, order: Order, answer: Answer) -> Answer:
        return self.hold(ORDERS.cancel(order, self.signer, answer))

    def rests(self, *listings: Listing) -> list[Standing]:
        return self._listed(ORDERS.open_orders(self.signer, listings or self.scene.both))

    def ended(self, *listings: Listing) -> list[Standing]:
        return self._listed(ORDERS.history(self.signer, listings or self.scene.both))

    def listen(self) -> list[News]:
        """What the stream says; whatever ends a subscription is made good."""
        while self.socket.outbox:
            frames, self.socket.outbox[:] = list(self.socket.outbox), []
            for frame in frames:
                self._do(self.feed.receive(frame, self.scene.now_ms))
        return self.news

    def heard(self, order: Order, answer: Answer | None) -> Answer | None:
        return ORDERS.heard(order, answer, self.listen())

    def _listed(self, talk: Talk[Any]) -> list[Standing]:
        found = self.hold(talk)
        assert not isinstance(found, Unavailable), found
        return list(found)

    def _do(self, events: Any) -> None:
        for event in events:
            if isinstance(event, News):
                self.news.append(event)
            else:
                assert isinstance(event, Say), event
                self.socket.receive(event.text, self.scene.now_ms)


class Scene:
    """One market and a clock that moves by hand."""

    def __init__(self, kind: str = "standard") -> None:
        self.now_ms, self._numbers = 1_795_183_200_000, itertools.count(1)
        self.sim = KalshiSimulator(3)
        self.sim.knobs |= KINDS[kind].get("knobs", {})
        [self.native] = map(Native, self.sim.list_market(KINDS[kind].get("market", {})))
        self.account = KINDS[kind].get("account", {})
        self.alice, self.bob = Trader(self, **self.account), Trader(self, **self.account)
        self.reset()
        found = self.hold(LISTINGS.fetch([self.native]))
        assert not isinstance(found, Unavailable)
        [self.listing] = found
        self.both = [self.listing, self.listing.opposite()]

    def reset(self) -> None:
        self.sim.exchange.set_book(self.native, BIDS, ASKS, self.now_ms)

    def hold(self, talk: Talk[T], signer: KalshiSigner | None = None) -> T:
        reply: Reply | None = None
        while True:
            try:
                request = talk.send(reply) if reply is not None else next(talk)
            except StopIteration as stop:
                done: T = stop.value
                return done
            reply = self.answer(request, signer)

    def answer(self, request: Request, signer: KalshiSigner | None = None) -> Response:
        self.now_ms += 5
        self.sim.tick(self.now_ms)
        if request.private:
            assert signer is not None
            request = signer.sign(request, self.now_ms)
        return self.sim.answer(call_of(request), self.now_ms)

    def order(self, listing: Listing | None = None, **wish: Any) -> Order:
        number = next(self._numbers)
        usual: dict[str, Any] = {
            "order_id": OrderId(f"o{number}"),
            "listing": listing or self.listing,
            "side": Side.BUY,
            "limit": Price(450_000),
            "size": Size(20 * ONE),
            "cash": Cash(0),
            "time_in_force": TimeInForce.GTC,
            "created_ms": self.now_ms,
            "salt": number,
        }
        return Order(**(usual | wish))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def trade(scene: Scene, size: int, price: int) -> None:
    """Bob sells so much YES to whoever bids this."""
    taken = scene.order(
        scene.both[1], limit=Price(ONE - price), size=Size(size), time_in_force=TimeInForce.IOC
    )
    assert isinstance(scene.bob.place(taken), Filled)


# --- orders that rest ---


@pytest.mark.parametrize("kind", ["standard", "maker fees", "subaccount", "another shard", "half fees"])
def test_an_order_rests_fills_in_parts_and_is_taken_off(kind: str) -> None:
    scene = Scene(kind)
    alice = scene.alice
    order = scene.order()
    working = alice.place(order)
    assert isinstance(working, Working)
    assert (working.size, working.cash) == (0, 0)
    trade(scene, 5 * ONE, 450_000)
    partly = alice.look_up(order, working)
    assert isinstance(partly, Working)
    assert (partly.size, partly.cash) == (5 * ONE, 2_250_000)
    ended = alice.cancel(order, partly)
    assert ended == Filled(order.order_id, working.venue_order_id, partly.size, partly.cash, partly.fee)
    assert alice.heard(order, partly) == ended
    assert alice.cancel(order, ended) == ended, "once more changes nothing"


def test_a_resting_order_that_crosses_takes_what_is_there_and_rests_with_the_remainder(scene: Scene) -> None:
    order = scene.order(limit=Price(500_000))
    working = scene.alice.place(order)
    assert working == Working(
        order.order_id,
        scene.alice.rests()[0].venue_order_id,
        Size(10 * ONE),
        Cash(5_000_000),
        Fee(175_000, "USD"),
    )


def test_a_post_only_order_never_takes(scene: Scene) -> None:
    crossing = scene.alice.place(scene.order(limit=Price(500_000), post_only=True))
    assert isinstance(crossing, Rejected)
    assert isinstance(scene.alice.place(scene.order(limit=Price(490_000), post_only=True)), Working)
    assert scene.alice.ended() == []


def test_an_order_good_till_a_date_is_gone_after_it(scene: Scene) -> None:
    order = scene.order(time_in_force=TimeInForce.GTD, expires_s=scene.now_ms // 1_000 + 60)
    working = scene.alice.place(order)
    assert isinstance(working, Working)
    assert [s.venue_order_id for s in scene.alice.rests()] == [working.venue_order_id]
    scene.now_ms += 61_000
    gone = scene.alice.look_up(order, working)
    assert gone == Filled(order.order_id, working.venue_order_id, Size(0), Cash(0), Fee(0, "USD"))
    assert scene.alice.heard(order, working) == gone
    assert scene.alice.rests() == []


@pytest.mark.parametrize("inverted", [False, True])
def test_a_sale_may_rest(scene: Scene, inverted: bool) -> None:
    of = scene.both[inverted]
    bought = scene.alice.place(scene.order(of, limit=Price(700_000), time_in_force=TimeInForce.IOC))
    assert isinstance(bought, Filled)
    order = scene.order(of, side=Side.SELL, limit=Price(900_000), size=bought.size)
    assert isinstance(scene.alice.place(order), Working)
    [rests] = scene.alice.rests(of)
    assert (rests.side, rests.inverted, rests.price, rests.size) == (
        Side.SELL,
        inverted,
        900_000,
        bought.size,
    )


def test_a_market_that_closes_ends_what_rests_in_it(scene: Scene) -> None:
    order = scene.order()
    working = scene.alice.place(order)
    scene.sim.exchange.halt(scene.sim.exchange.markets[scene.native], "closed", scene.now_ms)
    ended = scene.alice.look_up(order, working)
    assert isinstance(ended, Filled)
    assert scene.alice.heard(order, working) == ended


# --- what is listed ---


def test_every_order_is_listed_where_it_belongs_and_nobody_elses(scene: Scene) -> None:
    alice, (yes, no) = scene.alice, scene.both
    first, second = scene.order(yes), scene.order(no, limit=Price(440_000))
    alice.place(first)
    alice.place(second)
    assert scene.bob.rests() == scene.bob.ended() == []
    trade(scene, 5 * ONE, 450_000)
    newest, oldest = alice.rests()
    assert (oldest.client_id, oldest.side, oldest.inverted) == (first.order_id, Side.BUY, False)
    assert (oldest.price, oldest.size, oldest.filled, oldest.cash) == (450_000, 20 * ONE, 5 * ONE, 2_250_000)
    assert (newest.client_id, newest.side, newest.inverted) == (second.order_id, Side.BUY, True)
    assert (newest.price, newest.open, newest.native) == (440_000, True, scene.native)
    as_sale, _ = alice.rests(yes)
    assert (as_sale.side, as_sale.inverted, as_sale.price) == (Side.SELL, False, 560_000)
    _, as_no = alice.rests(no)
    assert (as_no.side, as_no.price, as_no.cash) == (Side.SELL, 550_000, 2_750_000)


def test_what_ended_is_history_and_what_rests_is_not(scene: Scene) -> None:
    alice = scene.alice
    gone, rests = scene.order(), scene.order()
    alice.cancel(gone, alice.place(gone))
    alice.place(rests)
    taken = scene.order(limit=Price(500_000), size=Size(ONE), time_in_force=TimeInForce.IOC)
    alice.place(taken)
    assert [s.client_id for s in alice.ended()] == [taken.order_id, gone.order_id]
    assert [s.client_id for s in alice.rests()] == [rests.order_id]
    assert [(s.filled, s.cash, s.open) for s in alice.ended()] == [(ONE, 500_000, False), (0, 0, False)]


def test_more_orders_than_a_page_holds_are_all_listed(scene: Scene) -> None:
    placed = [scene.order(size=Size(10_000)) for _ in range(201)]
    for order in placed:
        scene.alice.place(order)
    assert {s.client_id for s in scene.alice.rests()} == {order.order_id for order in placed}


def test_everything_that_trades_is_discovered_page_by_page() -> None:
    scene = Scene()
    for number in range(120):
        event = number // 2
        scene.sim.list_market({"event": f"KXE-{event}", "series": f"KXE{event % 3}"})
    scene.sim.exchange.halt(scene.sim.exchange.markets[scene.native], "deactivated", scene.now_ms)
    scene.sim.tick(scene.now_ms)
    pages = list(discovered(scene))
    found = [listing for page in pages for listing in page]
    wanted = {native for native, market in scene.sim.exchange.markets.items() if market.trading}
    assert {listing.native for listing in found} == wanted
    assert (len(pages), len(found), len(wanted)) == (2, 120, 120)
    fetched = scene.hold(LISTINGS.fetch([listing.native for listing in found]))
    assert fetched == found


def discovered(scene: Scene) -> Iterator[tuple[Listing, ...]]:
    cursor: str | None = ""
    while cursor is not None:
        page = scene.hold(LISTINGS.discover(cursor))
        assert not isinstance(page, Unavailable), page
        yield page.listings
        cursor = page.cursor


# --- what is heard ---


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_says_what_the_reply_says(kind: str) -> None:
    scene = Scene(kind)
    for listing, wish in (
        (scene.both[0], {"limit": Price(600_000)}),
        (scene.both[1], {"limit": Price(700_000)}),
    ):
        order = scene.order(listing, size=Size(35 * ONE), time_in_force=TimeInForce.IOC, **wish)
        answer = scene.alice.place(order)
        heard = scene.alice.heard(order, None)
        if isinstance(answer, Pending):
            scene.now_ms += 1_000
            answer = scene.alice.look_up(order, answer)
        assert isinstance(answer, Filled)
        assert heard == answer
        assert scene.alice.heard(order, answer) is None


def test_an_order_without_a_reply_is_settled_by_the_stream_while_reads_lag(scene: Scene) -> None:
    scene.sim.knobs["read_lag_ms"] = 60_000
    order = scene.order(limit=Price(600_000), time_in_force=TimeInForce.IOC)
    placed = scene.alice.place(order)
    lost = Unknown(order.order_id, "cut")
    assert isinstance(scene.alice.look_up(order, lost), Unknown)
    assert scene.alice.heard(order, lost) == placed


def test_what_was_lost_on_the_way_is_never_guessed(scene: Scene) -> None:
    order = scene.order(limit=Price(600_000), time_in_force=TimeInForce.IOC)
    scene.sim.knobs["skip_private"] = 1
    answer = scene.alice.place(order)
    assert isinstance(answer, Filled)
    lost = Unknown(order.order_id, "cut")
    heard = scene.alice.heard(order, lost)
    assert heard == Pending(
        order.order_id, answer.venue_order_id, answer.size, Cash(0), "the fills cannot be read yet"
    )
    assert scene.alice.look_up(order, heard) == answer


def test_a_stream_whose_subscriptions_died_hears_again(scene: Scene) -> None:
    scene.sim.knobs["overflow"] = True
    scene.sim.tick(scene.now_ms)
    scene.alice.listen()
    order = scene.order(limit=Price(600_000), time_in_force=TimeInForce.IOC)
    assert scene.alice.heard(order, None) is None
    assert scene.alice.place(order) == scene.alice.heard(order, None)


@pytest.mark.parametrize("seed", range(12))
def test_in_any_course_of_events_the_stream_is_never_wrong_and_ends_with_the_ledger(seed: int) -> None:
    """Resting and taking orders of two accounts, frames lost, doubled and shuffled."""
    luck = random.Random(seed)
    scene = Scene(luck.choice(("standard", "maker fees", "half fees", "tapered")))
    orders: list[tuple[Trader, Order, Answer]] = []
    for _ in range(25):
        trader, of = luck.choice((scene.alice, scene.bob)), luck.choice(scene.both)
        order = scene.order(
            of,
            limit=Price(luck.randrange(38, 64) * 10_000),
            size=Size(luck.randrange(1, 2_000) * 10_000),
            time_in_force=luck.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC)),
        )
        orders.append((trader, order, trader.place(order)))
        if luck.random() < 0.2:
            who, which, answer = luck.choice(orders)
            if isinstance(answer, Working):
                who.cancel(which, answer)
        if luck.random() < 0.1 and not any(t.rests() for t in (scene.alice, scene.bob)):
            scene.reset()
    for trader, order, first in orders:
        if isinstance(first, Rejected):
            continue
        truth = trader.look_up(order, first)
        assert isinstance(truth, Filled | Working)
        kept = scene.sim.exchange.orders[truth.venue_order_id]
        assert (truth.size, truth.cash, truth.fee.amount) == (kept.filled, kept.value, kept.fees)
        news = trader.listen()
        assert ORDERS.heard(order, None, news) == (truth if isinstance(truth, Filled) else None)
        shuffled = [*news, *luck.sample(news, len(news) // 4)]
        luck.shuffle(shuffled)
        assert ORDERS.heard(order, Unknown(order.order_id, ""), shuffled) == truth
        some = luck.sample(shuffled, len(shuffled) * 3 // 4)
        said = ORDERS.heard(order, Unknown(order.order_id, ""), some)
        assert said is None or isinstance(said, Pending | Working) or said == truth
        if isinstance(said, Working | Pending):
            assert said.size <= truth.size


# --- how fast ---


@pytest.mark.parametrize("orders", [0, 50, 100])
def test_calls_at_the_pace_of_the_card_never_run_the_venue_dry(scene: Scene, orders: int) -> None:
    scene.sim.knobs["rate_limits"] = True
    luck, budget = random.Random(1), Budget(VENUE.limits.paces)
    for _ in range(150):
        order = scene.order(size=Size(10_000), limit=Price(10_000))
        talk: Talk[Any] = ORDERS.funds(scene.alice.signer)
        if luck.randrange(100) < orders:
            talk = ORDERS.place(order, scene.alice.signer)
        request = next(talk)
        scene.now_ms += budget.wait_ms(request.purpose, scene.now_ms)
        budget.spend(request.purpose, scene.now_ms)
        at_ms = scene.now_ms
        assert scene.answer(request, scene.alice.signer).status != 429
        scene.now_ms = at_ms
