"""One venue, its simulator and one account, without a router or a socket: for tests over all venues.

The clock moves by hand; every request takes five milliseconds. A test may change a request on its way to the
venue (`bend`) and a reply on its way back (`warp`).
"""

import itertools
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from router.core.allocate import allocate
from router.core.bound import bound
from router.core.execution import LOOK_UP_FIRST_MS, LOOK_UP_LAST_MS
from router.core.model import Terms
from tests.core.listed import kinds
from tests.core.markets import Shop, buy, means, merged, sell
from tests.world import call_of
from venues import discover
from venues.base.contract import Signer
from venues.base.http import Reply, Request, Response, Talk, Unavailable
from venues.base.listing import Native
from venues.base.orders import Answer, Filled, Order, OrderId, Pending, Rejected, Side, TimeInForce, Working
from venues.base.units import ONE, Cash, Price, Size, complement, cost
from venues.sim.contract import Call
from venues.sim.control import Tunable
from venues.sim.ledger import listing_key
from venues.sim.model import HOUSE, Fill, SimOrder, notional

T = TypeVar("T")
BEGIN_MS = 1_795_183_200_000
ROUND_TRIP_MS = 5
PATIENCE_MS = 600_000
"""Longer than any venue leaves an order in doubt."""
BIDS = [(Price(400_000), Size(30 * ONE)), (Price(300_000), Size(30 * ONE))]
ASKS = [(Price(500_000), Size(30 * ONE)), (Price(600_000), Size(50 * ONE))]
SPENT, SOLD = 25 * ONE, 40 * ONE
"""What a buy and a sale are planned to use: a whole level and a part of the next."""
BALANCE, HELD = "5000", "500"


class Scene:
    """A market of this kind in one of its orientations, with a book, and an account with means."""

    def __init__(self, venue: str, kind: str = "standard", *, inverted: bool = False) -> None:
        self.card, wish = discover()[venue], kinds(venue)[kind]
        self.sim, self.now_ms = self.card.simulator(3), BEGIN_MS
        if isinstance(self.sim, Tunable):
            self.sim.knobs |= wish.get("knobs", {})
        self.natives = [Native(native) for native in self.sim.list_market(wish.get("market", {}))]
        self.market = self.sim.exchange.by_native[self.natives[0]][0]
        self._wish, self._numbers = wish.get("account", {}), itertools.count(1)
        self.bend: Callable[[Request, Call], Call] = lambda _request, call: call
        self.warp: Callable[[Request, Response], Response] = lambda _request, response: response
        self.sent: list[tuple[Request, Call, Response]] = []
        """Every request to the venue: as the adapter made it, as it was sent, and its reply."""
        self.credentials = self.open_account({listing_key(self.market, int(inverted)): HELD})
        self.signer: Signer = self.card.signer(self.credentials)
        self.terms = self._fetched(inverted=inverted)
        self.listing = self.terms.listing
        self.set_book()

    def open_account(self, held: Mapping[str, str]) -> Mapping[str, str]:
        """Another account with money and these shares."""
        return self.sim.open_account({"balance": BALANCE, "positions": held, **self._wish}, self.now_ms)

    def set_book(self, bids: Any = BIDS, asks: Any = ASKS) -> None:
        """Levels in the terms of the first outcome."""
        self.sim.exchange.set_book(self.natives[0], bids, asks, self.now_ms)

    def _fetched(self, *, inverted: bool) -> Terms:
        found = self.hold(self.card.listings.fetch(self.natives[:1]))
        assert not isinstance(found, Unavailable), found
        [listing] = found
        listing = listing.opposite() if inverted else listing
        return Terms(listing=listing, curve=self.card.fees.curve(listing), traits=self.card.traits)

    # --- orders ---

    def planned(self, side: Side = Side.BUY) -> Order:
        """An order as the router plans it: the best level and a part of the next."""
        levels = self.sim.exchange.levels(self.natives[0])[0 if side is Side.SELL else 1]
        if self.listing.inverted:
            levels = self.sim.exchange.levels(self.natives[0])[1 if side is Side.SELL else 0]
            levels = [(complement(price), size) for price, size in levels]
        shops = [Shop(self.terms, levels)]
        asked = buy(SPENT) if side is Side.BUY else sell(SOLD)
        plan = allocate(merged(side, shops), asked, means(shops))
        [part] = bound(plan.orders, {self.listing.key: self.terms}).orders
        return self.order(
            side=side, limit=part.limit, size=part.size, cash=part.cash, reserve=part.fee_reserve
        )

    def resting(self, price: int = 400_000, size: int = 20 * ONE) -> Order:
        """A buy that waits: nothing is offered at its price unless a test puts it there."""
        limit, shares = Price(price), Size(size)
        reserve = self.terms.curve.reserve(Side.BUY, limit, shares) + self.terms.curve.fixed(Side.BUY)
        least = self.terms.curve.minimum(Side.BUY)
        return self.order(
            limit=limit,
            size=shares,
            cash=cost(limit, shares),
            reserve=Cash(max(reserve, least)),
            time_in_force=TimeInForce.GTC,
        )

    def order(self, **wish: Any) -> Order:
        number = next(self._numbers)
        usual: dict[str, Any] = {
            "order_id": OrderId(f"00000000-0000-4000-8000-{number:012d}"),
            "listing": self.listing,
            "side": Side.BUY,
            "created_ms": self.now_ms,
            "salt": 1_000_000_007 * number,
        }
        return Order(**(usual | wish))

    # --- conversations ---

    def place(self, order: Order, signer: Signer | None = None) -> Answer:
        return self.hold(self.card.orders.place(order, signer or self.signer), signer)

    def look_up(self, order: Order, answer: Answer) -> Answer:
        return self.hold(self.card.orders.look_up(order, self.signer, answer, self.now_ms))

    def cancel(self, order: Order, answer: Answer) -> Answer:
        return self.hold(self.card.orders.cancel(order, self.signer, answer))

    def settle(self, order: Order, answer: Answer) -> Answer:
        """Look up at the router's waits until the last word, or until it rests."""
        waited, wait = 0, LOOK_UP_FIRST_MS
        rests = order.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
        while not (isinstance(answer, Filled | Rejected) or (rests and isinstance(answer, Working))):
            assert waited < PATIENCE_MS, f"never settled: {answer}"
            self.wait(wait)
            waited, wait = waited + wait, min(2 * wait, LOOK_UP_LAST_MS)
            found = self.look_up(order, answer)
            known = answer if isinstance(answer, Working | Pending) else None
            if known is None or isinstance(found, Working | Pending | Filled | Rejected):
                answer = found
        return answer

    def hold(self, talk: Talk[T], signer: Signer | None = None) -> T:
        reply: Reply | None = None
        while True:
            try:
                request = talk.send(reply) if reply is not None else next(talk)
            except StopIteration as stop:
                done: T = stop.value
                return done
            reply = self.answer(request, signer)

    def answer(self, request: Request, signer: Signer | None = None) -> Response:
        """One request: signed, bent, answered, warped."""
        self.wait(ROUND_TRIP_MS)
        signed = (signer or self.signer).sign(request, self.now_ms) if request.private else request
        base = self.sim.hosts("", "").get(request.host, "")
        call = self.bend(request, call_of(replace(signed, path=base + signed.path)))
        response = self.sim.answer(call, self.now_ms)
        self.sent.append((request, call, response))
        headers = {**response.headers, "date": formatdate(self.now_ms // 1_000, usegmt=True)}
        return self.warp(request, replace(response, headers=headers))

    def read(self, talk: Talk[T | Unavailable]) -> T:
        """What a read gives; it must give something."""
        found = self.hold(talk)
        assert not isinstance(found, Unavailable), found
        return found

    def meet(self, order: Order, size: int) -> None:
        """Somebody sells so much to whoever bids this order's price: to this buy, if it is the only one."""
        taker = SimOrder(
            order_id=self.sim.exchange.new_id(HOUSE),
            account=HOUSE,
            market=self.market,
            outcome=int(order.listing.inverted),
            side=Side.SELL,
            price=order.limit,
            size=Size(size),
            cash=None,
            time_in_force=TimeInForce.IOC,
            created_ms=self.now_ms,
        )
        self.sim.exchange.place(taker, self.now_ms)
        self.sim.tick(self.now_ms)

    def wait(self, ms: int) -> None:
        """Time passes, at most a tenth of a second without the venue's own work."""
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms = min(end_ms, self.now_ms + 100)
            self.sim.tick(self.now_ms)

    # --- the truth ---

    def arrived(self) -> list[SimOrder]:
        """The customers' orders that the venue took, oldest first."""
        return [order for order in self.sim.exchange.orders.values() if order.account != HOUSE]

    def fills(self, order: Order) -> list[tuple[Price, Size, Fill]]:
        """What customers traded, as fills of this order: price and size in its own terms."""
        found = []
        for kept in self.arrived():
            own = kept.side is order.side
            found += [(f.price if own else complement(f.price), f.size, f) for f in kept.fills]
        return found

    def truth(self, order: Order) -> tuple[int, int, int, int]:
        """Size, cash, fee in money and fee in shares by the venue's own ledger."""
        fills = self.fills(order)
        return (
            sum(size for _, size, _ in fills),
            sum(notional(order.side, price, size) for price, size, _ in fills),
            sum(fill.fee for _, _, fill in fills),
            sum(fill.kept for _, _, fill in fills),
        )


def told(answer: Answer) -> tuple[int, int, int, int]:
    """The same of an answer that has it."""
    assert isinstance(answer, Filled | Working), answer
    return answer.size, answer.cash, answer.fee.cash, answer.fee.shares


def venues_and_kinds() -> list[Any]:
    """Every kind of market of every venue, as test parameters; all but the standard ones are slow."""
    return [
        pytest.param(venue, kind, marks=[] if kind == "standard" else pytest.mark.slow)
        for venue in sorted(discover())
        for kind in kinds(venue)
    ]
