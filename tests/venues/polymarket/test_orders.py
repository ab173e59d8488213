"""What each reply proves about an order: only mined trades make it final, only a refusal refuses it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket import world
from venues.base.http import Reply, Request, Response, Silence, Talk, Unavailable
from venues.base.orders import (
    Answer,
    Fee,
    Filled,
    Order,
    Pending,
    Rejected,
    Side,
    TimeInForce,
    Unknown,
    Working,
)
from venues.base.units import Cash, Price, Size
from venues.polymarket.answers import CANCELLED, FORGOTTEN_MS
from venues.polymarket.orders import PolymarketOrders, draft_of

SIGNER = world.signer()
ORDERS = PolymarketOrders()
ORDER = world.order()
HASH = "0x76a75143c80ac05c1f30c9372332604333345454be99c2806bf1c399235c233f"
"""Of `world.order()`, which is the vector A01."""
CARD_9 = [
    (400, "not enough balance / allowance", "not_enough_balance"),
    (400, "order 0x1 is invalid. Price (0.5) breaks minimum tick size rule: 0.1", "bad_tick"),
    (400, "order 0x1 is invalid. Size (1) lower than the minimum: 5", "below_minimum"),
    (400, "invalid amount for a marketable BUY order ($0.5), min size: $1", "below_minimum"),
    (400, "invalid expiration", "bad_expiration"),
    (400, "Invalid order payload", "invalid_payload"),
    (400, "order couldn't be fully filled. FOK orders are fully filled or killed.", "fok_killed"),
    (400, "no orders found to match with FAK order. FAK orders are partially filled or killed", "no_match"),
    (400, "invalid post-only order: order crosses book", "post_only_crosses"),
    (400, "the market is not yet ready to process new orders", "market_not_ready"),
    (400, "the order owner has to be the owner of the API KEY", "wrong_api_key"),
    (400, "the order signer address has to be the address of the API KEY", "wrong_api_key"),
    (400, "address banned", "banned"),
    (400, "closed only mode", "closed_only"),
    (400, "Too many orders in payload: 16, max allowed: 15", "too_many_orders"),
    (401, "Unauthorized/Invalid api key", "unauthorized"),
    (401, "Invalid L1 Request headers", "unauthorized"),
    (404, "No orderbook exists for the requested token id", "no_orderbook"),
    (503, "Trading is currently disabled", "trading_disabled"),
    (503, "Trading is currently cancel-only", "trading_disabled"),
]
"""Section 9 of the card: status, words, and the code of the rejection."""
AMBIGUOUS = [408, 425, 429, 500, 502, 503, 504]
EMPTY_PAGE = Response(200, b'{"data":[],"next_cursor":"LTE="}')


def run(talk: Talk[Any], answer: Callable[[Request], Reply]) -> Any:
    """The end of a conversation in which `answer` plays the venue."""
    try:
        request = next(talk)
        while True:
            request = talk.send(answer(request))
    except StopIteration as stop:
        return stop.value


def said(body: object, status: int = 200) -> Response:
    return Response(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def maker(size: str, price: str, token: str = world.TOKEN) -> dict[str, str]:
    return {"order_id": "0x11", "matched_amount": size, "price": price, "asset_id": token}


def trade(*makers: dict[str, str], size: str = "19.2307", **wish: Any) -> dict[str, Any]:
    usual = {
        "id": "t1", "taker_order_id": HASH, "asset_id": world.TOKEN, "size": size, "price": "0.52",
        "status": "MINED", "maker_orders": list(makers),
    }  # fmt: skip
    return usual | wish


def page(*trades: dict[str, Any], cursor: str = "LTE=") -> Response:
    return said({"data": list(trades), "next_cursor": cursor})


WHOLE = page(trade(maker("19.2307", "0.52")))
MATCH = said(world.reply(orderID=HASH))


def place(reply: Reply, order: Order = ORDER) -> Answer:
    def venue(request: Request) -> Reply:
        assert (request.method, request.path, request.private) == ("POST", "/order", True)
        return reply

    done: Answer = run(ORDERS.place(order, SIGNER), venue)
    assert done.order_id == order.order_id
    return done


def look_up(
    kept: Reply, trades: Reply, *, age_ms: int = 1_000, order: Order = ORDER, last: Answer | None = None
) -> Answer:
    def venue(request: Request) -> Reply:
        assert request.private
        return trades if request.path == "/data/trades" else kept

    before = last or Unknown(order.order_id, "timeout")
    done: Answer = run(ORDERS.look_up(order, SIGNER, before, order.created_ms + age_ms), venue)
    return done


def kept(status: str, matched: str = "0", order_hash: str = HASH) -> Response:
    return said({"id": order_hash, "status": status, "size_matched": matched})


# --- placing ---


def matched(*makers: dict[str, str], **wish: Any) -> Answer:
    """The look-up of a full match that is shown as one trade."""
    return look_up(kept("MATCHED", "19.2307"), page(trade(*makers, **wish)), last=place(MATCH))


def test_a_match_is_pending_with_what_the_reply_says() -> None:
    done = place(MATCH)
    assert isinstance(done, Pending)
    assert (done.venue_order_id, done.size, done.cash) == (HASH, 19_230_700, 10_000_000)


def test_a_match_with_its_mined_trades_is_final_and_exact() -> None:
    done = matched(maker("19.2307", "0.52"))
    assert isinstance(done, Filled)
    assert (done.venue_order_id, done.size, done.cash) == (HASH, 19_230_700, 9_999_964)
    assert (done.fee.amount, done.fee.unit) == (239_990, "pUSD")


@pytest.mark.parametrize("prefix", ["", "TRADE_STATUS_"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("MATCHED", Pending), ("MATCHED_NOT_BROADCASTED", Pending), ("RETRYING", Pending), ("NEW", Pending),
        ("MINED", Filled), ("CONFIRMED", Filled), ("FAILED", Rejected),
    ],
)  # fmt: skip
def test_a_match_is_a_fill_only_when_it_is_mined(status: str, kind: type[Answer], prefix: str) -> None:
    for kept_reply in (kept("MATCHED", "19.2307"), said(b"null")):
        trades = page(trade(maker("19.2307", "0.52"), status=prefix + status))
        done = look_up(kept_reply, trades, last=place(MATCH))
        assert isinstance(done, kind)
        if isinstance(done, Pending):
            assert done.size == 19_230_700
            assert isinstance(look_up(kept_reply, trades, last=done, age_ms=10**9), Pending), "for ever"


def test_the_fee_is_cut_fill_by_fill_at_each_makers_own_price() -> None:
    """0.3 shares at 0.5 (0.00375) and 18.9307 of the sibling's maker at 0.48, that is 0.52 (0.236255...)."""
    done = matched(maker("0.3", "0.5"), maker("18.9307", "0.48", world.SIBLING))
    assert isinstance(done, Filled)
    assert done.fee.amount == 3_750 + 236_250


@pytest.mark.parametrize(
    "trades",
    [
        page(),
        page(trade(maker("19.2307", "0.52"), taker_order_id="0xother")),
        page(trade(maker("9", "0.52"), size="9")),
        page(trade(maker("19.2306", "0.52"), size="19.2306")),
    ],
)
def test_a_match_whose_trades_do_not_add_up_stays_as_it_was_told(trades: Reply) -> None:
    told = place(MATCH)
    for kept_reply in (kept("MATCHED", "19.2307"), said(b"null")):
        assert look_up(kept_reply, trades, last=told) == told


@pytest.mark.parametrize(
    "trades",
    [
        page(trade(maker("9", "0.52"))),
        page(trade(maker("19.2307", "0.52"), asset_id="1")),
        page(trade(maker("19.2307", "1.52"))),
        said(b"<html>", 200),
        said({"data": []}),
        said({"error": "x"}, 500),
        Silence("timeout", sent=True),
    ],
)
def test_trades_that_cannot_be_read_prove_nothing(trades: Reply) -> None:
    for kept_reply in (kept("MATCHED", "19.2307"), said(b"null")):
        assert isinstance(look_up(kept_reply, trades, last=place(MATCH), age_ms=10**9), Unknown)


def test_dust_is_taken_for_a_rounding_only_when_its_trade_had_time_to_show() -> None:
    """A hundredth of a share may be a trade that is not shown yet."""
    trades = page(trade(maker("19.2257", "0.52"), size="19.2257"))
    assert isinstance(look_up(kept("MATCHED", "19.2307"), trades, last=place(MATCH)), Pending)
    late = look_up(kept("MATCHED", "19.2307"), trades, last=place(MATCH), age_ms=FORGOTTEN_MS)
    assert isinstance(late, Filled)
    assert late.size == 19_225_700


def test_trades_are_read_page_by_page() -> None:
    pages = [
        page(trade(maker("9", "0.52"), size="9", id="a"), cursor="Mg=="),
        page(trade(maker("10.2307", "0.52"), size="10.2307", id="b")),
    ]
    cursors: list[str] = []

    def venue(request: Request) -> Reply:
        if request.path != "/data/trades":
            return kept("MATCHED", "19.2307")
        cursors.append(dict(request.query)["next_cursor"])
        return pages[len(cursors) - 1]

    assert isinstance(run(ORDERS.look_up(ORDER, SIGNER, place(MATCH), ORDER.created_ms), venue), Filled)
    assert cursors == ["MA==", "Mg=="]


def test_pages_without_end_are_not_read_for_ever() -> None:
    endless = page(trade(maker("19.2307", "0.52")), cursor="Mg==")
    assert isinstance(look_up(kept("MATCHED", "19.2307"), endless), Unknown)


def test_a_trade_shown_twice_counts_once() -> None:
    once = trade(maker("19.2307", "0.52"))
    assert isinstance(look_up(kept("MATCHED", "19.2307"), page(once, once)), Filled)


def test_amounts_in_base_units_are_recognised() -> None:
    done = place(said(world.reply(orderID=HASH, makingAmount="10000000", takingAmount="19230700")))
    assert isinstance(done, Pending)
    assert (done.size, done.cash) == (19_230_700, 10_000_000)


def test_a_reply_that_gave_more_than_was_signed_is_not_believed() -> None:
    assert isinstance(place(said(world.reply(orderID=HASH, makingAmount="11"))), Unknown)


def test_a_reply_about_another_order_is_not_believed() -> None:
    assert isinstance(place(said(world.reply(orderID="0x" + "00" * 32))), Unknown)


@pytest.mark.parametrize("status", ["delayed", "unmatched", "live", "something new", ""])
def test_an_immediate_order_is_final_only_when_matched(status: str) -> None:
    waiting = said(world.reply(orderID=HASH, status=status, makingAmount="", takingAmount=""))
    assert isinstance(place(waiting), Pending)
    assert isinstance(place(said(world.reply(orderID=HASH, status=status))), Pending)


def test_a_resting_order_is_working() -> None:
    order = world.order(time_in_force=TimeInForce.GTC)
    resting = world.reply(
        orderID=SIGNER.order_hash(draft_of(order)), status="live", makingAmount="", takingAmount=""
    )
    assert isinstance(place(said(resting), order=order), Working)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no orders found to match with FAK order. FAK orders are partially filled or killed", "no_match"),
        ("order couldn't be fully filled. FOK orders are fully filled or killed.", "fok_killed"),
        ("not enough balance / allowance", "not_enough_balance"),
        ("order 0x1 is invalid. Price (0.5) breaks minimum tick size rule: 0.1", "bad_tick"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_readable_refusal_is_a_rejection(status: int, text: str, code: str) -> None:
    done = place(said({"error": text}, status))
    assert isinstance(done, Rejected)
    assert (done.code, done.message) == (code, text)
    soft = place(said({"success": False, "errorMsg": text, "orderID": "", "status": ""}))
    assert isinstance(soft, Rejected)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_behind_a_closed_door_every_word_is_a_refusal(status: int) -> None:
    done = place(said({"error": "something new"}, status))
    assert isinstance(done, Rejected)
    assert done.code == "refused"
    assert isinstance(place(said(b"<html>something new</html>", status)), Unknown)


@pytest.mark.parametrize("status", AMBIGUOUS)
def test_a_readable_refusal_needs_a_status_that_means_it(status: int) -> None:
    assert isinstance(place(said({"error": "not enough balance / allowance"}, status)), Unknown)
    assert isinstance(place(said(world.reply(success=False, errorMsg="not enough balance"), status)), Unknown)


@pytest.mark.parametrize(
    "text",
    [
        "order match delayed due to market conditions",
        "order timed out",
        "could not insert order",
        "something the card does not list",
        "",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_words_that_prove_nothing_are_unknown(status: int, text: str) -> None:
    body = {"success": False, "errorMsg": text} if status == 200 else {"error": text}
    assert isinstance(place(said(body, status)), Unknown)


@pytest.mark.parametrize(("status", "text", "code"), CARD_9)
def test_every_refusal_of_the_card_has_its_code(status: int, text: str, code: str) -> None:
    done = place(said({"error": text}, status))
    assert isinstance(done, Rejected)
    assert (done.code, done.message) == (code, text)


def test_a_pause_of_the_venue_is_a_refusal_only_by_its_own_words() -> None:
    paused = {"error": "only post-only orders", "code": "post_only_mode", "retry_after_seconds": 90}
    done = place(said(paused, 503))
    assert isinstance(done, Rejected)
    assert done.code == "post_only_mode"
    for status in (425, 500, 502):
        assert isinstance(place(said(paused, status)), Unknown)
    assert isinstance(place(said({"error": "Service Unavailable"}, 503)), Unknown)


def test_a_limit_is_a_refusal_only_with_the_venues_own_headers() -> None:
    limited = said({"error": "rate limit"}, 429)
    assert isinstance(place(limited), Unknown)
    done = place(Response(429, limited.body, {"poly-ratelimit-remaining": "0"}))
    assert isinstance(done, Rejected)
    assert done.code == "rate_limited"
    assert isinstance(place(Response(429, b"<html>", {"poly-ratelimit-remaining": "0"})), Unknown)


def test_a_duplicate_is_looked_up() -> None:
    done = place(said({"error": "order 0x1 is invalid. Duplicated."}, 400))
    assert isinstance(done, Pending)
    assert (done.venue_order_id, done.size) == (HASH, 0)


def test_silence_is_a_rejection_only_when_nothing_was_sent() -> None:
    assert isinstance(place(Silence("timeout", sent=True)), Unknown)
    never = place(Silence("refused", sent=False))
    assert isinstance(never, Rejected)
    assert never.code == "not_sent"


@pytest.mark.parametrize("junk", [b'"\xff"', b"[" * 100_000], ids=["not UTF-8", "nested"])
def test_damage_beside_what_is_read_proves_nothing_and_raises_nothing(junk: bytes) -> None:
    assert isinstance(
        place(said(b'{"error":"not enough balance / allowance","x":' + junk + b"}", 400)), Unknown
    )
    assert isinstance(place(said(world.reply(orderID=HASH)[:-1] + b',"x":' + junk + b"}")), Unknown)
    trades = said(WHOLE.body[:-1] + b',"x":' + junk + b"}")
    assert isinstance(look_up(kept("MATCHED", "19.2307"), trades, last=place(MATCH)), Unknown)
    order = b'{"id":"%b","status":"CANCELED","size_matched":"0","x":' % HASH.encode()
    assert isinstance(look_up(said(order + junk + b"}"), EMPTY_PAGE, age_ms=10**9), Unknown)


REPLIES = [
    (200, world.reply(orderID=HASH)),
    (200, world.reply(orderID=HASH, status="live")),
    (200, world.reply(success=False, errorMsg="not enough balance / allowance")),
    (400, b'{"error":"not enough balance / allowance"}'),
    (400, b'{"error":"order is invalid. Duplicated."}'),
    (503, b'{"error":"Trading is currently disabled"}'),
]


@given(st.data())
def test_no_garbled_reply_raises_or_is_final_without_proof(data: st.DataObject) -> None:
    """Bytes changed, cut or inserted, under any status: final only what the trades or a refusal prove."""
    status, body = data.draw(st.sampled_from(REPLIES))
    cut = data.draw(st.integers(0, len(body)))
    junk = data.draw(st.binary(max_size=4))
    drop = data.draw(st.integers(0, 4))
    garbled = body[:cut] + junk + body[cut + drop :]
    status = data.draw(st.sampled_from([status, 200, 400, 429, 500]))
    done = place(Response(status, garbled))
    assert not isinstance(done, Filled)
    if isinstance(done, Rejected):
        assert (status, b"not enough balance" in garbled.lower()) in {(200, True), (400, True), (503, False)}
        assert status != 503 or b"rading is currently disabled" in garbled


@given(st.data())
def test_no_garbled_trades_raise_or_change_what_was_filled(data: st.DataObject) -> None:
    body = WHOLE.body
    cut = data.draw(st.integers(0, len(body)))
    junk = data.draw(st.binary(max_size=3))
    garbled = Response(200, body[:cut] + junk + body[cut + data.draw(st.integers(0, 3)) :])
    done = look_up(kept("MATCHED", "19.2307"), garbled, last=place(MATCH))
    if isinstance(done, Filled | Pending):
        assert done.size == 19_230_700
    else:
        assert isinstance(done, Unknown) or b"FAILED" in garbled.body


# --- looking up ---


def test_nothing_found_is_a_last_word_only_after_thirty_seconds() -> None:
    for nothing in (said(b"null"), said({"error": "not found"}, 404)):
        assert isinstance(look_up(nothing, EMPTY_PAGE, age_ms=FORGOTTEN_MS - 1), Unknown)
        late = look_up(nothing, EMPTY_PAGE, age_ms=FORGOTTEN_MS)
        assert isinstance(late, Rejected)
        assert late.code == "not_executed"


def test_a_matched_order_is_filled_by_its_trades() -> None:
    done = look_up(kept("MATCHED", "19.2307"), WHOLE)
    assert isinstance(done, Filled)
    assert (done.size, done.cash, done.fee.amount) == (19_230_700, 9_999_964, 239_990)


def test_a_matched_order_without_its_trades_is_pending_for_ever() -> None:
    for status in ("MATCHED", "CANCELED", "LIVE"):
        assert isinstance(look_up(kept(status, "19.2307"), EMPTY_PAGE, age_ms=10**9), Pending)
    assert isinstance(look_up(kept("MATCHED", ""), EMPTY_PAGE, age_ms=10**9), Pending)


def test_an_order_known_only_by_its_trades_is_filled_when_whole_or_late() -> None:
    part = page(trade(maker("9", "0.52"), size="9"))
    assert isinstance(look_up(said(b"null"), WHOLE), Filled)
    assert isinstance(look_up(said(b"null"), part), Pending)
    done = look_up(said(b"null"), part, age_ms=FORGOTTEN_MS)
    assert isinstance(done, Filled)
    assert done.size == 9_000_000


def test_what_the_venue_once_said_was_filled_is_never_taken_back_as_not_executed() -> None:
    told = Pending(ORDER.order_id, HASH, Size(19_230_700), Cash(10_000_000), "matched")
    for kept_reply in (said(b"null"), kept("CANCELED")):
        assert isinstance(look_up(kept_reply, EMPTY_PAGE, age_ms=10**9, last=told), Pending)


def test_an_order_no_larger_than_dust_needs_a_trade_like_any_other() -> None:
    """A hundredth of a share: two statements about it always agree within dust."""
    order = world.order(side=Side.SELL, limit=Price(500_000), size=Size(10_000), cash=Cash(5_000))
    order_hash = SIGNER.order_hash(draft_of(order))
    reply = said(world.reply(orderID=order_hash, makingAmount="0.01", takingAmount="0.005"))
    sold = place(reply, order)
    assert isinstance(sold, Pending)
    for gone in (said(b"null"), said({"error": "not found"}, 404)):
        assert isinstance(look_up(gone, EMPTY_PAGE, order=order), Unknown)
        assert isinstance(look_up(gone, EMPTY_PAGE, order=order, age_ms=10**9, last=sold), Pending)
    for status in ("MATCHED", "CANCELED", "LIVE"):
        closed = kept(status, "0.01", order_hash)
        assert isinstance(look_up(closed, EMPTY_PAGE, order=order, age_ms=10**9), Pending)
    traded = page(trade(maker("0.01", "0.5"), size="0.01", taker_order_id=order_hash))
    done = look_up(said(b"null"), traded, order=order)
    assert isinstance(done, Filled)
    assert (done.size, done.cash, done.fee.amount) == (10_000, 5_000, 120)


def test_failed_trades_are_no_fills() -> None:
    failed = page(trade(maker("19.2307", "0.52"), status="TRADE_STATUS_FAILED"))
    done = look_up(kept("MATCHED", "19.2307"), failed)
    assert isinstance(done, Rejected)
    assert (done.code, done.undone) == ("settlement_failed", True)
    half = page(
        trade(maker("9", "0.52"), size="9", id="a", status="CONFIRMED"),
        trade(maker("10.2307", "0.52"), size="10.2307", id="b", status="FAILED"),
    )
    part = look_up(kept("MATCHED", "19.2307"), half)
    assert isinstance(part, Filled)
    assert part.size == 9_000_000


def test_a_killed_order_without_a_count_is_closed_only_when_trades_had_time() -> None:
    killed = "CANCELED_order couldn't be fully filled. FOK orders are fully filled or killed."
    assert isinstance(look_up(kept(killed, ""), EMPTY_PAGE), Pending)
    assert isinstance(look_up(kept(killed, ""), EMPTY_PAGE, age_ms=FORGOTTEN_MS), Rejected)
    assert isinstance(look_up(kept(killed, "0"), EMPTY_PAGE), Rejected)


def test_a_delayed_order_is_pending_and_a_live_one_working() -> None:
    assert isinstance(look_up(kept("DELAYED"), EMPTY_PAGE, age_ms=10**9), Pending)
    assert isinstance(look_up(kept("LIVE"), EMPTY_PAGE), Working)


def test_a_held_order_that_found_no_match_is_given_up_after_thirty_seconds() -> None:
    assert isinstance(look_up(kept("UNMATCHED"), EMPTY_PAGE, age_ms=FORGOTTEN_MS - 1), Pending)
    late = look_up(kept("UNMATCHED"), EMPTY_PAGE, age_ms=FORGOTTEN_MS)
    assert isinstance(late, Rejected)
    assert late.code == "unmatched"
    order = world.order(time_in_force=TimeInForce.GTC)
    rests = kept("UNMATCHED", "0", SIGNER.order_hash(draft_of(order)))
    assert isinstance(look_up(rests, EMPTY_PAGE, order=order, age_ms=10**9), Pending), "it may rest"


def test_a_resting_order_with_a_trade_on_its_way_is_pending_and_then_working_with_its_fill() -> None:
    order = world.order(time_in_force=TimeInForce.GTC, size=Size(20_000_000))
    order_hash = SIGNER.order_hash(draft_of(order))
    met = maker("8", "0.52") | {"order_id": order_hash}
    for status, kind in (("MATCHED", Pending), ("MINED", Working)):
        trades = page(trade(met, size="8", taker_order_id="0x22", status=status))
        done = look_up(kept("LIVE", "8", order_hash), trades, order=order)
        assert isinstance(done, kind)
        assert isinstance(done, Pending | Working)
        assert (done.size, done.cash) == (8_000_000, 4_160_000)


def test_a_cancelled_resting_order_filled_nothing_and_a_maker_pays_no_fee() -> None:
    order = world.order(time_in_force=TimeInForce.GTC, size=Size(20_000_000))
    order_hash = SIGNER.order_hash(draft_of(order))
    done = look_up(kept("CANCELED", "0", order_hash), EMPTY_PAGE, order=order)
    assert isinstance(done, Filled)
    assert done.size == 0
    met = maker("20", "0.52") | {"order_id": order_hash}
    as_maker = page(trade(met, size="20", taker_order_id="0x22", asset_id=world.SIBLING))
    filled = look_up(kept("MATCHED", "20", order_hash), as_maker, order=order)
    assert isinstance(filled, Filled)
    assert (filled.size, filled.cash, filled.fee.amount) == (20_000_000, 10_400_000, 0)


@pytest.mark.parametrize(("side", "cash"), [(Side.BUY, 173_334), (Side.SELL, 173_333)])
def test_a_fraction_of_a_millionth_is_the_buyers_to_pay(side: Side, cash: int) -> None:
    """0.333333 shares at 0.52 are 0.17333316 dollars."""
    order = world.order(side=side, time_in_force=TimeInForce.GTC)
    order_hash = SIGNER.order_hash(draft_of(order))
    met = maker("0.333333", "0.52") | {"order_id": order_hash}
    trades = page(trade(met, taker_order_id="0x22"))
    done = look_up(kept("CANCELED", "0.333333", order_hash), trades, order=order)
    assert isinstance(done, Filled)
    assert done.cash == cash


@pytest.mark.parametrize(
    ("time_in_force", "where"),
    [(TimeInForce.IOC, ("asset_id", world.TOKEN)), (TimeInForce.GTC, ("market", world.CONDITION))],
)
def test_an_order_that_may_be_a_maker_is_sought_in_the_trades_of_both_outcomes(
    time_in_force: TimeInForce, where: tuple[str, str]
) -> None:
    asked: list[Request] = []

    def venue(request: Request) -> Reply:
        asked.append(request)
        return said(b"null") if "/data/order/" in request.path else EMPTY_PAGE

    order = world.order(time_in_force=time_in_force)
    run(ORDERS.look_up(order, SIGNER, Unknown(order.order_id, ""), order.created_ms), venue)
    assert asked[0].path == f"/data/order/{SIGNER.order_hash(draft_of(order))}"
    *listed, trades = asked[1:]
    assert [request.path for request in listed] == ["/data/orders"] * (time_in_force is TimeInForce.GTC)
    assert trades.query == (where, ("after", "1794999995"), ("next_cursor", "MA=="))


@pytest.mark.parametrize("empty", [said(b"null"), said({"error": "not found"}, 404)])
def test_an_order_that_may_rest_is_gone_only_when_the_open_orders_lack_it(empty: Reply) -> None:
    order = world.order(time_in_force=TimeInForce.GTC)
    order_hash = SIGNER.order_hash(draft_of(order))
    rests = Working(order.order_id, order_hash, Size(0), Cash(0), Fee(0, "pUSD"))
    listed = page({"id": order_hash.upper().replace("0X", "0x"), "status": "LIVE", "size_matched": "0"})

    def done(open_orders: Reply) -> Answer:
        replies = {"/data/orders": open_orders, "/data/trades": EMPTY_PAGE}
        talk = ORDERS.look_up(order, SIGNER, rests, order.created_ms + 10**9)
        answer: Answer = run(talk, lambda request: replies.get(request.path, empty))
        return answer

    assert isinstance(done(listed), Working)
    assert isinstance(done(EMPTY_PAGE), Rejected)
    for unreadable in (said(b"null"), said({"error": "x"}, 500), Silence("late", sent=True)):
        assert isinstance(done(unreadable), Unknown)


@pytest.mark.parametrize("reply", [said({"error": "x"}, 500), said(b"[]"), Silence("late", sent=True)])
def test_a_look_up_that_fails_stays_unknown(reply: Reply) -> None:
    assert isinstance(look_up(reply, WHOLE, age_ms=10**9), Unknown)
    assert isinstance(look_up(kept("MATCHED", "19.2307"), reply, age_ms=10**9), Unknown)


def test_an_order_record_of_another_order_stays_unknown() -> None:
    assert isinstance(look_up(kept("MATCHED", "19.2307", "0x22"), WHOLE, age_ms=10**9), Unknown)


def test_cancelling_ends_in_what_the_look_up_says() -> None:
    seen: list[tuple[str, str, bytes]] = []

    def venue(request: Request) -> Reply:
        seen.append((request.method, request.path, request.body))
        if request.method == "DELETE":
            return said({"canceled": [], "not_canceled": {HASH: "matched"}})
        return WHOLE if request.path == "/data/trades" else kept("MATCHED", "19.2307")

    done = run(ORDERS.cancel(ORDER, SIGNER, Unknown(ORDER.order_id, "")), venue)
    assert isinstance(done, Filled)
    assert seen[0] == ("DELETE", "/order", json.dumps({"orderID": HASH}, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(said({"canceled": [HASH], "not_canceled": {}}), CANCELLED), (said({"error": "x"}, 500), None)],
)
def test_a_cancelled_order_that_reads_still_show_is_pending(reply: Response, reason: str | None) -> None:
    resting = world.order(time_in_force=TimeInForce.GTC)
    order_hash = SIGNER.order_hash(draft_of(resting))
    told = Response(reply.status, reply.body.replace(HASH.encode(), order_hash.encode()))

    def venue(request: Request) -> Reply:
        if request.method == "DELETE":
            return told
        return EMPTY_PAGE if request.path == "/data/trades" else kept("LIVE", "0", order_hash)

    done = run(ORDERS.cancel(resting, SIGNER, Unknown(resting.order_id, "")), venue)
    assert isinstance(done, Working if reason is None else Pending)
    assert getattr(done, "reason", None) == reason


# --- the same order, an inverted listing, and money ---


def test_an_order_has_the_same_hash_after_a_restart() -> None:
    stored = msgspec.json.decode(msgspec.json.encode(ORDER), type=Order)
    assert SIGNER.order_hash(draft_of(stored)) == HASH


def test_an_inverted_listing_trades_the_sibling_at_the_outcomes_own_price() -> None:
    order = world.order(listing=world.listing().opposite())
    draft = draft_of(order)
    assert draft.token == world.SIBLING
    assert (draft.maker_amount, draft.taker_amount) == (10_000_000, 19_230_700)


@pytest.mark.parametrize("kind", TimeInForce)
def test_an_order_that_may_rest_names_its_shares_and_an_immediate_one_its_cash(kind: TimeInForce) -> None:
    draft = draft_of(world.order(time_in_force=kind, size=Size(25_000_000)))
    immediate = kind in (TimeInForce.IOC, TimeInForce.FOK)
    assert (draft.maker_amount, draft.taker_amount) == (
        (10_000_000, 19_230_700) if immediate else (13_000_000, 25_000_000)
    )


def test_a_sale_gives_whole_hundredths_of_shares() -> None:
    order = world.order(side=Side.SELL, size=Size(19_230_700), limit=Price(470_000))
    assert (draft_of(order).maker_amount, draft_of(order).taker_amount) == (19_230_000, 9_038_100)


def test_balances_are_read_in_base_units_for_the_token_that_is_meant() -> None:
    asked: list[dict[str, str]] = []

    def venue(request: Request) -> Reply:
        asked.append(dict(request.query))
        return said({"balance": "123456789", "allowances": {}})

    assert run(ORDERS.funds(SIGNER), venue) == {"": 123_456_789}
    listings = [world.listing(), world.listing().opposite()]
    held = run(ORDERS.holdings(SIGNER, listings), venue)
    assert held == {listing.key: 123_456_789 for listing in listings}
    assert [query.get("token_id") for query in asked] == [None, world.TOKEN, world.SIBLING]
    assert [query["asset_type"] for query in asked] == ["COLLATERAL", "CONDITIONAL", "CONDITIONAL"]


def test_a_fraction_of_a_base_unit_is_not_counted_on() -> None:
    assert run(ORDERS.funds(SIGNER), lambda _: said({"balance": "123456789.9"})) == {"": 123_456_789}


@pytest.mark.parametrize("reply", [said({"error": "x"}, 401), said({"balance": "-1"}), said(b""), said([])])
def test_a_balance_that_cannot_be_read_is_unavailable(reply: Reply) -> None:
    assert isinstance(run(ORDERS.funds(SIGNER), lambda _: reply), Unavailable)
    assert isinstance(run(ORDERS.holdings(SIGNER, [world.listing()]), lambda _: reply), Unavailable)


def test_the_clock_is_in_seconds() -> None:
    assert run(ORDERS.clock(), lambda _: said(b"1795000000")) == 1_795_000_000_000
    assert isinstance(run(ORDERS.clock(), lambda _: said(b"soon")), Unavailable)
