"""What every venue promises about orders and money, compared with its simulator's own ledger. Names no venue.

Each case is one account on one market, of every kind that the venue's tests name, and both of its outcomes.
"""

from collections.abc import Iterator, Sequence

import pytest
from msgspec.structs import replace

from tests.venues.conformance_scene import ASKS, BIDS, Scene, told, venues_and_kinds
from venues import discover
from venues.base.http import Unavailable
from venues.base.listing import Listing
from venues.base.orders import Answer, Filled, Order, Pending, Rejected, Side, Standing, Unknown, Working
from venues.base.units import ONE, Price, Size, complement

VENUES = sorted(discover())
SHARES = 20 * ONE
HALF = SHARES // 2
MATCHED_MS = 5_000
"""Longer than any venue holds back what it has matched from the lists."""
SLACK = 1
"""Millionths: a fee that is finer is rounded up where it is promised."""
CLOCK_MS = 1_000
"""A venue without a clock of its own is read from the date of its replies, in whole seconds."""
each_venue = pytest.mark.parametrize("venue", VENUES)
each_kind = pytest.mark.parametrize(("venue", "kind"), venues_and_kinds())


def scenes(venue: str, kind: str = "standard") -> Iterator[tuple[Scene, Order]]:
    """A planned order of each side, on each outcome."""
    for inverted in (False, True):
        for side in Side:
            scene = Scene(venue, kind, inverted=inverted)
            yield scene, scene.planned(side)


# --- marketable orders ---


@each_kind
def test_an_order_fills_within_its_limit_its_size_and_its_money(venue: str, kind: str) -> None:
    for scene, order in scenes(venue, kind):
        answer = scene.settle(order, scene.place(order))
        assert isinstance(answer, Filled)
        fills = scene.fills(order)
        assert fills
        if order.side is Side.BUY:
            assert all(price <= order.limit for price, _, _ in fills)
            assert answer.cash + answer.fee.cash <= order.cash + order.reserve
        else:
            assert all(price >= order.limit for price, _, _ in fills)
            assert answer.size <= order.size
        assert told(answer) == scene.truth(order)
        scene.sim.exchange.audit()


@each_kind
def test_the_fee_promised_is_the_fee_charged_and_the_fee_reported(venue: str, kind: str) -> None:
    for inverted in (False, True):
        for side in Side:
            scene = Scene(venue, kind, inverted=inverted)
            scene.set_book(BIDS[:1], ASKS[:1])
            order = scene.planned(side)
            answer = scene.settle(order, scene.place(order))
            fills = [(price, size) for price, size, _ in scene.fills(order)]
            promised, (*_, cash, shares) = scene.terms.curve.charged(side, fills), scene.truth(order)
            assert told(answer)[2:] == (cash, shares)
            assert 0 <= promised.cash - cash <= SLACK
            assert 0 <= promised.shares - shares <= SLACK


@each_kind
def test_over_several_prices_no_more_is_charged_than_was_promised_nor_promised_than_was_held(
    venue: str, kind: str
) -> None:
    """A venue whose rule for this case is not known has kinds of markets in which it charges less."""
    for scene, order in scenes(venue, kind):
        scene.settle(order, scene.place(order))
        fills, curve = scene.fills(order), scene.terms.curve
        assert len({price for price, _, _ in fills}) > 1
        promised = curve.charged(order.side, [(price, size) for price, size, _ in fills])
        *_, cash, shares = scene.truth(order)
        exact = SLACK if kind == "standard" else 10**9
        assert 0 <= promised.cash - cash <= exact
        assert 0 <= promised.shares - shares <= exact
        assert shares <= sum(curve.kept(order.side, price, size) for price, size, _ in fills)
        if order.side is Side.BUY:
            assert promised.cash <= order.reserve


@each_venue
def test_what_arrives_is_what_the_ledger_gained(venue: str) -> None:
    """Money and shares, read before and at the moment of the last word: what is filled is settled."""
    for scene, order in scenes(venue):
        listing, orders = scene.listing, scene.card.orders
        before = scene.read(orders.funds(scene.signer))[listing.pool]
        had = scene.read(orders.holdings(scene.signer, [listing]))[listing.key]
        answer = scene.settle(order, scene.place(order))
        assert isinstance(answer, Filled)
        sign = 1 if order.side is Side.BUY else -1
        after = scene.read(orders.funds(scene.signer))[listing.pool]
        has = scene.read(orders.holdings(scene.signer, [listing]))[listing.key]
        gained = sign * answer.size - answer.fee.shares
        assert after == before - sign * answer.cash - answer.fee.cash
        assert 0 <= had + gained - has < listing.lot


@each_kind
def test_funds_and_holdings_are_those_of_the_ledger(venue: str, kind: str) -> None:
    for inverted in (False, True):
        scene = Scene(venue, kind, inverted=inverted)
        listings = [scene.listing, scene.listing.opposite()]
        scene.wait(MATCHED_MS)
        funds = scene.read(scene.card.orders.funds(scene.signer))
        held = scene.read(scene.card.orders.holdings(scene.signer, listings))
        accounts = [a for name, a in scene.sim.exchange.accounts.items() if name != "house"]
        assert funds[scene.listing.pool] in [account.free for account in accounts]
        for listing in listings:
            key = (scene.market.market_id, int(listing.inverted))
            owned = sum(account.positions.get(key, 0) for account in accounts)
            assert held[listing.key] == owned
        assert held[scene.listing.key] == 500 * ONE


# --- orders that end otherwise ---


@each_venue
def test_an_order_that_finds_nothing_is_told_as_such(venue: str) -> None:
    for scene, order in scenes(venue):
        scene.set_book([], [])
        answer = scene.settle(order, scene.place(order))
        assert isinstance(answer, Rejected) or told(answer) == (0, 0, 0, 0)
        assert scene.fills(order) == []


@each_venue
def test_an_order_without_means_is_refused_and_nothing_is_done(venue: str) -> None:
    for scene, order in scenes(venue):
        scene.signer = scene.card.signer(scene.sim.open_account({"balance": "0"}, scene.now_ms))
        answer = scene.settle(order, scene.place(order))
        assert isinstance(answer, Rejected) or told(answer) == (0, 0, 0, 0)
        assert scene.fills(order) == []


@each_venue
def test_a_cancel_of_a_filled_order_is_told_as_such(venue: str) -> None:
    for scene, order in scenes(venue):
        first = scene.place(order)
        settled = scene.settle(order, first)
        for known in (first, settled):
            answer = scene.settle(order, scene.cancel(order, known))
            assert isinstance(answer, Filled)
            assert told(answer) == told(settled) == scene.truth(order)


@each_kind
def test_an_order_whose_reply_is_lost_is_settled_by_looking_it_up(venue: str, kind: str) -> None:
    for scene, order in scenes(venue, kind):
        scene.place(order)
        answer = scene.settle(order, Unknown(order.order_id, "cut"))
        assert isinstance(answer, Filled)
        assert told(answer) == scene.truth(order)


@each_venue
def test_an_order_that_never_left_is_in_the_end_known_not_to_have_arrived(venue: str) -> None:
    scene = Scene(venue)
    order = scene.planned()
    scene.hold(scene.card.orders.funds(scene.signer))
    at_once = scene.look_up(order, Unknown(order.order_id, "cut"))
    assert isinstance(at_once, Unknown), "not found proves nothing yet"
    assert isinstance(scene.settle(order, at_once), Rejected)


# --- orders that rest ---


def listed(scene: Scene, history: bool) -> Sequence[Standing]:
    """What the venue lists of this listing; nothing where it has no such list."""
    orders, signer = scene.card.orders, scene.signer
    found = scene.hold((orders.history if history else orders.open_orders)(signer, [scene.listing]))
    if history and isinstance(found, Unavailable):
        return []
    assert not isinstance(found, Unavailable), found
    return found


def of(listing: Listing, standing: Standing) -> tuple[Side, Price | None]:
    """Side and limit in the terms of this outcome: buying one is selling the other."""
    if standing.inverted == listing.inverted:
        return standing.side, standing.price
    side = Side.BUY if standing.side is Side.SELL else Side.SELL
    return side, None if standing.price is None else complement(standing.price)


def rests(scene: Scene, order: Order) -> Working | Filled:
    """Placed, and on the book."""
    answer: Answer = scene.place(order)
    answer = scene.settle(order, answer)
    assert isinstance(answer, Working | Filled), answer
    return answer


@each_kind
@pytest.mark.parametrize("inverted", [False, True])
def test_an_order_rests_is_listed_fills_in_part_is_cancelled_and_is_history(
    venue: str, kind: str, inverted: bool
) -> None:
    scene = Scene(venue, kind, inverted=inverted)
    scene.set_book([(Price(200_000), Size(30 * ONE))], [(Price(800_000), Size(30 * ONE))])
    order = scene.resting()
    working = rests(scene, order)
    assert isinstance(working, Working)
    assert told(working) == (0, 0, 0, 0)
    scene.wait(MATCHED_MS)
    [standing] = listed(scene, history=False)
    assert of(scene.listing, standing) == (Side.BUY, order.limit)
    assert (standing.native, standing.filled, standing.open) == (scene.listing.native, 0, True)
    assert standing.venue_order_id == working.venue_order_id
    assert abs((standing.size or 0) - order.size) < scene.listing.lot
    scene.meet(order, HALF)
    scene.wait(MATCHED_MS)
    partly = scene.look_up(order, working)
    assert isinstance(partly, Working | Pending)
    assert (partly.size, partly.cash) == scene.truth(order)[:2]
    ended = scene.settle(order, scene.cancel(order, partly))
    while isinstance(ended, Working | Pending):
        scene.wait(MATCHED_MS)
        ended = scene.look_up(order, ended)
    assert isinstance(ended, Filled)
    assert told(ended) == scene.truth(order)
    assert ended.size == HALF
    assert told(scene.settle(order, scene.cancel(order, ended))) == told(ended), "once more changes nothing"
    scene.wait(MATCHED_MS)
    assert listed(scene, history=False) == []
    gone = listed(scene, history=True)
    assert [(s.venue_order_id, s.filled, s.open) for s in gone] in (
        [],
        [(working.venue_order_id, HALF, False)],
    )
    scene.sim.exchange.audit()


@each_venue
def test_a_post_only_order_never_takes(venue: str) -> None:
    scene = Scene(venue)
    price = ASKS[0][0]
    order = scene.order(**wish_of(scene.resting(price), post_only=True))
    answer = scene.settle(order, scene.place(order))
    assert isinstance(answer, Rejected) or told(answer)[0] == 0
    assert scene.fills(order) == []


def wish_of(order: Order, **more: object) -> dict[str, object]:
    """The same order again, under a new id."""
    kept = ("side", "limit", "size", "cash", "reserve", "time_in_force")
    return {name: getattr(order, name) for name in kept} | more


# --- everything else ---


@each_venue
def test_the_clock_is_the_venues(venue: str) -> None:
    for offset_ms in (-90_000, 0, 3_600_000):
        scene = Scene(venue)
        scene.now_ms += offset_ms
        told_ms = scene.read(scene.card.orders.clock())
        assert abs(told_ms - scene.now_ms) <= CLOCK_MS


@each_venue
def test_every_market_is_discovered_as_it_is_fetched(venue: str) -> None:
    scene = Scene(venue)
    others = [scene.sim.list_market({})[0] for _ in range(30)]
    found: list[Listing] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        pages += 1
        assert pages < 100, "no last page"
        page = scene.read(scene.card.listings.discover(cursor))
        found += page.listings
        cursor = page.cursor
    assert len({listing.key for listing in found}) == len(found)
    assert {scene.natives[0], *others} <= {listing.native for listing in found}
    fetched = scene.read(scene.card.listings.fetch([listing.native for listing in found]))
    assert terms(fetched) == terms(found)


def terms(listings: Sequence[Listing]) -> dict[str, Listing]:
    """By native. Titles are only shown: a venue need not tell them in every list."""
    return {listing.native: replace(listing, title="") for listing in listings}
