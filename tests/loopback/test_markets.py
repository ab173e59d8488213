"""Several listings of a claim on one venue, several accounts, keys and sets of venues: over real sockets."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from router.core.allocate import LISTINGS_MAX
from tests.loopback.scene import Json, Scene, scene
from venues import discover
from venues.base.listing import ListingKey, Native
from venues.base.orders import SHARES

pytestmark = pytest.mark.slow
VENUES = sorted(discover())


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Scene]:
    """Running venues; key "k" owns account "a"."""
    async with scene(tmp_path) as made:
        made.keys["k"] = ["a"]
        yield made


async def twins(stage: Scene, venue: str) -> str:
    """A claim that is the first outcome of one market of the venue and the second of another."""
    [one, *_], [other, *_] = await stage.market(venue), await stage.market(venue)
    # The second market's bids at 0.59 and 0.56 offer the claim at 0.41 and 0.44, its asks bid 0.36.
    await stage.book(venue, one, [("0.38", "100")], [("0.4", "20"), ("0.43", "20")])
    await stage.book(venue, other, [("0.59", "20"), ("0.56", "20")], [("0.64", "100")])
    outcome = stage.outcome("twins", (venue, one, False), (venue, other, True))
    await stage.account("a", **{venue: {"balance": "100"}})
    await stage.route()
    return outcome


def total(rows: list[Json], field: str) -> Decimal:
    return sum((Decimal(row[field]) for row in rows), Decimal(0))


def received(bought: Json) -> Decimal:
    """Shares that arrived: some venues keep their fee out of them."""
    kept = [fill["fee"] for fill in bought["fills"] if fill["fee"]["unit"] == SHARES]
    return Decimal(bought["summary"]["totalSize"]) - total(kept, "amount")


@pytest.mark.parametrize("venue", VENUES)
async def test_two_listings_of_a_venue_make_one_book_and_the_venue_counts_once(
    stage: Scene, venue: str
) -> None:
    outcome = await twins(stage, venue)
    status, bought = await stage.order(outcome, side="buy", amount="30")
    assert status == 201, bought
    assert {fill["venue"] for fill in bought["fills"]} == {venue}
    assert len({fill["orderId"] for fill in bought["fills"]}) == len(bought["fills"]) >= 2
    [entry] = bought["_routing"]["considered"]
    assert (entry["venue"], entry["topLevelPrice"], entry["droppedReason"]) == (venue, "0.400000", None)
    assert (bought["summary"]["venuesUsed"], bought["summary"]["venuesFailed"]) == (1, 0)
    ledger = await stage.ledger(venue)
    assert total(ledger["fills"], "size") == Decimal(bought["summary"]["totalSize"])
    # 20 at 0.40, 20 at 0.41, 20 at 0.43 are 24.80; the last few go at 0.44.
    assert {Decimal(fill["price"]) for fill in ledger["fills"]} >= {Decimal("0.4"), Decimal("0.41")}
    assert Decimal(bought["summary"]["totalSize"]) > 60


@pytest.mark.parametrize("venue", VENUES)
async def test_a_sale_uses_the_positions_of_both_listings_and_no_more(stage: Scene, venue: str) -> None:
    outcome = await twins(stage, venue)
    _, bought = await stage.order(outcome, side="buy", amount="30")
    have = received(bought)
    status, sold = await stage.order(outcome, side="sell", size="1000")
    assert status == 201, sold
    assert len(sold["fills"]) == 2
    assert have - Decimal("0.05") < Decimal(sold["summary"]["totalSize"]) <= have
    [entry] = sold["_routing"]["considered"]
    assert (entry["venue"], entry["topLevelPrice"]) == (venue, "0.380000")
    ledger = await stage.ledger(venue)
    [account] = ledger["accounts"]
    assert all(Decimal(size) < Decimal("0.03") for size in account["positions"].values())


@pytest.mark.parametrize("venue", VENUES)
async def test_a_book_listed_a_second_time_through_its_mirror_offers_its_levels_once(
    stage: Scene, venue: str
) -> None:
    natives = await stage.market(venue)
    if len(natives) == 1:
        return  # the registry itself refuses one book in both orientations
    await stage.book(venue, natives[0], [("0.38", "10")], [("0.4", "20")])
    outcome = stage.outcome("mirror", (venue, natives[0], False), (venue, natives[1], True))
    await stage.account("a", **{venue: {"balance": "100"}})
    await stage.route()
    status, bought = await stage.order(outcome, side="buy", amount="30")
    assert status == 201, bought
    assert [(fill["status"], fill["size"]) for fill in bought["fills"]] == [("filled", "20.000000")]
    status, sold = await stage.order(outcome, side="sell", size="10")
    assert [(fill["status"], fill["size"]) for fill in sold["fills"]] == [("filled", "10.000000")]


async def everywhere(stage: Scene) -> str:
    """One market on every venue, each a cent dearer than the one before."""
    listings = []
    for rank, venue in enumerate(VENUES):
        [native, *_] = await stage.market(venue)
        await stage.book(venue, native, [("0.3", "50")], [(f"0.4{rank}", "50")])
        listings.append((venue, native, False))
    return stage.outcome("everywhere", *listings)


async def test_each_account_uses_its_own_venues_and_each_key_its_own_accounts(stage: Scene) -> None:
    outcome = await everywhere(stage)
    first, second = VENUES[:2]
    only = stage.outcome("only", (second, (await stage.market(second))[0], False))
    await stage.account("a", **{venue: {"balance": "100"} for venue in VENUES})
    await stage.account("b", **{first: {"balance": "7"}})
    await stage.account("c", **{second: {"balance": "100"}})
    stage.keys |= {"k": ["a", "b"], "other": ["c"]}
    await stage.route()
    status, body = await stage.order(outcome, account="b", side="buy", amount="5")
    assert (status, [entry["venue"] for entry in body["_routing"]["considered"]]) == (201, [first])
    status, body = await stage.order(outcome, side="buy", amount="30")
    assert (status, {fill["venue"] for fill in body["fills"]}) == (201, {first, second})
    status, body = await stage.order(outcome, account="b", side="buy", amount="7.000001")
    assert (status, body["errorCode"]) == (400, "insufficient_balance"), "of its own venues and money"
    status, body = await stage.order(only, account="b", side="buy", amount="1")
    assert (status, body["errorCode"]) == (404, "predexon_not_routable")
    status, body = await stage.order(outcome, account="c", side="buy", amount="5")
    assert (status, body["errorCode"]) == (403, "account_not_owned")
    status, body = await stage.order(outcome, account="c", key="other", side="buy", amount="5")
    assert (status, [fill["venue"] for fill in body["fills"]]) == (201, [second])
    status, body = await stage.order(outcome, account="d", side="buy", amount="5")
    assert (status, body["errorCode"]) == (404, "account_not_found")
    status, body = await stage.order(outcome, key="nobody's", side="buy", amount="5")
    assert (status, body["errorCode"]) == (401, "invalid_api_key")


async def test_a_venue_that_is_switched_off_is_neither_waited_for_nor_used(stage: Scene) -> None:
    outcome = await everywhere(stage)
    off, on = VENUES[:2]
    lone = stage.outcome("lone", (off, (await stage.market(off))[0], False))
    await stage.account("a", **{venue: {"balance": "100"} for venue in VENUES})
    await stage.route(**{off: {"enabled": False}})
    status, body = await stage.order(outcome, side="buy", amount="5")
    assert status == 201
    assert off not in {entry["venue"] for entry in body["_routing"]["considered"]}
    assert on in {fill["venue"] for fill in body["fills"]}
    status, body = await stage.order(lone, side="buy", amount="5")
    assert (status, body["errorCode"]) in {(502, "no_allocations"), (404, "predexon_not_routable")}


@pytest.mark.parametrize("venue", VENUES)
async def test_a_market_that_stops_trading_leaves_routing_when_the_venue_says_so(
    stage: Scene, venue: str
) -> None:
    outcome = await everywhere(stage)
    await stage.account("a", **{each: {"balance": "100"} for each in VENUES})
    await stage.route()
    exchange = stage.servers[venue].simulator.exchange
    [market] = exchange.markets.values()
    exchange.halt(market, "resolved:0", stage.servers[venue].clock.now())
    assert stage.instance is not None
    book = stage.instance.market.books[venue, Native(market.natives[0])]
    clock = stage.instance.market.clock
    catalog = stage.instance.market.catalog
    await catalog.refresh()
    terms = catalog.terms(ListingKey(venue, Native(market.natives[0]), inverted=False))
    assert terms is not None
    if terms.listing.tradable:
        await stage.until(lambda: book.why_unusable(clock.monotonic_ms(), 5_000) is not None)
    status, body = await stage.order(outcome, side="buy", amount="5")
    assert status == 201, body
    assert venue not in {entry["venue"] for entry in body["_routing"]["considered"]}
    assert (await stage.ledger(venue))["fills"] == []


async def test_amounts_at_both_ends_of_the_scale_are_answered_and_never_overspend(stage: Scene) -> None:
    outcome = await everywhere(stage)
    await stage.account("a", **{venue: {"balance": "2000000000000"} for venue in VENUES})
    await stage.route()
    status, body = await stage.order(outcome, side="buy", amount="0.000001")
    assert (status, body["errorCode"]) == (502, "no_allocations")
    assert "min order size" in body["error"]
    status, body = await stage.order(outcome, side="buy", amount="1000000000000")
    assert (status, body["requestedAmount"]) == (201, "1000000000000")
    assert Decimal(body["summary"]["totalSize"]) == 50 * len(VENUES), "all there was"
    have = received(body)
    status, body = await stage.order(outcome, side="sell", size="0.000001")
    assert (status, body["errorCode"]) == (502, "no_allocations")
    status, body = await stage.order(outcome, side="sell", size="1000000000000")
    assert status == 201
    assert have - Decimal("0.01") < Decimal(body["summary"]["totalSize"]) <= have
    status, body = await stage.order(outcome, side="sell", size="1")
    assert (status, body["errorCode"]) == (502, "no_allocations")


async def test_of_many_listings_the_eight_best_are_used_and_every_number_holds(stage: Scene) -> None:
    listings: list[tuple[str, Native, bool]] = []
    for rank in range(5):
        for offset, venue in enumerate(VENUES):
            [native, *_] = await stage.market(venue)
            price = 40 + 2 * rank + offset
            await stage.book(
                venue, native, [("0.2", "10")], [(f"0.{price}", "10"), (f"0.{price + 15}", "10")]
            )
            listings.append((venue, native, False))
    outcome = stage.outcome("many", *listings)
    await stage.account("a", **{venue: {"balance": "500"} for venue in VENUES})
    await stage.route()
    status, body = await stage.order(outcome, side="buy", amount="100")
    assert status == 201, body
    assert len(body["fills"]) >= LISTINGS_MAX
    assert [entry["venue"] for entry in body["_routing"]["considered"]] == VENUES
    assert body["summary"]["venuesUsed"] == len(VENUES)
    ledgers = [await stage.ledger(venue) for venue in VENUES]
    fills = [fill for ledger in ledgers for fill in ledger["fills"]]
    assert total(fills, "size") == Decimal(body["summary"]["totalSize"])
    spent = sum(Decimal(fill["size"]) * Decimal(fill["price"]) for fill in fills) + total(fills, "fee")
    assert 95 < spent <= 100
    assert len({fill["listing"] for fill in fills}) >= LISTINGS_MAX
