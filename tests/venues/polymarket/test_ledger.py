"""Random orders against the simulator: what the answers say is what moved in its ledger, to the millionth."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from tests.venues.polymarket import world
from venues.base.http import Reply, Request, Response, Silence, Talk
from venues.base.listing import Listing, Native
from venues.base.orders import Answer, Filled, Order, Pending, Rejected, Side, TimeInForce, Unknown
from venues.base.units import Cash, Price, Size
from venues.polymarket import VENUE
from venues.polymarket.sim import PolymarketSimulator
from venues.sim.contract import Call

NOW_MS = 1_795_000_000_000
LATE_MS = 40_000


class Desk:
    """One account at one simulated venue, and its way of losing replies."""

    def __init__(self, seed: int) -> None:
        self.luck = Random(seed)
        self.sim = PolymarketSimulator(seed)
        self.natives = [Native(native) for native in self.sim.list_market({})]
        wish = {"balance": "100000", "positions": {self.natives[0]: "5000", self.natives[1]: "5000"}}
        self.signer = VENUE.signer(self.sim.open_account(wish, NOW_MS))
        self.now_ms = NOW_MS
        self.deaf = False

    def run(self, talk: Talk[Any]) -> Any:
        try:
            request = next(talk)
            while True:
                reply = self.answer(request)
                request = talk.send(reply)
        except StopIteration as stop:
            return stop.value

    def answer(self, request: Request) -> Reply:
        sent = self.signer.sign(request, self.now_ms) if request.private else request
        headers = {name.lower(): value for name, value in sent.headers.items()}
        path = self.sim.hosts("", "")[sent.host] + sent.path
        call = Call(method=sent.method, path=path, query=dict(sent.query), headers=headers, body=sent.body)
        reply: Response = self.sim.answer(call, self.now_ms)
        return Silence("timeout", sent=True) if self.deaf and request.method == "POST" else reply

    def set_books(self) -> None:
        middle = self.luck.randrange(20, 80)
        asks = [
            (Price((middle + n) * 10_000), Size(self.luck.randrange(1, 90_000) * 10_000)) for n in (1, 2, 4)
        ]
        bids = [
            (Price((middle - n) * 10_000), Size(self.luck.randrange(1, 90_000) * 10_000)) for n in (0, 1, 3)
        ]
        self.sim.exchange.set_book(self.natives[0], bids, asks, self.now_ms)

    def holdings(self, listings: list[Listing]) -> tuple[Mapping[Any, int], Mapping[Any, int]]:
        orders = VENUE.orders
        return self.run(orders.funds(self.signer)), self.run(orders.holdings(self.signer, listings))

    def order(self, listing: Listing) -> Order:
        side = self.luck.choice(list(Side))
        return world.order(
            listing=listing,
            side=side,
            limit=Price(self.luck.randrange(5, 95) * 10_000),
            cash=Cash(self.luck.randrange(100, 200_000) * 10_000),
            size=Size(self.luck.randrange(1, 200_000) * 10_000),
            time_in_force=self.luck.choice([TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK]),
            created_ms=self.now_ms,
            salt=self.luck.randrange(1, 2**53),
        )


@pytest.mark.parametrize(
    "knobs", [{}, {"hide_closed": 1, "makers_per_trade": 1, "page_size": 2}, {"soft_refusals": 1}]
)
@pytest.mark.parametrize("seed", range(4))
def test_the_answers_say_what_moved(seed: int, knobs: dict[str, int]) -> None:
    desk = Desk(seed)
    desk.sim.knobs.update(knobs)
    books = desk.run(VENUE.listings.fetch(desk.natives[:1]))
    listings = [books[0], books[0].opposite()]
    filled = 0
    for _ in range(25):
        desk.now_ms += LATE_MS
        desk.set_books()
        desk.deaf = desk.luck.random() < 0.3
        order = desk.order(desk.luck.choice(listings))
        cash_before, held_before = desk.holdings(listings)
        answer: Answer = desk.run(VENUE.orders.place(order, desk.signer))
        if not isinstance(answer, Rejected):
            assert isinstance(answer, Unknown if desk.deaf else Pending)
            desk.now_ms += LATE_MS
            desk.sim.tick(desk.now_ms)
            answer = desk.run(VENUE.orders.look_up(order, desk.signer, answer, desk.now_ms))
        cash_after, held_after = desk.holdings(listings)
        spent = cash_before[""] - cash_after[""]
        got = held_after[order.listing.key] - held_before[order.listing.key]
        if isinstance(answer, Rejected):
            assert (spent, got) == (0, 0)
            continue
        assert isinstance(answer, Filled)
        filled += 1
        if order.side is Side.BUY:
            assert (spent, got) == (answer.cash + answer.fee.amount, answer.size)
            assert answer.cash <= order.cash
        else:
            assert (-spent, -got) == (answer.cash - answer.fee.amount, answer.size)
            assert answer.size <= order.size
    assert filled > 3
    desk.sim.exchange.audit()
