"""What each reply proves about an order. Filled is what has settled; only a refusal on the list refuses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.predict import world
from venues.base.http import Reply, Request, Response
from venues.base.orders import (
    SHARES,
    Answer,
    Fee,
    Filled,
    News,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Price, Size
from venues.predict.orders import FORGOTTEN_MS, LAG_MS, YOUNG_MS, PredictOrders, draft_of
from venues.predict.refusals import KNOWN_ALREADY, SLUGS
from venues.predict.signer import PredictSigner

ORDERS, SIGNER, ORDER = PredictOrders(), world.signer(), world.order()
HASH = SIGNER.order_hash(draft_of(ORDER))
RESTING = world.order(time_in_force=TimeInForce.GTC)
RESTING_HASH = SIGNER.order_hash(draft_of(RESTING))
SIZE = 58_130_000
NONE: list[Any] = []
UNKNOWN = Unknown(world.ORDER_ID, "timeout")


def accepted(order_hash: str = HASH, locked: str | None = "2026-09-21T14:13:21.180Z") -> Response:
    data = {"code": "OK", "orderId": "415601", "orderHash": order_hash, "removalLockedUntil": locked}
    return world.said(data, 201)


def place(reply: Reply, order: Order = ORDER) -> Answer:
    def venue(request: Request) -> Reply:
        assert (request.method, request.path, request.private) == ("POST", "/v1/orders", True)
        return reply

    return world.hold(ORDERS.place(order, SIGNER), venue)


def look_up(
    state: Reply,
    matches: list[Any] = NONE,
    *,
    age_ms: int = 1_000,
    order: Order = ORDER,
    last: Answer = UNKNOWN,
) -> Answer:
    def venue(request: Request) -> Reply:
        if request.path == "/v1/orders/matches":
            query = dict(request.query)
            assert (query["marketId"], query["signerAddress"]) == (world.MARKET, SIGNER.address)
            return world.said(matches, cursor=None)
        assert request.path == f"/v1/orders/{SIGNER.order_hash(draft_of(order))}"
        return state

    return world.hold(ORDERS.look_up(order, SIGNER, last, order.created_ms + age_ms), venue)


def whole(order_hash: str = HASH) -> list[Any]:
    return [world.match(world.party(order_hash))]


def part(size: int, settlement: str = "s1", order_hash: str = HASH) -> dict[str, Any]:
    fee = {"amount": world.wei(size // 50), "type": "SHARES"}
    taker = world.party(order_hash, amount=world.wei(size), fee=fee)
    return world.match(taker, settlementId=settlement)


# --- what is sent ---


def test_a_marketable_order_is_a_market_order_whose_worst_price_is_the_limit() -> None:
    seen: list[Request] = []

    def venue(request: Request) -> Reply:
        seen.append(request)
        return accepted()

    world.hold(ORDERS.place(ORDER, SIGNER), venue)
    [request] = seen
    data = json.loads(request.body)["data"]
    assert (data["strategy"], data["slippageBps"], data["isFillOrKill"]) == ("MARKET", "0", False)
    assert int(data["order"]["makerAmount"]) == 58_130_000 * 430_000 * 10**6
    assert int(data["order"]["takerAmount"]) == 58_130_000 * 10**12
    assert int(data["order"]["expiration"]) == world.NOW_MS // 1000 + 300
    assert int(data["pricePerShare"]) == 430_000 * 10**12
    assert (data["order"]["feeRateBps"], data["order"]["side"]) == ("200", 0)


@given(
    side=st.sampled_from(Side),
    limit=st.integers(1, 999),
    size=st.integers(1, 10**13),
    inverted=st.booleans(),
)
def test_no_order_gives_more_than_was_held_nor_takes_a_worse_price(
    side: Side, limit: int, size: int, inverted: bool
) -> None:
    """`cash + reserve` of a buy holds its cost at the limit (router/core/bound.py), a sale its shares."""
    order = world.order(
        side=side,
        limit=Price(limit * 1_000),
        size=Size(size),
        listing=world.listing(inverted=inverted, tick=1_000),
    )
    draft = draft_of(order)
    if side is Side.BUY:
        assert draft.maker_amount <= limit * 1_000 * size * 10**6
        assert draft.maker_amount * 1_000 <= draft.taker_amount * limit
    else:
        assert draft.maker_amount <= size * 10**12
        assert draft.taker_amount * 1_000 >= draft.maker_amount * limit
    assert draft.token_id == int(world.NO if inverted else world.YES)


@pytest.mark.parametrize(
    ("wish", "expiration", "extra"),
    [
        ({"time_in_force": TimeInForce.GTC}, 4_102_444_800, {}),
        ({"time_in_force": TimeInForce.GTC, "post_only": True}, 4_102_444_800, {"isPostOnly": True}),
        ({"time_in_force": TimeInForce.GTD, "expires_s": 1_800_000_000}, 1_800_000_000, {}),
    ],
)
def test_a_resting_order_is_a_limit_order(
    wish: dict[str, Any], expiration: int, extra: dict[str, Any]
) -> None:
    seen: list[Request] = []

    def venue(request: Request) -> Reply:
        seen.append(request)
        return accepted()

    world.hold(ORDERS.place(world.order(**wish), SIGNER), venue)
    data = json.loads(seen[0].body)["data"]
    assert data.pop("order")["expiration"] == str(expiration)
    assert data == {"strategy": "LIMIT", "pricePerShare": str(43 * 10**16)} | extra


def test_all_or_nothing_of_a_size_that_would_be_cut_is_not_sent() -> None:
    order = world.order(time_in_force=TimeInForce.FOK, size=Size(12_345_670_000))

    def venue(request: Request) -> Reply:
        raise AssertionError(request.path)

    assert isinstance(world.hold(ORDERS.place(order, SIGNER), venue), Rejected)
    assert isinstance(place(accepted(), world.order(time_in_force=TimeInForce.FOK)), Unknown | Pending)


# --- what the reply proves ---


def test_an_accepted_order_is_pending_and_says_nothing_of_fills() -> None:
    assert place(accepted()) == Pending(world.ORDER_ID, HASH, Size(0), Cash(0), "accepted")


def test_a_resting_order_that_takes_nothing_works_and_one_that_takes_is_pending() -> None:
    assert isinstance(place(accepted(RESTING_HASH, None), RESTING), Working)
    assert isinstance(place(accepted(RESTING_HASH), RESTING), Pending)


@pytest.mark.parametrize(
    "slug", [(status, slug) for status, slugs in SLUGS.items() for slug in sorted(slugs)]
)
def test_every_refusal_on_the_list_refuses(slug: tuple[int, str]) -> None:
    status, word = slug
    if status != 401:
        assert place(world.refusal(word, status)) == Rejected(world.ORDER_ID, word, "in its own words")


@pytest.mark.parametrize(
    "word",
    [
        "bad_request",
        "create_order_hash_mismatch",
        "create_order_insufficient_collateral_allowance",
        "create_order_insufficient_collateral_balance",
        "create_order_insufficient_shares_allowance",
        "create_order_insufficient_shares_balance",
        "create_order_min_order_value_not_met",
        "create_order_price_out_of_range",
        "create_order_market_not_trading",
        "create_order_fee_rate_too_low",
        "create_order_fill_or_kill_not_supported",
        "create_order_invalid_decimal_value",
        "create_order_price_field_zero",
    ],
)
def test_the_venues_words_for_a_refusal_are_on_the_list(word: str) -> None:
    """Written down from its documents and from what its users met, not from our list."""
    assert isinstance(place(world.refusal(word)), Rejected)


@pytest.mark.parametrize(
    "reply",
    [
        world.silent(sent=True),
        Response(500, b""),
        Response(201, b""),
        Response(201, b"{}"),
        Response(200, b"<html>"),
        Response(400, b"<html>"),
        accepted("0x" + "00" * 32),
        world.said({"code": "LATER", "orderHash": HASH}, 201),
        Response(201, b'{"success":false,"data":{"code":"OK","orderHash":"' + HASH.encode() + b'"}}'),
        world.refusal("something_new"),
        world.refusal("too_many_requests", 429),
        world.refusal("not_found", 400),
        *(world.refusal("bad_request", status) for status in (402, 408, 409, 422, 429, 500, 502, 503, 504)),
    ],
)
def test_everything_else_is_unknown(reply: Reply) -> None:
    assert isinstance(place(reply), Unknown)


def test_a_duplicate_is_the_first_one_and_is_looked_up() -> None:
    answer = place(world.refusal(KNOWN_ALREADY))
    assert isinstance(answer, Pending)
    assert answer.venue_order_id == HASH


def test_an_order_that_never_left_is_rejected() -> None:
    assert place(world.silent(sent=False)) == Rejected(world.ORDER_ID, "not_sent", "deadline")


# --- the session token ---


class Door:
    """A venue that knows one token and hands out the next."""

    def __init__(self, taken: str = "", *, broken: bool = False) -> None:
        self.taken, self.broken = taken, broken
        self.calls: list[str] = []

    def __call__(self, request: Request) -> Reply:
        self.calls.append(f"{request.method} {request.path}")
        if request.path == "/v1/auth/message":
            return Response(503, b"") if self.broken else world.said({"message": "Sign in"})
        if request.path == "/v1/auth":
            self.taken = "fresh.token"
            return world.said({"token": self.taken})
        if request.headers.get("Authorization") != f"Bearer {self.taken}":
            return world.refusal("unauthorized", 401)
        return accepted()


LOGIN = ["GET /v1/auth/message", "POST /v1/auth"]


def placed_by(signer: PredictSigner, door: Door) -> Answer:
    return world.hold(ORDERS.place(ORDER, signer), door, by=signer)


def test_the_first_order_logs_in_and_the_next_does_not() -> None:
    signer, door = world.signer(logged_in=False), Door()
    assert isinstance(placed_by(signer, door), Pending)
    assert isinstance(placed_by(signer, door), Pending)
    assert door.calls == [*LOGIN, "POST /v1/orders", "POST /v1/orders"]


def test_a_token_that_is_not_taken_any_more_is_renewed_and_the_order_goes_out_once_more() -> None:
    signer, door = world.signer(), Door()
    assert isinstance(placed_by(signer, door), Pending)
    assert door.calls == ["POST /v1/orders", *LOGIN, "POST /v1/orders"]


def test_a_door_that_stays_shut_refuses_after_one_renewal() -> None:
    signer, calls = world.signer(), list[str]()

    def venue(request: Request) -> Reply:
        calls.append(request.path)
        replies = {
            "/v1/auth/message": world.said({"message": "Sign in"}),
            "/v1/auth": world.said({"token": "t"}),
        }
        return replies.get(request.path, world.refusal("unauthorized", 401))

    answer = world.hold(ORDERS.place(ORDER, signer), venue, by=signer)
    assert isinstance(answer, Rejected)
    assert answer.code == "unauthorized"
    assert calls.count("/v1/orders") == 2


def test_a_token_that_was_refused_is_not_shown_again_although_no_new_one_came() -> None:
    signer, door = world.signer(), Door(broken=True)
    for _ in range(2):
        assert isinstance(placed_by(signer, door), Rejected)
    assert door.calls == ["POST /v1/orders", "GET /v1/auth/message", "GET /v1/auth/message"]


def test_without_a_login_no_order_leaves() -> None:
    door = Door(broken=True)
    answer = placed_by(world.signer(logged_in=False), door)
    assert isinstance(answer, Rejected)
    assert answer.code == "not_sent"
    assert "POST /v1/orders" not in door.calls


# --- what a look-up proves ---


def test_settled_and_matched_alike_is_final_and_exact() -> None:
    answer = look_up(world.state(HASH, "FILLED", SIZE), whole())
    fee = Fee(1_162_600, SHARES)
    assert answer == Filled(world.ORDER_ID, HASH, Size(SIZE), Cash(24_995_900), fee)


def test_a_match_that_has_not_settled_is_pending_however_long() -> None:
    for age_ms in (1_000, FORGOTTEN_MS * 2):
        last: Answer = UNKNOWN
        for later in (0, LAG_MS + 1, FORGOTTEN_MS + 1):
            last = look_up(world.state(HASH, "FILLED", 0), whole(), age_ms=age_ms + later, last=last)
            assert isinstance(last, Pending)
            assert (last.size, last.cash) == (SIZE, 24_995_900)


def test_a_settled_amount_without_its_matches_is_pending_however_long() -> None:
    last: Answer = UNKNOWN
    for age_ms in (1_000, LAG_MS * 2, FORGOTTEN_MS * 2):
        last = look_up(world.state(HASH, "FILLED", SIZE), age_ms=age_ms, last=last)
        assert isinstance(last, Pending)


@pytest.mark.parametrize("status", ["FILLED", "CANCELLED", "EXPIRED", "INVALIDATED"])
def test_a_part_is_final_only_after_the_lag_has_passed_since_it_was_seen_closed(status: str) -> None:
    """A second settlement may show later."""
    state, matches = world.state(HASH, status, 10_000_000), [part(10_000_000)]
    first = look_up(state, matches, age_ms=60_000)
    assert isinstance(first, Pending)
    assert look_up(state, matches, age_ms=60_000 + LAG_MS - 1, last=first) == first
    done = look_up(state, matches, age_ms=60_000 + LAG_MS, last=first)
    assert isinstance(done, Filled)
    assert (done.size, done.cash, done.fee.amount) == (10_000_000, 4_300_000, 200_000)


def test_the_wait_begins_anew_when_more_shows() -> None:
    first = look_up(world.state(HASH, "FILLED", 10_000_000), [part(10_000_000)], age_ms=1_000)
    more = [part(5_000_000, "s2"), part(10_000_000)]
    second = look_up(world.state(HASH, "FILLED", 15_000_000), more, age_ms=LAG_MS + 1_000, last=first)
    assert isinstance(second, Pending)
    third = look_up(world.state(HASH, "FILLED", 15_000_000), more, age_ms=2 * LAG_MS + 1_000, last=second)
    assert isinstance(third, Filled)
    assert third.size == 15_000_000


def test_cancelled_while_the_matches_show_an_execution_is_not_nothing() -> None:
    last = look_up(world.state(HASH, "CANCELLED", 0), whole())
    assert isinstance(last, Pending)
    assert last.size == SIZE
    assert isinstance(look_up(world.state(HASH, "FILLED", SIZE), whole(), last=last), Filled)


@pytest.mark.parametrize("status", ["CANCELLED", "EXPIRED", "INVALIDATED"])
def test_a_market_order_that_found_nothing_is_rejected_after_the_lag(status: str) -> None:
    first = look_up(world.state(HASH, status))
    assert isinstance(first, Pending)
    soon = look_up(world.state(HASH, status), age_ms=YOUNG_MS - 1, last=first)
    assert soon == first, "seen closed a second after it was made, all that tells of its execution may lag"
    done = look_up(world.state(HASH, status), age_ms=YOUNG_MS, last=first)
    assert done == Rejected(world.ORDER_ID, status.lower(), "nothing was filled")


def test_what_was_said_to_be_matched_is_taken_back_only_when_it_cannot_happen_any_more() -> None:
    told = Pending(world.ORDER_ID, HASH, Size(SIZE), Cash(24_995_900), "settling")
    first = look_up(world.state(HASH, "CANCELLED"), last=told)
    assert isinstance(first, Pending)
    assert first.size == SIZE
    soon = look_up(world.state(HASH, "CANCELLED"), age_ms=FORGOTTEN_MS, last=first)
    assert soon == first
    done = look_up(world.state(HASH, "CANCELLED"), age_ms=FORGOTTEN_MS + 1_000, last=first)
    assert isinstance(done, Rejected)
    assert done.undone


def test_filled_with_nothing_to_show_is_never_believed() -> None:
    last: Answer = UNKNOWN
    for age_ms in (1_000, LAG_MS + 1_000, 2 * FORGOTTEN_MS):
        last = look_up(world.state(HASH, "FILLED"), age_ms=age_ms, last=last)
        assert isinstance(last, Pending)


def test_an_unknown_order_never_came_once_its_time_is_over() -> None:
    nowhere = world.refusal("not_found", 404)
    assert isinstance(look_up(nowhere, age_ms=FORGOTTEN_MS - 1), Unknown)
    assert look_up(nowhere, age_ms=FORGOTTEN_MS) == Rejected(
        world.ORDER_ID, "not_executed", "the venue does not know the order"
    )
    assert isinstance(look_up(nowhere, whole(), age_ms=FORGOTTEN_MS), Pending)
    told = Pending(world.ORDER_ID, HASH, Size(1), Cash(1), "settling")
    assert isinstance(look_up(nowhere, age_ms=FORGOTTEN_MS, last=told), Pending)
    here = Working(world.ORDER_ID, RESTING_HASH, Size(0), Cash(0), Fee(0, "USDT"))
    assert isinstance(look_up(nowhere, age_ms=FORGOTTEN_MS, order=RESTING, last=here), Pending)


@pytest.mark.parametrize(
    "reply",
    [
        world.silent(sent=True),
        world.silent(sent=False),
        Response(500, b""),
        Response(200, b""),
        world.refusal("too_many_requests", 429),
        world.state("0x" + "00" * 32, "FILLED", SIZE),
        world.state(HASH, "MELTED", SIZE),
        world.state(HASH, "FILLED", SIZE, amountFilled="1.5"),
        world.state(HASH, "FILLED", SIZE, amountFilled="-1"),
    ],
)
def test_a_look_up_that_cannot_be_read_proves_nothing(reply: Reply) -> None:
    assert isinstance(look_up(reply, whole()), Unknown)


def test_matches_that_cannot_be_read_prove_nothing() -> None:
    def venue(request: Request) -> Reply:
        return Response(502, b"") if "matches" in request.path else world.state(HASH, "CANCELLED", 0)

    assert isinstance(world.hold(ORDERS.look_up(ORDER, SIGNER, UNKNOWN, world.NOW_MS), venue), Unknown)


@pytest.mark.parametrize(
    "wish",
    [
        {"outcome": {"onChainId": world.NO}},
        {"quoteType": "Ask"},
        {"fee": {"amount": "1", "type": "POINTS"}},
        {"fee": {"amount": "x", "type": "SHARES"}},
    ],
)
def test_a_match_that_contradicts_the_order_proves_nothing(wish: dict[str, Any]) -> None:
    matches = [world.match(world.party(HASH, **wish))]
    assert isinstance(look_up(world.state(HASH, "FILLED", SIZE), matches), Unknown)


@pytest.mark.parametrize(("side", "beyond"), [(Side.BUY, 440_000), (Side.SELL, 420_000)])
def test_a_price_that_the_signature_forbids_is_not_believed(side: Side, beyond: int) -> None:
    """Such a one is stated for the other outcome, or for another order."""
    order = world.order(side=side)
    order_hash = SIGNER.order_hash(draft_of(order))
    fee = {"amount": "0", "type": "SHARES" if side is Side.BUY else "COLLATERAL"}
    taker = world.party(order_hash, quoteType="Bid" if side is Side.BUY else "Ask", fee=fee)
    for price, kind in ((beyond, Unknown), (430_000, Filled)):
        found = [world.match(taker, priceExecuted=world.wei(price))]
        assert isinstance(look_up(world.state(order_hash, "FILLED", SIZE), found, order=order), kind)
        told = world.event(order_hash, "orderTransactionSuccess", "s1", price=world.wei(price))
        assert isinstance(ORDERS.heard(order, PENDING, [told]), Filled) == (kind is Filled)


def test_more_than_was_asked_is_never_reported_as_filled() -> None:
    much = world.event(HASH, "orderTransactionSuccess", "s1", size=world.wei(SIZE + 2))
    assert ORDERS.heard(ORDER, PENDING, [much]) is None
    other = world.event(HASH, "orderTransactionSuccess", "s2")
    assert ORDERS.heard(ORDER, PENDING, [SUCCESS, other]) is None
    twice = [*whole(), part(SIZE, "s2")]
    assert isinstance(look_up(world.state(HASH, "FILLED", 2 * SIZE), twice), Unknown)


def test_other_peoples_matches_are_passed_over_and_repeats_count_once() -> None:
    strangers = [world.match(world.party("0x" + "11" * 32)), world.match(world.party("0x" + "22" * 32))]
    done = look_up(world.state(HASH, "FILLED", SIZE), [*strangers, *whole(), *whole()])
    assert isinstance(done, Filled)
    assert done.size == SIZE


def test_all_pages_of_matches_are_read_until_they_cover_what_settled() -> None:
    pages = {None: ([part(8_130_000)], "c1"), "c1": ([part(50_000_000, "s2")], "c2"), "c2": ([], None)}
    asked: list[str | None] = []

    def venue(request: Request) -> Reply:
        if "matches" not in request.path:
            return world.state(HASH, "FILLED", SIZE)
        after = dict(request.query).get("after")
        asked.append(after)
        rows, cursor = pages[after]
        return world.said(rows, cursor=cursor)

    done = world.hold(ORDERS.look_up(ORDER, SIGNER, UNKNOWN, world.NOW_MS), venue)
    assert isinstance(done, Filled)
    assert asked == [None, "c1"]


def test_a_sale_of_the_second_outcome_is_charged_in_money_and_rounded_against_us() -> None:
    order = world.order(side=Side.SELL, listing=world.listing(inverted=True), limit=Price(400_000))
    order_hash = SIGNER.order_hash(draft_of(order))
    taker = world.party(
        order_hash,
        outcome={"onChainId": world.NO},
        quoteType="Ask",
        fee={"amount": "1000000000001", "type": "COLLATERAL"},
    )
    sold = [world.match(taker, priceExecuted="415000000000000001")]
    done = look_up(world.state(order_hash, "FILLED", SIZE), sold, order=order)
    assert isinstance(done, Filled)
    assert (done.size, done.cash) == (SIZE, SIZE * 415_000 // 10**6)
    assert (done.fee.amount, done.fee.unit, done.fee.cash) == (2, "USDT", 2)


def test_amounts_finer_than_a_millionth_are_rounded_against_us() -> None:
    wei = 8_409_090_909_090_909_720
    taker = world.party(HASH, amount=str(wei), fee={"amount": "151363636363636374", "type": "SHARES"})
    match = world.match(taker, priceExecuted="111200000000000000")
    state = world.state(HASH, "FILLED", 0, amountFilled=str(wei))
    done = look_up(state, [match], age_ms=YOUNG_MS, last=look_up(state, [match], age_ms=0))
    assert isinstance(done, Filled)
    assert (done.size, done.fee.amount) == (8_409_090, 151_364)
    assert done.cash == 935_091, "8.409090909090909720 x 0.1112 is 0.93509090909..."


def test_a_resting_order_works_until_it_is_closed() -> None:
    maker = world.party(RESTING_HASH, amount=world.wei(10_000_000), fee={"amount": "0", "type": "SHARES"})
    made = [world.match(world.party("0x" + "11" * 32, quoteType="Ask"), makers=[maker])]
    working = look_up(world.state(RESTING_HASH, "OPEN", 10_000_000), made, order=RESTING)
    assert isinstance(working, Working)
    assert (working.size, working.cash, working.fee.amount) == (10_000_000, 4_300_000, 0)
    settling = look_up(world.state(RESTING_HASH, "OPEN", 0), made, order=RESTING)
    assert isinstance(settling, Pending)
    closed = world.state(RESTING_HASH, "CANCELLED", 10_000_000)
    first = look_up(closed, made, order=RESTING, last=working, age_ms=10**7)
    assert isinstance(first, Pending)
    done = look_up(closed, made, order=RESTING, last=first, age_ms=10**7 + LAG_MS)
    assert isinstance(done, Filled)
    assert done.size == 10_000_000


def test_an_immediate_order_that_is_open_is_still_matching() -> None:
    assert isinstance(look_up(world.state(HASH, "OPEN")), Pending)


# --- cancelling ---


def cancel(state: Response, last: Answer, removed: Reply) -> tuple[Answer, list[Request]]:
    seen: list[Request] = []
    signer = world.signer()

    def venue(request: Request) -> Reply:
        seen.append(request)
        if request.path == "/v1/orders/remove-by-hash":
            return removed
        return world.said([], cursor=None) if "matches" in request.path else state

    return world.hold(ORDERS.cancel(RESTING, signer, last), venue, by=signer), seen


def test_a_cancel_names_the_hash_and_the_look_up_decides() -> None:
    working = place(accepted(RESTING_HASH, None), RESTING)
    gone = Response(200, b'{"success":true,"removed":[],"noop":[],"rejected":[]}')
    answer, seen = cancel(world.state(RESTING_HASH, "CANCELLED"), working, gone)
    assert json.loads(seen[0].body) == {"data": {"hashes": [RESTING_HASH]}}
    assert isinstance(answer, Pending), "a fill of the last seconds may not show yet"
    state = world.state(RESTING_HASH, "CANCELLED")
    soon = look_up(state, order=RESTING, last=answer, age_ms=YOUNG_MS - 1)
    assert soon == answer
    done = look_up(state, order=RESTING, last=answer, age_ms=YOUNG_MS)
    assert isinstance(done, Filled)
    assert (done.size, done.cash) == (0, 0)


@pytest.mark.parametrize("reply", [world.silent(sent=True), Response(500, b""), world.refusal("x", 404)])
def test_a_cancel_that_fails_leaves_the_order_as_it_is(reply: Reply) -> None:
    working = place(accepted(RESTING_HASH, None), RESTING)
    answer, _ = cancel(world.state(RESTING_HASH, "OPEN"), working, reply)
    assert answer == working


def test_a_cancel_that_comes_too_early_does_not_cost_the_session() -> None:
    """The wallet's stream is named by the token: with it the events of this very order would be lost."""
    signer, calls = world.signer(), list[str]()
    session = signer.wallet_topic

    def venue(request: Request) -> Reply:
        calls.append(f"{request.method} {request.path}")
        if request.path == "/v1/orders/remove-by-hash":
            return world.refusal("unauthorized", 401)
        return world.said([], cursor=None) if "matches" in request.path else world.state(RESTING_HASH, "OPEN")

    answer = world.hold(ORDERS.cancel(RESTING, signer, UNKNOWN), venue, by=signer)
    assert isinstance(answer, Working)
    assert signer.wallet_topic == session
    assert calls.count("POST /v1/orders/remove-by-hash") == 1


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("logged_in", [True, False])
def test_a_cancel_with_a_token_that_is_not_taken_goes_out_with_the_next(
    logged_in: bool, readable: bool
) -> None:
    signer, gone = world.signer(logged_in=logged_in), list[str]()

    def venue(request: Request) -> Reply:
        if request.path == "/v1/auth/message":
            return world.said({"message": "Sign in"})
        if request.path == "/v1/auth":
            return world.said({"token": "fresh.token"})
        if request.headers.get("Authorization") != "Bearer fresh.token":
            return world.refusal("unauthorized", 401)
        if request.path == "/v1/orders/remove-by-hash":
            gone.append(request.path)
            return Response(200, b'{"success":true}')
        if not readable:
            return Response(502, b"")
        if "matches" in request.path:
            return world.said([], cursor=None)
        return world.state(RESTING_HASH, "CANCELLED" if gone else "OPEN")

    answer = world.hold(ORDERS.cancel(RESTING, signer, UNKNOWN), venue, by=signer)
    assert len(gone) == 1
    assert isinstance(answer, Pending if readable else Unknown)


# --- what the wallet's events prove ---

SUBMITTED = world.event(HASH, "orderTransactionSubmitted", "s1")
SUCCESS = world.event(HASH, "orderTransactionSuccess", "s1")
FAILED = world.event(HASH, "orderTransactionFailed", "s1")
ACCEPTED = world.event(HASH, "orderAccepted")
CANCELLED = world.event(HASH, "orderCancelled")
PENDING = Pending(world.ORDER_ID, HASH, Size(0), Cash(0), "accepted")


def test_an_order_settled_completely_is_filled_as_the_look_up_would_say() -> None:
    expected = look_up(world.state(HASH, "FILLED", SIZE), whole())
    for news in ([SUCCESS], [ACCEPTED, SUBMITTED, SUCCESS], [SUCCESS, SUCCESS, SUBMITTED, ACCEPTED]):
        assert ORDERS.heard(ORDER, PENDING, news) == expected
        assert ORDERS.heard(ORDER, None, news) == expected
    assert ORDERS.heard(ORDER, expected, [SUCCESS]) is None


def test_a_submitted_settlement_is_matched_and_not_final() -> None:
    answer = ORDERS.heard(ORDER, PENDING, [ACCEPTED, SUBMITTED])
    assert answer == Pending(world.ORDER_ID, HASH, Size(SIZE), Cash(24_995_900), "settling")
    assert ORDERS.heard(ORDER, answer, [ACCEPTED, SUBMITTED, SUBMITTED]) is None


@pytest.mark.parametrize(
    "news",
    [
        [],
        [ACCEPTED],
        [CANCELLED],
        [FAILED],
        [SUBMITTED, FAILED],
        [SUCCESS, FAILED],
        [world.event(HASH, "orderMarketMatchPlan")],
        [world.event(HASH, "orderTransactionSuccess")],
        [world.event(HASH, "orderTransactionSuccess", "s1", size="x")],
        [world.event(HASH, "orderTransactionSuccess", "s1", fee_type="POINTS")],
        [SUCCESS, world.event(HASH, "orderTransactionSuccess", "s1", size="1")],
        [ACCEPTED, world.event(HASH, "orderNotAccepted")],
    ],
)
def test_what_is_not_proof_says_nothing(news: list[News]) -> None:
    assert ORDERS.heard(ORDER, PENDING, news) is None


def test_a_part_that_settled_is_pending_because_more_may_follow() -> None:
    small = world.event(HASH, "orderTransactionSuccess", "s1", size=world.wei(10_000_000))
    answer = ORDERS.heard(ORDER, PENDING, [small, CANCELLED])
    assert isinstance(answer, Pending)
    assert (answer.size, answer.cash) == (10_000_000, 4_300_000)
    rest = world.event(HASH, "orderTransactionSuccess", "s2", size=world.wei(SIZE - 10_000_000))
    assert isinstance(ORDERS.heard(ORDER, answer, [small, rest]), Filled)


def test_a_resting_order_works_on_when_a_part_settled() -> None:
    small = world.event(RESTING_HASH, "orderTransactionSuccess", "s1", size=world.wei(10_000_000))
    answer = ORDERS.heard(RESTING, PENDING, [small])
    assert isinstance(answer, Working)
    assert answer.size == 10_000_000


def test_an_order_that_was_not_accepted_is_rejected_with_the_venues_reason() -> None:
    news = [world.event(HASH, "orderNotAccepted", reason="post-only order would match")]
    expected = Rejected(world.ORDER_ID, "not_accepted", "post-only order would match")
    assert ORDERS.heard(ORDER, PENDING, news) == expected
    told = Pending(world.ORDER_ID, HASH, Size(1), Cash(1), "settling")
    assert ORDERS.heard(ORDER, told, news) is None


EVENTS = (
    ACCEPTED,
    CANCELLED,
    SUBMITTED,
    SUCCESS,
    FAILED,
    world.event(HASH, "orderTransactionSubmitted", "s2"),
)


@given(news=st.lists(st.sampled_from(EVENTS), max_size=8))
def test_hearing_is_idempotent_and_never_says_less(news: list[News]) -> None:
    answer: Answer | None = PENDING
    size = 0
    for count in range(1, len(news) + 1):
        told = ORDERS.heard(ORDER, answer, news[:count])
        if told is not None:
            assert isinstance(told, Pending | Filled)
            assert told.size >= size
            answer, size = told, told.size
            assert ORDERS.heard(ORDER, answer, news[:count]) in (None, answer)
