"""This venue's golden vectors: orders and signatures of its official clients, fees of its published table by
another calculation, and frames with the books and fills that a correct reader ends with."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from tests.venues.limitless.examples import SECRETS, listing, order, talk_through
from venues.base.events import Halted, Refused, Say, Snapshot
from venues.base.http import Purpose, Request
from venues.base.listing import Native
from venues.base.orders import Fee, Filled, News, Order, OrderId, Side, TimeInForce
from venues.base.units import ONE, Price, Size, complement, micros
from venues.kit.ctf_order import CtfOrder
from venues.kit.eip712 import checksummed, domain_separator
from venues.limitless.feed import LimitlessFeed
from venues.limitless.fees import COLLATERAL, CURVES, LEGACY, rate
from venues.limitless.moments import moment_ms
from venues.limitless.orders import LimitlessOrders, draft_of
from venues.limitless.private import LimitlessPrivate
from venues.limitless.signer import LimitlessSigner, Profile

Json = dict[str, Any]
TIMES = {"GTC": TimeInForce.GTC, "FAK": TimeInForce.IOC}
OURS = {"clientOrderId", "timestamp", "recvWindow"}
"""Documented keys of POST /orders that the official clients' plain call leaves out (card 6)."""
CUT = 100
"""Billionths of a dollar by which the price of an order moves when its fee is cut to base units."""
LISBON = "will-it-rain-in-lisbon-on-dec-1-1788150000123"
ETH = "eth-up-or-down-daily-1788105600"
BTC = "btc-up-or-down-5-min-1788267900"


def cases(folder: Path) -> Iterable[tuple[str, Callable[[], None]]]:
    """Every case of the folder."""
    data = json.loads((folder / "limitless.json").read_text())
    for case in data["orders"]:
        yield case["id"], partial(check_order, case)
    for case in data["cancel_replace"]:
        yield case["id"], partial(check_replacement, case)
    for case in data["rejected_inputs"]:
        yield case["id"], partial(check_rejected, case)
    for case in data["hmac"]:
        yield case["id"], partial(check_hmac, case)
    for case in data["fees"]:
        yield case["id"], partial(check_fee, case)
    yield "published-points", partial(check_points, data["published_fee_bps"])
    for number, case in enumerate(data["book_mapping"]):
        yield f"book-{number}", partial(check_mapping, case)
    frames = folder / "frames" / "limitless.jsonl"
    if frames.exists():
        lines = [json.loads(line) for line in frames.read_text().splitlines()]
        yield "frames-books", partial(check_books, lines)
        yield "frames-documented", partial(check_documented, lines)
        yield "frames-private", partial(check_private, lines)
        yield "frames-refused", partial(check_refused, lines)


# --- orders ---


def _signer(case: Json) -> LimitlessSigner:
    made = LimitlessSigner(SECRETS | {"private_key": case["private_key"]})
    profile = case["input"].get("profile", {"id": 12345, "rank.feeRateBps": 300})
    made.profile = Profile(profile["id"], profile["rank.feeRateBps"])
    return made


def _draft(case: Json) -> CtfOrder:
    """The order of an official client, from the fields that it signed."""
    signed = case["order_signed_fields"]
    return CtfOrder(
        salt=signed["salt"],
        maker=bytes.fromhex(signed["maker"][2:]),
        signer=bytes.fromhex(signed["signer"][2:]),
        token_id=int(signed["tokenId"]),
        maker_amount=signed["makerAmount"],
        taker_amount=signed["takerAmount"],
        fee_rate_bps=signed["feeRateBps"],
        side=signed["side"],
    )


def _order(given: Json, side: Side) -> Order:
    """The same intent in our words. What the clients round to the grid, our caller has on it already."""
    price = Decimal(str(given["price"])).quantize(Decimal("0.001"))
    size = micros(str(given["size"])) // 1000 * 1000
    kind = COLLATERAL if given["venue"].get("feeModuleType") == "COLLATERAL" else LEGACY
    of = listing(
        Native(given["market_slug"]),
        token_yes=given["token_id"],
        exchange=given["venue"]["exchange"],
        fees=kind,
    )
    return order(
        of,
        side=side,
        limit=Price(micros(str(price))),
        size=Size(size),
        time_in_force=TIMES[given["order_type"]],
        post_only=given.get("post_only", False),
        salt=given["salt"],
        order_id=OrderId(given.get("replacement_client_order_id", "sor-000001")),
        created_ms=given.get("timestamp", 1),
    )


def check_order(case: Json) -> None:
    """The client's order hashes and signs the same here, and our order for that intent is the same body."""
    signer, exchange = _signer(case), case["input"]["venue"]["exchange"]
    assert signer.address == case["address"] == checksummed(signer.owner)
    separator = domain_separator("Limitless CTF Exchange", "1", 8453, bytes.fromhex(exchange[2:]))
    assert "0x" + separator.hex() == case["domain_separator"]
    assert "0x" + signer.order_digest(_draft(case), exchange).hex() == case["digest"]
    assert signer.order_signature(_draft(case), exchange) == case["signature"]
    _check_signed(case["request"], signer)
    if case["input"]["order_type"] == "FOK":
        _refused(order(time_in_force=TimeInForce.FOK))
        return
    mine = _order(case["input"], Side[case["input"]["side"]])
    if "known_sdk_defect" in case:
        assert draft_of(mine, signer, 300).fee_rate_bps == 0, "the client's body is refused by the venue"
        return
    assert draft_of(mine, signer, 300) == _draft(case)
    _same_body(mine, signer, case["request"]["body_raw"])


def _refused(mine: Order) -> None:
    """The venue's FOK carries no limit price: never sent (README, "Vectors of calls we never make")."""
    answer, asked = talk_through(LimitlessOrders().place(mine, _any()), [])
    assert (type(answer).__name__, asked) == ("Rejected", [])


def _check_signed(wanted: Json, signer: LimitlessSigner) -> None:
    """The same headers over the client's own bytes."""
    path, _, query = wanted["target"].partition("?")
    assert not query
    request = Request(
        method=wanted["method"], path=path, purpose=Purpose.ORDER, body=wanted["body_raw"].encode()
    )
    signed = signer.sign(request, moment_ms(wanted["headers"]["lmts-timestamp"])).headers
    assert signed == {name: value for name, value in wanted["headers"].items() if name.startswith("lmts")}


def _same_body(mine: Order, signer: LimitlessSigner, body_raw: str) -> None:
    """Compared as text but for the order of keys: a price of 0.420 or 4.2e-1 is another text."""
    _, asked = talk_through(LimitlessOrders().place(mine, signer), [])
    [request] = asked
    assert (request.method, request.target, request.private) == ("POST", "/orders", True)
    ours = json.loads(request.body, parse_float=str, parse_int=str)
    assert ours.pop("clientOrderId") == mine.order_id
    assert (ours.pop("timestamp"), ours.pop("recvWindow")) == (str(mine.created_ms), "5000")
    assert ours == json.loads(body_raw, parse_float=str, parse_int=str)


def check_replacement(case: Json) -> None:
    """We never replace, but the replacement is an order with all that ours carry."""
    signer, given = _signer(case), case["input"]
    side = Side.BUY if given["side"] == 0 else Side.SELL
    mine = _order(given, side)
    digest = signer.order_digest(draft_of(mine, signer, 300), given["venue"]["exchange"])
    assert "0x" + digest.hex() == case["digest"]
    _check_signed(case["request"], signer)
    _, asked = talk_through(LimitlessOrders().place(mine, signer), [])
    theirs = case["request"]["body"]["replacement"]
    theirs.pop("stpPolicy", None)
    assert theirs.pop("recvWindow") <= 10_000
    ours = json.loads(asked[0].body)
    assert ours.pop("recvWindow") == 5_000
    assert ours == theirs


def check_rejected(case: Json) -> None:
    """What the clients refuse is not on our grid, so it never becomes an order; a FOK is refused."""
    given, grid = case["input"], listing().grid
    if given["order_type"] == "FOK":
        _refused(order(time_in_force=TimeInForce.FOK))
        return
    price, size = Price(micros(str(given["price"]))), micros(str(given["size"]))
    assert not grid.valid(price) or size % listing().lot


def _any() -> LimitlessSigner:
    return LimitlessSigner(SECRETS)


def check_hmac(case: Json) -> None:
    path, _, text = case["path_with_query"].partition("?")
    query = tuple(
        (name, value) for name, _, value in (pair.partition("=") for pair in text.split("&") if pair)
    )
    request = Request(
        method=case["method"], path=path, query=query, purpose=Purpose.ACCOUNT, body=case["body"].encode()
    )
    assert request.target == case["path_with_query"]
    made = LimitlessSigner(SECRETS | {"token_id": case["token_id"], "token_secret": case["secret_base64"]})
    signed = made.sign(request, moment_ms(case["timestamp"]))
    assert signed.headers["lmts-signature"] == case["signature"]


# --- fees and books ---


def check_points(published: Json) -> None:
    for side in Side:
        for price, bps in published[side.name].items():
            number, parts = rate(side, micros(price), 1)
            assert number == bps * parts


def check_fee(case: Json) -> None:
    side, price, size = Side[case["side"]], Price(micros(case["price"])), Size(micros(case["shares"]))
    for kind, told in ((LEGACY, case.get("legacy_venue")), (COLLATERAL, case.get("collateral_venue"))):
        if told is None:
            continue
        charge = CURVES[kind].charged(side, [(price, size)])
        assert (charge.shares, charge.cash) == (int(told.get("contractsFee", 0)), int(told["usdFee"]))
    if side is Side.BUY:
        rank, told_rank = CURVES[LEGACY].rank(side, price), case["effective_price_per_net_share_legacy"]
    else:
        rank, told_rank = CURVES[LEGACY].rank(side, price), case["effective_price_per_share"]
    nanos = int(Decimal(told_rank).scaleb(9))
    worse = rank - nanos if side is Side.BUY else nanos - rank
    assert -CUT <= worse <= CUT + (0 if case["published_point"] else price // 10)


def _levels(rows: list[Json]) -> list[tuple[int, int]]:
    return [(int(Decimal(str(row["price"])).scaleb(6)), row["size"]) for row in rows]


def check_mapping(case: Json) -> None:
    feed = LimitlessFeed()
    feed.subscribe([Native("m")])
    body = ["orderbookUpdate", {"marketSlug": "m", "orderbook": case["yes_book"]}]
    [book] = feed.receive("42/markets," + json.dumps(body), 0)
    assert isinstance(book, Snapshot)
    turned = {"bids": book.asks, "asks": book.bids}
    for side, levels in turned.items():
        assert [(complement(price), size) for price, size in levels] == _levels(case["no_book"][side])


# --- frames ---


def check_books(lines: list[Json]) -> None:
    """Each update is one snapshot with the very levels of its text, read by another reader of JSON."""
    for conn in (1, 2):
        feed = LimitlessFeed()
        feed.subscribe([Native(ETH), Native(LISBON), Native(BTC)])
        for line in lines:
            if line["conn"] != conn:
                continue
            events = feed.receive(line["frame"], 0)
            books = [event for event in events if isinstance(event, Snapshot)]
            if "orderbookUpdate" not in line["frame"]:
                assert not books
                continue
            _, body = json.loads(line["frame"].removeprefix("42/markets,"), parse_float=Decimal)
            [book] = books
            assert book.native == body["marketSlug"]
            assert book.bids == _levels(body["orderbook"]["bids"])
            assert book.asks == _levels(body["orderbook"]["asks"])
            assert book.venue_ms == moment_ms(body["timestamp"])


def check_documented(lines: list[Json]) -> None:
    """The conclusions that the file beside the frames states."""
    last: dict[str, Snapshot] = {}
    said: list[str] = []
    halted: list[Halted] = []
    for conn in (1, 2):
        feed = LimitlessFeed()
        feed.subscribe([Native(ETH), Native(LISBON), Native(BTC)])
        for line in (line for line in lines if line["conn"] == conn):
            for event in feed.receive(line["frame"], 0):
                if isinstance(event, Snapshot):
                    last[event.native] = event
                elif isinstance(event, Say):
                    said.append(event.text)
                elif isinstance(event, Halted):
                    halted.append(event)
    eth = last[ETH]
    assert eth.bids == [(13_000, 40 * ONE), (12_000, 83_334_000)]
    assert eth.asks == [(219_000, 60 * ONE), (220_000, 12 * ONE)]
    assert [complement(price) for price, _ in eth.bids] == [987_000, 988_000]
    assert (last[LISBON].bids, last[LISBON].asks) == ([], [])
    assert last[BTC].bids == [(2_000, 50 * ONE)]
    assert [event.native for event in halted] == [BTC]
    assert said.count("3") == sum(line["frame"] == "2" for line in lines if line["conn"] in (1, 2))
    assert said[0] == "40/markets,"


def check_private(lines: list[Json]) -> None:
    """The duplicate settlement adds no second fill; 0.412 of 20 shares are kept, so that 19.588 arrive."""
    stream, news = LimitlessPrivate(_any()), list[News]()
    said: list[str] = []
    for line in (line for line in lines if line["conn"] == 3):
        for event in stream.receive(line["frame"], 0):
            if isinstance(event, News):
                news.append(event)
            elif isinstance(event, Say):
                said.append(event.text)
    assert said == ["40/markets,", '42/markets,["subscribe_order_events",{}]']
    mine = order(
        listing(Native(LISBON)),
        order_id=OrderId("sor-7f3a-0001"),
        limit=Price(620_000),
        size=Size(20 * ONE),
    )
    of_order = [item for item in news if item.client_id == mine.order_id]
    assert len(of_order) == 4
    told = LimitlessOrders().heard(mine, None, of_order)
    assert isinstance(told, Filled)
    assert (told.size, told.cash, told.fee) == (20 * ONE, 12_200_000, Fee(412_000, "shares"))
    assert told.size - told.fee.shares == 19_588_000


def check_refused(lines: list[Json]) -> None:
    for stream in (LimitlessFeed(), LimitlessPrivate(_any())):
        events = [e for line in lines if line["conn"] == 4 for e in stream.receive(line["frame"], 0)]
        assert events[-1] == Refused("the namespace is refused: Invalid signature", fatal=True)
