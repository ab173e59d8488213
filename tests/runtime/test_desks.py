"""News reaches the order it is about, whenever it comes, as often as it comes, and nobody else."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from router.core.model import AccountId, RouteId
from router.runtime import desks as module
from router.runtime.clock import SystemClock
from router.runtime.desks import Desks
from router.runtime.metrics import Metrics
from tests.core.samples import listing, order
from tests.runtime.acme import Absent, acme
from venues.base.listing import Native
from venues.base.orders import Answer, Fee, Filled, News, Order, Pending, Rejected
from venues.base.units import ONE, Cash, Size

ALICE, BOB = AccountId("alice"), AccountId("bob")
FIRST = order("o1", listing=listing(venue="acme"))
SECOND = order("o2", listing=listing(venue="acme"))


class Counting(Absent):
    """An order is done when so many different things were told of it as it has whole shares."""

    def heard(self, order: Order, answer: Answer | None, news: Sequence[News]) -> Answer | None:
        told = {each.told["fill"] for each in news}
        if "garbage" in told:
            raise ValueError("no fill")
        size = Size(len(told) * ONE)
        if size < order.size:
            return None
        return Filled(order.order_id, "v", size, Cash(0), Fee(0, "USD"))


def fill(number: object, *, venue_order_id: str = "", client_id: str = "") -> News:
    return News(venue_order_id=venue_order_id, client_id=client_id, told={"fill": str(number)})


@pytest.fixture
def desks() -> Desks:
    return Desks({"acme": msgspec.structs.replace(acme(), orders=Counting())}, Metrics(), SystemClock())


ROUTE = RouteId("r1")


def done(of: Order, shares: int) -> Filled:
    return Filled(of.order_id, "v", Size(shares * ONE), Cash(0), Fee(0, "USD"))


def accepted(of: Order, venue_order_id: str) -> Pending:
    return Pending(of.order_id, venue_order_id, Size(0), Cash(0), "accepted")


def test_news_that_names_our_id_is_heard_at_once(desks: Desks) -> None:
    heard: list[Answer] = []
    desks.open(ALICE, FIRST, heard.append)
    for number in range(9):
        desks.news(ALICE, "acme", fill(number, client_id="o1"))
    assert heard == []
    desks.news(ALICE, "acme", fill(9, client_id="o1"))
    assert [answer.order_id for answer in heard] == ["o1"]


def test_the_same_news_twice_counts_as_often_as_the_venue_says(desks: Desks) -> None:
    heard: list[Answer] = []
    desks.open(ALICE, FIRST, heard.append)
    for number in [*range(9), *range(9)]:
        desks.news(ALICE, "acme", fill(number, client_id="o1"))
    assert heard == []


def test_news_that_comes_before_the_reply_waits_for_the_venues_id(desks: Desks) -> None:
    heard: list[Answer] = []
    desks.open(ALICE, FIRST, heard.append)
    for number in range(10):
        desks.news(ALICE, "acme", fill(number, venue_order_id="v1"))
    assert heard == []
    desks.learnt(ALICE, FIRST, accepted(FIRST, "v1"))
    assert len(heard) == 1


def test_news_is_for_the_account_and_the_order_it_is_about(desks: Desks) -> None:
    first: list[Answer] = []
    second: list[Answer] = []
    others: list[Answer] = []
    desks.open(ALICE, FIRST, first.append)
    desks.open(ALICE, SECOND, second.append)
    desks.open(BOB, FIRST, others.append)
    desks.learnt(ALICE, FIRST, accepted(FIRST, "v1"))
    desks.learnt(ALICE, SECOND, accepted(SECOND, "v2"))
    for number in range(10):
        desks.news(ALICE, "acme", fill(number, venue_order_id="v2"))
    assert (len(first), len(second), len(others)) == (0, 1, 0)


def test_a_settled_order_is_forgotten(desks: Desks) -> None:
    heard: list[Answer] = []
    desks.open(ALICE, FIRST, heard.append)
    desks.learnt(ALICE, FIRST, accepted(FIRST, "v1"))
    desks.close(ALICE, FIRST, ROUTE, done(FIRST, 10))
    for number in range(10):
        desks.news(ALICE, "acme", fill(number, venue_order_id="v1", client_id="o1"))
    assert heard == []


def test_news_of_an_order_that_has_ended_casts_doubt_only_where_it_says_more(desks: Desks) -> None:
    doubted: list[str] = []
    desks.on_doubt = lambda _account, ended: doubted.append(ended.order.order_id)
    for of, shares in ((FIRST, 10), (SECOND, 3)):
        desks.open(ALICE, of, lambda _: None)
        desks.news(ALICE, "acme", fill(0, client_id=of.order_id))
        desks.close(ALICE, of, ROUTE, done(of, shares))
    for number in range(1, 10):
        desks.news(ALICE, "acme", fill(number, client_id="o1"))
        desks.news(ALICE, "acme", fill(number, client_id="o2"))
    assert doubted == ["o2"], "what was heard before the end counts with what was heard after it"


def test_an_order_that_was_undone_is_still_known_by_the_id_that_its_venue_gave_it(desks: Desks) -> None:
    doubted: list[str] = []
    desks.on_doubt = lambda _account, ended: doubted.append(ended.order.order_id)
    desks.open(ALICE, FIRST, lambda _: None)
    desks.learnt(ALICE, FIRST, accepted(FIRST, "v1"))
    desks.close(ALICE, FIRST, ROUTE, Rejected(FIRST.order_id, "settlement_failed", "", undone=True))
    found = desks.ended.find(ALICE, "acme", client_id="", venue_order_id="v1")
    assert found is not None
    assert found.order is FIRST
    for number in range(10):
        desks.news(ALICE, "acme", fill(number, venue_order_id="v1"))
    assert doubted == ["o1"], "it traded after all"


async def test_a_look_up_that_is_due_later_is_due_at_once_when_the_stream_is_back(desks: Desks) -> None:
    told: list[tuple[str, str]] = []
    desks.on_back = lambda account, venue: told.append((account, venue))
    waiting = [asyncio.create_task(desks.wait(who, "acme", 60_000)) for who in (ALICE, ALICE, BOB)]
    await asyncio.sleep(0)
    desks.back(ALICE, "acme")
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting[:2])
    assert not waiting[2].done(), "another account's stream"
    desks.back(BOB, "acme")
    async with asyncio.timeout(5):
        await waiting[2]
        await desks.wait(BOB, "acme", 1)
    assert told == [("alice", "acme"), ("bob", "acme")]


def test_who_takes_an_order_up_again_hears_of_it_instead_of_who_had_it(desks: Desks) -> None:
    before: list[Answer] = []
    after: list[Answer] = []
    desks.open(ALICE, FIRST, before.append)
    desks.news(ALICE, "acme", fill(0, client_id="o1"))
    desks.open(ALICE, FIRST, after.append)
    for number in range(1, 10):
        desks.news(ALICE, "acme", fill(number, client_id="o1"))
    assert (len(before), len(after)) == (0, 1), "and what was told before still counts"


def test_what_cannot_be_read_is_left_to_the_look_ups(desks: Desks) -> None:
    heard: list[Answer] = []
    desks.open(ALICE, FIRST, heard.append)
    desks.news(ALICE, "acme", fill("garbage", client_id="o1"))
    assert heard == []


def test_news_nobody_claims_is_bounded(desks: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNCLAIMED_MAX", 2)
    heard: list[Answer] = []
    desks.open(ALICE, FIRST, heard.append)
    for venue_order_id in ("v1", "v2", "v3"):
        for number in range(10):
            desks.news(ALICE, "acme", fill(number, venue_order_id=venue_order_id))
    desks.learnt(ALICE, FIRST, accepted(FIRST, "v1"))
    assert heard == [], "the oldest made room"
    desks.open(ALICE, SECOND, heard.append)
    desks.learnt(ALICE, SECOND, accepted(SECOND, "v3"))
    assert len(heard) == 1


def test_whoever_streams_is_told_which_books_orders_go_to(desks: Desks) -> None:
    asked: list[tuple[AccountId, str, Native]] = []
    desks.on_open = lambda *about: asked.append(about)
    desks.open(ALICE, FIRST, lambda _: None)
    desks.open(ALICE, FIRST, lambda _: None)
    assert asked == [(ALICE, "acme", FIRST.listing.native)]
