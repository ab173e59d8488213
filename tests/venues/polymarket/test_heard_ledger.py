"""Random orders of every kind against the simulator: the stream never says more than a look-up, nor less."""

from collections.abc import Mapping
from random import Random

import pytest

from tests.venues.polymarket import world
from tests.venues.polymarket.test_ledger import Desk
from venues.base.contract import Page
from venues.base.events import Say
from venues.base.http import Response, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import (
    Answer,
    Filled,
    News,
    Order,
    OrderId,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Price, Size
from venues.polymarket.answers import FORGOTTEN_MS
from venues.polymarket.listings import PolymarketListings
from venues.polymarket.orders import PolymarketOrders
from venues.polymarket.private import PolymarketPrivate
from venues.sim.contract import Call
from venues.sim.model import HOUSE

ORDERS, LISTINGS = PolymarketOrders(), PolymarketListings()
LIFETIMES = (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTC, TimeInForce.GTD)
MINIMUM = 5_000_000
GTD_LIFE_S = 300


class Ear:
    """The account's own stream, and what it has said about each order; it may lose or repeat frames."""

    def __init__(self, desk: Desk, misheard: Mapping[str, float]) -> None:
        self.desk, self.misheard = desk, misheard
        self.feed = PolymarketPrivate(desk.signer)
        shake = self.feed.handshake()
        socket = desk.sim.connect(Call(method=shake.method, path=shake.path), desk.now_ms)
        assert not isinstance(socket, Response)
        self.socket = socket
        [said] = self.feed.opening()
        assert isinstance(said, Say)
        socket.receive(said.text, desk.now_ms)
        self.news: dict[str, list[News]] = {}

    def pump(self) -> None:
        frames, self.socket.outbox[:] = list(self.socket.outbox), []
        for frame in frames:
            luck = self.desk.luck.random()
            times = (
                0 if luck < self.misheard.get("lost", 0) else 1 + (luck > 1 - self.misheard.get("twice", 0))
            )
            for _ in range(times):
                for event in self.feed.receive(frame, self.desk.now_ms):
                    assert isinstance(event, News)
                    self.news.setdefault(event.venue_order_id, []).append(event)
        if self.misheard.get("mixed"):
            for told in self.news.values():
                self.desk.luck.shuffle(told)


def random_order(desk: Desk, listing: Listing, number: int) -> Order:
    """Of any kind, near the market so that some rest and some trade."""
    luck: Random = desk.luck
    kind = luck.choice(LIFETIMES)
    resting = kind in (TimeInForce.GTC, TimeInForce.GTD)
    return world.order(
        order_id=OrderId(f"00000000-0000-4000-8000-{number:012}"),
        listing=listing,
        side=luck.choice(list(Side)),
        limit=Price(luck.randrange(30, 70) * 10_000),
        cash=Cash(luck.randrange(100, 20_000) * 10_000),
        size=Size(MINIMUM + luck.randrange(20_000) * 10_000),
        time_in_force=kind,
        post_only=resting and luck.random() < 0.3,
        expires_s=desk.now_ms // 1000 + GTD_LIFE_S if kind is TimeInForce.GTD else None,
        created_ms=desk.now_ms,
        salt=luck.randrange(1, 2**53),
    )


def done(answer: Answer) -> tuple[int, int, int]:
    """What is certain to have been traded: shares, cash and fee. An order that is gone was not."""
    if isinstance(answer, Filled):
        return answer.size, answer.cash, answer.fee.cash
    if isinstance(answer, Unknown):
        assert answer.reason == "the venue does not know the order yet"
    else:
        assert isinstance(answer, Rejected)
    return 0, 0, 0


def compare(said: Answer | None, looked: Answer, before: Answer) -> None:
    """What was heard is no more than what is read at the same moment."""
    match said:
        case None:
            pass
        case Filled() | Rejected():
            assert done(said) == done(looked)
        case Working() | Pending():
            assert isinstance(looked, Working | Pending | Filled | Rejected)
            assert isinstance(looked, Rejected) or said.size <= looked.size
            assert isinstance(before, Unknown) or said != before
        case Unknown():
            raise AssertionError(said)


@pytest.mark.parametrize(
    ("misheard", "knobs"),
    [
        ({}, {}),
        ({"twice": 0.3, "mixed": 1}, {"makers_per_trade": 1, "page_size": 2}),
        ({"lost": 0.3}, {"retry_trades": 10**9, "hide_closed": 1}),
        ({"lost": 0.1, "twice": 0.2, "mixed": 1}, {"fail_trades": 6, "makers_per_trade": 2}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_stream_says_no_more_than_look_ups_and_in_the_end_as_much(
    seed: int, misheard: dict[str, float], knobs: dict[str, int]
) -> None:
    desk = Desk(seed)
    desk.sim.knobs.update(knobs)
    ear = Ear(desk, misheard)
    [listing] = desk.run(LISTINGS.fetch(desk.natives[:1]))
    ends = {Filled: 0, Rejected: 0}
    for number in range(30):
        desk.now_ms += 60_000
        desk.sim.tick(desk.now_ms)
        desk.set_books()
        ear.pump()
        order = random_order(desk, desk.luck.choice([listing, listing.opposite()]), number)
        answer: Answer = desk.run(ORDERS.place(order, desk.signer))
        if isinstance(answer, Rejected):
            continue
        assert not isinstance(answer, Unknown)
        order_hash = answer.venue_order_id
        for wait_ms in (0, 200, 400, 600, 1_000, 3_000):
            desk.now_ms += wait_ms
            if wait_ms == 400:
                desk.set_books()
            desk.sim.tick(desk.now_ms)
            ear.pump()
            looked = desk.run(ORDERS.look_up(order, desk.signer, answer, desk.now_ms))
            said = ORDERS.heard(order, answer, ear.news.get(order_hash, []))
            compare(said, looked, answer)
            if isinstance(said, Working | Pending):
                answer = said
        if not isinstance(looked, Filled | Rejected):
            desk.run(ORDERS.cancel(order, desk.signer, answer))
            desk.now_ms += FORGOTTEN_MS
            desk.sim.tick(desk.now_ms)
            ear.pump()
            looked = desk.run(ORDERS.look_up(order, desk.signer, answer, desk.now_ms))
            said = ORDERS.heard(order, answer, ear.news.get(order_hash, []))
            compare(said, looked, answer)
        assert isinstance(looked, Filled | Rejected), looked
        if "lost" not in misheard and not knobs.get("fail_trades"):
            assert said is not None
            assert done(said) == done(looked)
        ends[type(looked)] += 1
        truth = desk.sim.exchange.orders[order_hash]
        if isinstance(looked, Filled):
            assert (looked.size, looked.cash, looked.fee.cash) == (truth.filled, truth.value, truth.fees)
        else:
            assert not truth.filled
    assert ends[Filled] > 8
    desk.sim.exchange.audit()


def test_what_rests_and_what_ended_is_listed_as_it_is_in_the_ledger() -> None:
    desk = Desk(3)
    [yes] = desk.run(LISTINGS.fetch(desk.natives[:1]))
    [no] = desk.run(LISTINGS.fetch(desk.natives[1:]))
    desk.set_books()
    for number in range(60):
        desk.now_ms += 1_000
        desk.sim.tick(desk.now_ms)
        desk.run(ORDERS.place(random_order(desk, desk.luck.choice([yes, no]), number), desk.signer))
    known = [order for order in desk.sim.exchange.orders.values() if order.account != HOUSE]
    resting = [order for order in known if order in desk.sim.exchange.resting(order.market)]
    assert len(resting) > 3
    for listings, outcomes in (([yes, no], (0, 1)), ([yes], (0,)), ([yes.opposite()], (1,))):
        rows = desk.run(ORDERS.open_orders(desk.signer, listings))
        assert [(r.venue_order_id, r.side, r.price, r.size, r.filled) for r in rows] == [
            (o.order_id, o.side, o.price, o.size, o.filled) for o in resting if o.outcome in outcomes
        ]
    ended = desk.run(ORDERS.history(desk.signer, [yes, no]))
    times = [row.created_ms for row in ended]
    assert times == sorted(times, reverse=True)
    truth = {o.order_id: (o.filled, o.value, o.side) for o in known if o.fills and o not in resting}
    assert {row.venue_order_id: (row.filled, row.cash, row.side) for row in ended} == truth


def test_every_market_is_discovered_page_by_page() -> None:
    desk = Desk(1)
    listed = [*desk.natives]
    for number in range(130):
        wish = {"neg_risk": number % 2 == 1, "tick": "0.001", "title": f"Question {number}"}
        listed += map(Native, desk.sim.list_market(wish))
    closed = desk.sim.list_market({})
    desk.sim.resolve(closed[0], desk.now_ms)
    found: list[Listing] = []
    cursor: str | None = ""
    sizes: list[int] = []
    while cursor is not None and len(sizes) < 9:
        page = desk.run(LISTINGS.discover(cursor))
        assert isinstance(page, Page)
        found += page.listings
        sizes.append(len(page.listings))
        cursor = page.cursor
    assert sizes == [200, 62]
    assert [listing.native for listing in found] == listed
    fetched = desk.run(LISTINGS.fetch(listed))
    assert [(a.details, a.grid, a.mirror, a.tradable) for a in found] == [
        (b.details, b.grid, b.mirror, b.tradable) for b in fetched
    ]
    assert isinstance(desk.run(LISTINGS.discover("nonsense")), Unavailable)
