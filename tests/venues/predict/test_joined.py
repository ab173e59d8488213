"""The adapter joined to its simulator, without a router: what it says is what the ledger says."""

import itertools
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from tests.world import call_of
from venues.base.events import Ask, Say, Snapshot
from venues.base.http import Response, Talk, Unavailable
from venues.base.listing import Listing, Native
from venues.base.orders import (
    SHARES,
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
from venues.base.units import ONE, Cash, Price, Size
from venues.predict.feed import PredictFeed
from venues.predict.listings import PredictListings
from venues.predict.orders import FORGOTTEN_MS, PredictOrders, draft_of
from venues.predict.private import PredictPrivateFeed
from venues.predict.signer import PredictSigner
from venues.predict.sim import PredictSimulator
from venues.sim.model import HOUSE

T = TypeVar("T")
ORDERS = PredictOrders()
BIDS = [(Price(480_000), Size(30 * ONE)), (Price(470_000), Size(30 * ONE))]
ASKS = [(Price(520_000), Size(10 * ONE)), (Price(540_000), Size(50 * ONE))]
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain wallet": ({}, {}),
    "Predict account": ({}, {"predict_account": True}),
    "neg-risk": ({"isNegRisk": True, "decimalPrecision": 2}, {}),
    "yield-bearing": ({"isYieldBearing": True}, {"predict_account": True}),
    "both": ({"isNegRisk": True, "isYieldBearing": True, "feeRateBps": 0}, {}),
}


class Scene:
    """One market, one account, and a clock that moves by hand."""

    def __init__(self, kind: str = "plain wallet", **knobs: int) -> None:
        market, account = KINDS[kind]
        self.now_ms, self._numbers = 1_790_000_000_000, itertools.count(1)
        self.sim = PredictSimulator(3)
        self.sim.knobs |= knobs
        [self.native] = map(Native, self.sim.list_market(market))
        wish = {"balance": "1000", "positions": {self.native: "100"}, **account}
        self.signer = PredictSigner(self.sim.open_account(wish, self.now_ms))
        found = self.hold(PredictListings().fetch([self.native]))
        assert not isinstance(found, Unavailable)
        [self.listing] = found
        self.sim.exchange.set_book(self.native, BIDS, ASKS, self.now_ms)

    def hold(self, talk: Talk[T]) -> T:
        """A conversation; each request takes 5 ms."""
        reply: Response | None = None
        while True:
            try:
                request = talk.send(reply) if reply is not None else next(talk)
            except StopIteration as stop:
                done: T = stop.value
                return done
            self.now_ms += 5
            self.sim.tick(self.now_ms)
            if request.private:
                request = self.signer.sign(request, self.now_ms)
            reply = self.sim.answer(call_of(request), self.now_ms)

    def order(self, listing: Listing | None = None, **wish: Any) -> Order:
        number = next(self._numbers)
        usual: dict[str, Any] = {
            "order_id": OrderId(f"o{number}"),
            "listing": listing or self.listing,
            "side": Side.BUY,
            "limit": Price(540_000),
            "size": Size(20 * ONE),
            "cash": Cash(0),
            "created_ms": self.now_ms,
            "salt": 1_000 + number,
        }
        return Order(**(usual | wish))

    def follow(self, order: Order, answer: Answer) -> Answer:
        """Look up as the router does, until the last word or until it rests."""
        wait_ms = 50
        for _ in range(20):
            if isinstance(answer, Filled | Rejected | Working):
                return answer
            self.now_ms, wait_ms = self.now_ms + wait_ms, min(2 * wait_ms, 5_000)
            found = self.hold(ORDERS.look_up(order, self.signer, answer, self.now_ms))
            answer = answer if isinstance(found, Unknown) else found
        return answer

    def trade(self, listing: Listing | None = None, **wish: Any) -> Answer:
        order = self.order(listing, **wish)
        return self.follow(order, self.hold(ORDERS.place(order, self.signer)))

    def held(self) -> tuple[int, int, int]:
        """Cash and both outcomes' shares by the ledger."""
        [mine] = [a for a in self.sim.exchange.accounts.values() if a.name != HOUSE]
        shares = {outcome: size for (_, outcome), size in mine.positions.items()}
        return mine.cash, shares.get(0, 0), shares.get(1, 0)

    def told(self) -> tuple[int, int, int]:
        """The same by the venue's own reads."""
        both = [self.listing, self.listing.opposite()]
        funds = self.hold(ORDERS.funds(self.signer))
        shares = self.hold(ORDERS.holdings(self.signer, both))
        assert not isinstance(funds, Unavailable)
        assert not isinstance(shares, Unavailable)
        return funds[""], shares[both[0].key], shares[both[1].key]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_market_and_wallet_trades_both_outcomes_to_the_last_millionth(kind: str) -> None:
    scene = Scene(kind)
    assert scene.told() == scene.held() == (1_000 * ONE, 100 * ONE, 0)
    for listing, wish in (
        (scene.listing, {}),
        (scene.listing, {"side": Side.SELL, "limit": Price(470_000), "size": Size(50 * ONE + 10_000)}),
        (scene.listing.opposite(), {"limit": Price(550_000), "size": Size(5 * ONE)}),
        (scene.listing, {"size": Size(500 * ONE)}),
    ):
        before = scene.held()
        done = scene.trade(listing, **wish)
        assert isinstance(done, Filled)
        assert done.size
        sign = -1 if wish.get("side") is Side.SELL else 1
        moved = sign * done.size - done.fee.shares
        first, second = (0, moved) if listing.inverted else (moved, 0)
        cash = before[0] - sign * done.cash - done.fee.cash
        assert scene.told() == scene.held() == (cash, before[1] + first, before[2] + second)
    scene.sim.exchange.audit()


def test_a_buys_fee_is_kept_out_of_its_shares_and_a_sales_out_of_its_money() -> None:
    scene = Scene()
    bought = scene.trade()
    assert isinstance(bought, Filled)
    assert bought.fee.unit == SHARES
    # 2% of the smaller of price and its complement, per share: 10 at 0.52, 10 at 0.54
    assert bought.fee.amount == 354_986, "0.1846153... and 0.1703703..., rounded up once"
    sold = scene.trade(side=Side.SELL, limit=Price(480_000), size=Size(10 * ONE))
    assert isinstance(sold, Filled)
    assert (sold.fee.amount, sold.fee.unit) == (96_000, "USDT")


def test_the_limit_holds_whatever_the_book_does_meanwhile() -> None:
    scene = Scene()
    order = scene.order(limit=Price(520_000))
    answer = scene.hold(ORDERS.place(order, scene.signer))
    worse = [(Price(530_000), Size(100 * ONE))]
    scene.sim.exchange.set_book(scene.native, BIDS, worse, scene.now_ms)
    done = scene.follow(order, answer)
    assert isinstance(done, Rejected)
    assert done.code == "cancelled"
    assert scene.held() == (1_000 * ONE, 100 * ONE, 0)


@pytest.mark.parametrize(("failing", "size"), [(1, 10 * ONE), (2, 0)])
def test_what_fails_to_settle_is_pending_until_it_cannot_come_any_more_and_never_filled(
    failing: int, size: int
) -> None:
    """Two makers, two matches; the first ones fail on chain after they were told of."""
    scene = Scene(fail_settlements=failing)
    order = scene.order()
    answer = scene.follow(order, scene.hold(ORDERS.place(order, scene.signer)))
    assert isinstance(answer, Pending)
    assert answer.size == 20 * ONE
    scene.now_ms += FORGOTTEN_MS
    done = scene.follow(order, answer)
    if size:
        assert isinstance(done, Filled)
        assert done.size == size
        assert scene.held() == (1_000 * ONE - done.cash, 100 * ONE + size - done.fee.shares, 0)
    else:
        assert isinstance(done, Rejected)
        assert done.undone
        assert scene.held() == (1_000 * ONE, 100 * ONE, 0)


def test_an_order_whose_reply_was_lost_is_found_and_one_that_never_came_is_given_up() -> None:
    scene = Scene()
    order = scene.order()
    scene.hold(ORDERS.place(order, scene.signer))
    lost = Unknown(order.order_id, "timeout")
    assert isinstance(scene.follow(order, lost), Filled)
    never = scene.order()
    assert isinstance(scene.hold(ORDERS.look_up(never, scene.signer, lost, scene.now_ms)), Unknown)
    late_ms = never.created_ms + FORGOTTEN_MS
    done = scene.hold(ORDERS.look_up(never, scene.signer, lost, late_ms))
    assert isinstance(done, Rejected)
    assert done.code == "not_executed"


def test_the_same_signed_order_sent_twice_executes_once() -> None:
    scene = Scene()
    order = scene.order()
    first = scene.hold(ORDERS.place(order, scene.signer))
    again = scene.hold(ORDERS.place(order, scene.signer))
    assert isinstance(again, Pending)
    assert "already" in again.reason
    assert scene.follow(order, again) == scene.follow(order, first)
    assert scene.held()[1] < 121 * ONE


def test_a_resting_order_is_listed_and_cancelled_and_an_expired_one_ends() -> None:
    scene = Scene()
    order = scene.order(time_in_force=TimeInForce.GTC, limit=Price(200_000), post_only=True)
    answer = scene.hold(ORDERS.place(order, scene.signer))
    assert isinstance(answer, Working)
    scene.now_ms += 50
    listed = scene.hold(ORDERS.open_orders(scene.signer, [scene.listing]))
    assert not isinstance(listed, Unavailable)
    assert [(s.venue_order_id, s.price, s.size) for s in listed] == [
        (answer.venue_order_id, 200_000, 20 * ONE)
    ]
    done = scene.follow(order, scene.hold(ORDERS.cancel(order, scene.signer, answer)))
    assert isinstance(done, Filled)
    assert done.size == 0
    assert scene.hold(ORDERS.open_orders(scene.signer, [scene.listing])) == []
    ends_s = scene.now_ms // 1000 + 3
    order = scene.order(time_in_force=TimeInForce.GTD, expires_s=ends_s, limit=Price(200_000))
    answer = scene.hold(ORDERS.place(order, scene.signer))
    scene.now_ms += 10_000
    first = scene.hold(ORDERS.look_up(order, scene.signer, answer, scene.now_ms))
    assert isinstance(first, Pending)
    done = scene.follow(order, first)
    assert isinstance(done, Filled)
    assert done.size == 0


def test_history_has_the_market_orders_of_both_outcomes_newest_first() -> None:
    scene = Scene()
    both = [scene.listing, scene.listing.opposite()]
    fills = [scene.trade(), scene.trade(both[1], limit=Price(550_000), size=Size(5 * ONE))]
    found = scene.hold(ORDERS.history(scene.signer, both))
    assert not isinstance(found, Unavailable)
    expected = [(a.venue_order_id, a.size, a.cash) for a in reversed(fills) if isinstance(a, Filled)]
    assert [(s.venue_order_id, s.filled, s.cash) for s in found] == expected
    assert [s.inverted for s in found] == [True, False]


def test_the_wallets_events_say_what_the_look_up_says_and_never_sooner_than_the_chain() -> None:
    scene = Scene()
    feed = PredictPrivateFeed(scene.signer)
    assert scene.hold(feed.prepare(scene.now_ms)) is None
    line = scene.sim.connect(call_of(scene.signer.sign(feed.handshake(), scene.now_ms)), scene.now_ms)
    assert not isinstance(line, Response)
    news: list[News] = []

    def take(events: Sequence[object]) -> None:
        for event in events:
            if isinstance(event, Say):
                line.receive(event.text, scene.now_ms)
            else:
                assert isinstance(event, News)
                news.append(event)

    take(feed.opening())
    order = scene.order()
    answer: Answer = scene.hold(ORDERS.place(order, scene.signer))
    order_hash = scene.signer.order_hash(draft_of(order))
    for _ in range(40):
        scene.now_ms += 100
        scene.sim.tick(scene.now_ms)
        line.tick(scene.now_ms)
        frames, line.outbox[:] = list(line.outbox), []
        for frame in frames:
            take(feed.receive(frame, scene.now_ms))
        mine = [item for item in news if item.venue_order_id == order_hash]
        told = ORDERS.heard(order, answer, mine)
        if isinstance(told, Filled):
            assert scene.held()[1] == 100 * ONE + told.size - told.fee.shares
            answer = told
            break
        answer = told or answer
    assert isinstance(answer, Filled)
    last = Unknown(order.order_id, "nothing was looked up before")
    assert scene.follow(order, last) == answer


def test_the_feed_follows_the_book_by_stream_and_by_rest() -> None:
    scene = Scene()
    feed = PredictFeed()
    line = scene.sim.connect(call_of(scene.signer.sign(feed.handshake(), scene.now_ms)), scene.now_ms)
    assert not isinstance(line, Response)
    for event in feed.subscribe([scene.native]):
        assert isinstance(event, Say)
        line.receive(event.text, scene.now_ms)
    scene.now_ms += 10
    scene.sim.exchange.set_book(scene.native, BIDS[:1], ASKS, scene.now_ms)
    scene.sim.tick(scene.now_ms)
    books = [e for f in line.outbox for e in feed.receive(f, scene.now_ms) if isinstance(e, Snapshot)]
    assert (books[-1].bids, books[-1].asks) == (BIDS[:1], ASKS)
    [ask] = feed.resync(scene.native, scene.now_ms)
    assert isinstance(ask, Ask)
    reply = scene.sim.answer(call_of(scene.signer.sign(ask.request, scene.now_ms)), scene.now_ms)
    [book] = feed.fetched(scene.native, reply, scene.now_ms)
    assert isinstance(book, Snapshot)
    assert (book.bids, book.asks) == (BIDS[:1], ASKS)
