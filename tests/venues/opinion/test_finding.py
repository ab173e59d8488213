"""An order whose id never arrived is found by its amounts, or its absence is not proven."""

from typing import Any

import pytest

from tests.venues.opinion import examples
from tests.venues.opinion.examples import NOW_MS, Venue, ok, refusal, row
from venues.base.http import Response, Unavailable
from venues.base.orders import Order, Side
from venues.opinion import wire
from venues.opinion.finding import EARLY_S, LATE_S, find
from venues.opinion.reads import PAGE_ROWS, PAGES_MAX

ORDER = examples.order()
OTHER = examples.order(salt=1)
LIST = "GET /openapi/order"


def page(*rows: dict[str, Any]) -> Response:
    return ok({"list": list(rows) or None, "total": len(rows)})


def found(*pages: Response, order: Order = ORDER) -> wire.Order | Unavailable | None:
    return Venue().on(LIST, list(pages)).run(find(order))


def test_open_orders_are_read_first_then_those_that_ended() -> None:
    venue = Venue().on(LIST, [page(), page(row(ORDER, status=3))])
    hit = venue.run(find(ORDER))
    assert isinstance(hit, wire.Order)
    assert (hit.order_id, hit.status) == ("o-1", 3)
    queries = [dict(request.query) for request in venue.asked]
    assert [query["status"] for query in queries] == ["1", "2,3,4,5"]
    assert {query["marketId"] for query in queries} == {"5120"}
    assert {query["chainId"] for query in queries} == {"56"}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("inverted", [False, True])
def test_an_order_is_found_whatever_its_side_and_outcome(side: Side, inverted: bool) -> None:
    order = examples.order(side=side, listing=examples.listing(inverted=inverted))
    assert isinstance(found(page(row(order)), order=order), wire.Order)


@pytest.mark.parametrize(
    "wish",
    [
        {"side": 2}, {"outcomeSide": 2}, {"tradingMethod": 1}, {"marketId": 7},
        {"createdAt": NOW_MS // 1000 - EARLY_S - 1}, {"createdAt": NOW_MS // 1000 + LATE_S},
    ],
)  # fmt: skip
def test_an_order_of_another_kind_or_time_is_not_ours(wish: dict[str, Any]) -> None:
    assert found(page(row(ORDER, **wish)), page()) is None


def test_an_order_with_other_amounts_is_not_ours_however_near() -> None:
    assert found(page(row(OTHER, orderId="o-9")), page()) is None
    shares = row(ORDER)["orderShares"]
    near = shares[:-8] + str((int(shares[-8]) + 1) % 10) + shares[-7:]
    assert found(page(row(ORDER, orderShares=near)), page()) is None


@pytest.mark.parametrize("name", ["orderShares", "orderAmount"])
def test_rounded_or_unreadable_amounts_prove_nothing(name: str) -> None:
    """The venue may show fewer digits than were signed; then "not there" cannot be said."""
    rounded = {key: row(ORDER)[key][:-12] for key in ("orderShares", "orderAmount")}
    assert isinstance(found(page(row(ORDER, **rounded)), page()), Unavailable)
    assert isinstance(found(page(row(ORDER, **rounded | {name: "?"})), page()), Unavailable)
    far = rounded | {name: "1" + rounded[name]}
    assert found(page(row(ORDER, **far)), page()) is None


@pytest.mark.parametrize("digits", range(6, 18))
def test_amounts_cut_anywhere_prove_nothing(digits: int) -> None:
    """By the card sizes have up to 18 digits; how many the list shows is not said."""
    cut = {key: row(ORDER)[key][: digits - 18] for key in ("orderShares", "orderAmount")}
    assert isinstance(found(page(row(ORDER, **cut)), page()), Unavailable)
    other = {key: row(OTHER)[key][: digits - 18] for key in cut}
    if digits > 9:
        assert found(page(row(OTHER, **other)), page()) is None, "another order's digits, cut"


def test_amounts_that_went_through_binary_fractions_prove_nothing() -> None:
    noisy = {key: f"{float(row(ORDER)[key]):.18f}" for key in ("orderShares", "orderAmount")}
    assert noisy["orderShares"] != row(ORDER)["orderShares"]
    assert isinstance(found(page(row(ORDER, **noisy)), page()), Unavailable)


@pytest.mark.parametrize("name", ["orderShares", "orderAmount"])
@pytest.mark.parametrize("unsaid", ["0", "", "0.000000000000000000"])
def test_one_amount_alone_names_an_order_where_the_other_is_not_stated(name: str, unsaid: str) -> None:
    """The stream writes 0 for the amount that an order does not name; so may the list."""
    assert isinstance(found(page(row(ORDER, **{name: unsaid}))), wire.Order)
    assert found(page(row(OTHER, **{name: unsaid})), page()) is None
    none = dict.fromkeys(("orderShares", "orderAmount"), unsaid)
    assert isinstance(found(page(row(OTHER, **none)), page()), Unavailable)


@pytest.mark.parametrize("field", ["side", "outcomeSide", "tradingMethod", "marketId", "createdAt"])
def test_a_field_that_is_not_stated_proves_no_absence(field: str) -> None:
    assert found(page(row(ORDER, **{field: 0})), page()) is not None


def test_a_list_without_times_is_read_to_its_end() -> None:
    timeless = page(*[old(number) | {"createdAt": 0} for number in range(PAGE_ROWS)])
    assert isinstance(found(timeless, page(row(ORDER))), wire.Order)


def test_two_orders_like_ours_are_none() -> None:
    assert isinstance(found(page(row(ORDER), row(ORDER, orderId="o-2"))), Unavailable)


def old(number: int) -> dict[str, Any]:
    return row(OTHER, orderId=f"old-{number}", createdAt=NOW_MS // 1000 - 1_000 - number)


def test_a_list_from_new_to_old_is_read_until_it_passes_our_time_and_another_to_its_end() -> None:
    first = [old(number) for number in range(PAGE_ROWS)]
    assert found(page(*first), page()) is None
    backwards = page(*reversed(first))
    hit = found(backwards, page(row(ORDER)))
    assert isinstance(hit, wire.Order), "the second page of the open ones was read"


def test_a_list_that_never_ends_proves_nothing() -> None:
    backwards = page(*reversed([old(number) for number in range(PAGE_ROWS)]))
    venue = Venue().on(LIST, lambda _: backwards)
    assert isinstance(venue.run(find(ORDER)), Unavailable)
    assert len(venue.asked) == PAGES_MAX
    pages = [dict(request.query)["page"] for request in venue.asked]
    assert pages == [str(number) for number in range(1, PAGES_MAX + 1)]


def test_a_repeated_row_is_one_order() -> None:
    assert isinstance(found(page(row(ORDER), row(ORDER))), wire.Order)


def test_what_cannot_be_read_proves_nothing() -> None:
    assert isinstance(found(refusal(11_002)), Unavailable)
    assert isinstance(found(page(), Response(429, b"")), Unavailable)
