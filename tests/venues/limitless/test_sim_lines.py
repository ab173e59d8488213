"""The simulated venue's WebSocket: packets, subscriptions, whole books, an account's own events."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import venues
from tests.venues.limitless.sim_trader import (
    NOW,
    SOCKET,
    Trader,
    another,
    ask,
    connect,
    events,
    levels,
    scene,
)
from venues.limitless.sim import LimitlessSimulator
from venues.limitless.sim_lines import Line
from venues.sim.contract import Call
from venues.sim.server import SimServer

FRAMES = Path(venues.__file__).parent / "limitless/vectors/frames/limitless.jsonl"
SECOND = 1_000


def seen(name: str, **like: Any) -> dict[str, Any]:
    """The payload of a frame of the vectors with this event name and these fields."""
    for line in FRAMES.read_text().splitlines():
        text = json.loads(line)["frame"]
        if text.startswith("42"):
            event, payload = json.loads(text.removeprefix("42/markets,"))
            if event == name and like.items() <= payload.items():
                return dict(payload)
    raise AssertionError(f"no such frame: {name} {like}")


def shape(value: object) -> object:
    """Names and kinds of a JSON value; numbers with and without a fraction are one kind."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if type(value) in (int, float) else type(value).__name__


def joined(sim: LimitlessSimulator) -> Line:
    """A connection of nobody's."""
    line = connect(sim)
    line.receive("40/markets,", NOW)
    return line


def watch(line: Line, *slugs: str) -> None:
    line.receive("42/markets," + json.dumps(["subscribe_market_prices", {"marketSlugs": slugs}]), NOW)


# --- packets ---


def test_a_connection_begins_as_recorded() -> None:
    sim, _, slug = scene()
    line = joined(sim)
    watch(line, slug)
    opening, namespace, hello, confirmation, book = line.outbox
    assert json.loads(opening[1:]) | {"sid": ""} == {
        "sid": "", "upgrades": [], "pingInterval": 25_000, "pingTimeout": 60_000, "maxPayload": 1_000_000,
    }  # fmt: skip
    assert namespace.startswith('40/markets,{"sid":"')
    assert hello == '42/markets,["system",{"message":"Successfully registered connection"}]'
    assert confirmation == (
        '42/markets,["system",{"message":"Successfully subscribed to market price updates",'
        f'"markets":["{slug}"]}}]'
    )
    assert book.startswith(f'42/markets,["orderbookUpdate",{{"marketSlug":"{slug}"')


def test_the_server_pings_every_25_seconds_and_hangs_up_on_silence() -> None:
    sim, _, _ = scene()
    line = joined(sim)
    line.outbox.clear()
    for later in range(0, 76 * SECOND, SECOND):
        line.tick(NOW + later)
    assert line.outbox == ["2", "2", "2"]
    line.receive("3", NOW + 75 * SECOND)
    line.tick(NOW + 160 * SECOND)
    assert not line.closed
    line.tick(NOW + 160 * SECOND + 1)
    assert line.closed


@pytest.mark.parametrize(
    "text", ["", "x", "1", "2", "5", "42/markets", "42/markets,{", "42/markets,[1]", "43/markets,1[]"]
)
def test_what_is_no_packet_of_a_client_ends_the_connection(text: str) -> None:
    sim, _, _ = scene()
    line = joined(sim)
    line.receive(text, NOW)
    assert line.closed


def test_other_namespaces_and_wrong_proofs_are_refused() -> None:
    sim, trader, _ = scene()
    line = connect(sim)
    line.receive("40", NOW)
    line.receive("40/other,", NOW)
    assert line.outbox[1:] == [
        '44{"message":"Invalid namespace"}',
        '44/other,{"message":"Invalid namespace"}',
    ]
    proof = trader.proof("GET /socket.io/?EIO=4&transport=websocket") | {"lmts-signature": "x"}
    line = connect(sim, proof)
    line.receive("40/markets,", NOW)
    assert line.outbox[1:] == ['44/markets,{"message":"Invalid signature"}']
    line.receive('42/markets,["subscribe_order_events"]', NOW)
    assert line.closed


def test_a_handshake_may_be_signed_as_documented_or_as_opened() -> None:
    sim, trader, _ = scene()
    documented = trader.proof("GET /socket.io/?EIO=4&transport=websocket")
    opened = trader.proof("GET /socket.io/?transport=websocket&EIO=4")
    text = "transport=websocket&EIO=4"
    for headers, account in ((documented, trader.address), (opened, trader.address), ({}, None)):
        call = Call(method="GET", path="/socket.io/", query=SOCKET, query_text=text, headers=headers)
        line = sim.connect(call, NOW)
        assert isinstance(line, Line)
        assert line.account == account
    assert connect(sim, opened).refusal == "Invalid signature"


def test_leaving_the_namespace_ends_what_it_told() -> None:
    sim, _, slug = scene()
    line = joined(sim)
    watch(line, slug)
    line.receive("41/markets,", NOW)
    line.receive("40/markets,", NOW)
    line.outbox.clear()
    sim.exchange.set_book(slug, [], [], NOW)
    sim.tick(NOW)
    assert line.outbox == []


def test_a_numbered_event_is_acknowledged_by_its_number() -> None:
    sim, _, slug = scene()
    line = joined(sim)
    watch(line, slug)
    line.outbox.clear()
    line.receive('42/markets,17["unsubscribe",{"channel":"subscribe_market_prices"}]', NOW)
    assert line.outbox[-1] == '43/markets,17[{"success":true}]'
    sim.exchange.set_book(slug, [], [], NOW)
    sim.tick(NOW)
    assert events(line, "orderbookUpdate") == []


def test_private_channels_need_a_proof_and_unknown_words_mean_nothing() -> None:
    sim, _, _ = scene()
    line = joined(sim)
    line.outbox.clear()
    for name in ("subscribe_order_events", "subscribe_positions", "subscribe_transactions"):
        line.receive(f'42/markets,["{name}",{{}}]', NOW)
    assert events(line, "exception") == [{"status": "error", "message": "Unauthorized"}] * 3
    line.outbox.clear()
    for name in ("market_prices", "subscribe_live_sports", "hello"):
        line.receive(f'42/markets,["{name}",{{"marketSlugs":["x"]}}]', NOW)
    assert (line.outbox, line.closed) == ([], False)


# --- books ---


def test_every_change_sends_the_whole_book_with_a_higher_version() -> None:
    sim, trader, slug = scene()
    line = joined(sim)
    watch(line, slug)
    trader.post(slug, "BUY", "0.52", "4")
    sim.exchange.set_book(slug, levels([("0.3", "1")]), [], NOW)
    sim.tick(NOW + 1)
    books = events(line, "orderbookUpdate")
    assert [[level["size"] for level in book["orderbook"]["asks"]] for book in books] == [
        [10_000_000, 100_000_000], [6_000_000, 100_000_000], [],
    ]  # fmt: skip
    versions = [book["version"] for book in books]
    assert versions == sorted(versions)
    assert len(set(versions)) == 3
    assert books[-1]["orderbook"]["bids"] == [{"price": 0.3, "size": 1_000_000, "side": "BUY"}]
    assert shape(books[0]) == shape(seen("orderbookUpdate"))


def test_a_subscription_replaces_the_last_one() -> None:
    sim, _, slug = scene()
    [other] = sim.list_market({})
    line = joined(sim)
    watch(line, slug, "nowhere")
    watch(line, other)
    assert events(line, "system")[1]["markets"] == [slug, "nowhere"]
    line.outbox.clear()
    sim.exchange.set_book(slug, [], [], NOW)
    sim.exchange.set_book(other, levels([("0.3", "1")]), [], NOW)
    sim.tick(NOW)
    assert [book["marketSlug"] for book in events(line, "orderbookUpdate")] == [other]


def test_the_first_book_may_come_late() -> None:
    sim, _, slug = scene()
    sim.knobs["first_book_ms"] = 1_000
    line = joined(sim)
    watch(line, slug)
    sim.tick(NOW + 999)
    assert events(line, "orderbookUpdate") == []
    sim.tick(NOW + 1_000)
    sim.tick(NOW + 2_000)
    assert len(events(line, "orderbookUpdate")) == 1


def test_lives_of_markets_are_told_to_those_who_ask() -> None:
    sim, trader, slug = scene()
    _, resting = trader.post(slug, "BUY", "0.4", "1", "GTC")
    line, other = joined(sim), joined(sim)
    line.receive('42/markets,["subscribe_market_lifecycle"]', NOW)
    [new] = sim.list_market({"title": "Snow?", "group": "winter"})
    sim.tick(NOW)
    sim.resolve(slug, 1, NOW)
    [created] = events(line, "marketCreated")
    assert (created["slug"], created["groupSlug"], created["type"]) == (new, "winter", "CLOB")
    assert shape(created) == shape(seen("marketCreated"))
    resolved = events(line, "marketResolved")
    assert resolved == [resolved[0]] * 3  # as it was seen
    assert (resolved[0]["winningOutcome"], resolved[0]["winningIndex"]) == ("NO", 1)
    assert shape(resolved[0]) == shape(seen("marketResolved"))
    assert trader.status(resting["order"]["id"])["data"]["order"]["order"]["status"] == "CANCELED"
    assert events(other, "marketResolved") == []


# --- an account's own events ---


def kinds(line: Line) -> list[tuple[str, str]]:
    return [(row["source"], row["type"]) for row in events(line, "orderEvent")]


def test_a_taking_order_is_told_to_its_end_and_to_the_chain() -> None:
    sim, trader, slug = scene()
    line = trader.listen("subscribe_order_events", "subscribe_transactions")
    assert events(line, "authenticated") == [{"message": "Authenticated successfully"}]
    _, reply = trader.post(slug, "BUY", "0.54", "20", clientOrderId="t-1")
    sim.tick(NOW + 500)
    assert sorted(kinds(line)) == [("OME", "EXECUTION"), ("SETTLEMENT", "MATCHED"), ("SETTLEMENT", "MINED")]
    by_type = {row["type"]: row for row in events(line, "orderEvent")}
    order_id, trade_id = reply["order"]["id"], reply["execution"]["tradeEventId"]
    end, matched, mined = by_type["EXECUTION"], by_type["MATCHED"], by_type["MINED"]
    assert (end["eventId"], end["status"], end["remainingSize"]) == (f"terminal:{order_id}", "FILLED", 0)
    assert (matched["eventId"], matched["isEstimate"]) == (f"matched:{trade_id}:{order_id}", True)
    assert (mined["eventId"], mined["isEstimate"]) == (f"settlement:{trade_id}:{order_id}", False)
    raw = reply["execution"]["totalsRaw"]
    for row in (matched, mined):
        assert (row["amountContracts"], row["amountCollateral"]) == (raw["contractsGross"], raw["usdGross"])
        assert (row["feeAmountContracts"], row["price"], row["clientOrderId"]) == (
            raw["contractsFee"],
            "0.53",
            "t-1",
        )
        assert [match["price"] for match in row["makerMatches"]] == ["0.52", "0.54"]
    [moved] = events(line, "tx")
    assert (moved["txHash"], moved["status"]) == (mined["txHash"], "CONFIRMED")
    for row, like in ((end, "EXECUTION"), (matched, "MATCHED"), (mined, "MINED")):
        assert shape(row) == shape(seen("orderEvent", type=like))
    assert shape(moved) == shape(seen("tx"))


@pytest.mark.parametrize(
    ("wish", "end"),
    [
        (("BUY", "0.53", "20"), "PARTIALLY_FILLED"),
        (("BUY", "0.1", "20"), "KILLED"),
        (("BUY", None, "99", "FOK"), "KILLED"),
    ],
)
def test_an_order_that_ends_unfilled_says_how_far_it_came(wish: tuple[Any, ...], end: str) -> None:
    _, trader, slug = scene()
    line = trader.listen("subscribe_order_events")
    trader.post(slug, *wish)
    [row] = [row for row in events(line, "orderEvent") if row["source"] == "OME"]
    assert (row["type"], row["status"]) == ("EXECUTION", end)


def test_a_resting_order_is_told_step_by_step() -> None:
    sim, trader, slug = scene()
    line = trader.listen("subscribe_order_events")
    _, reply = trader.post(slug, "BUY", "0.49", "10", "GTC", clientOrderId="r-1")
    another(sim, positions={slug: "4"}).post(slug, "SELL", "0.49", "4")
    trader.call("DELETE", f"/orders/{reply['order']['id']}")
    rows = [row for row in events(line, "orderEvent") if row["source"] == "OME"]
    assert [(row["type"], row["remainingSize"]) for row in rows] == [
        ("PLACEMENT", 10_000_000), ("UPDATE", 6_000_000), ("CANCELLATION", 6_000_000),
    ]  # fmt: skip
    assert len({row["eventId"] for row in rows}) == 3
    [matched] = [row for row in events(line, "orderEvent") if row["type"] == "MATCHED"]
    assert (matched["effectiveFeeBps"], matched["feeAmountContracts"]) == (0, "0")
    assert matched["takerOrderId"] != matched["orderId"] == reply["order"]["id"]


def test_a_maker_stopped_by_its_own_taker_says_so() -> None:
    _, trader, slug = scene()
    trader.post(slug, "SELL", "0.51", "5", "GTC")
    line = trader.listen("subscribe_order_events")
    trader.post(slug, "BUY", "0.52", "10")
    [row] = [row for row in events(line, "orderEvent") if row["type"] == "CANCELLATION"]
    like = seen("orderEvent", type="CANCELLATION")
    assert row["reason"] == like["reason"]
    assert set(like) - set(row) == {"clientOrderId"}


def test_a_failed_trade_is_told_after_it_was_matched() -> None:
    sim, trader, slug = scene()
    sim.knobs["fail_trades"] = 1
    line = trader.listen("subscribe_order_events", "subscribe_transactions")
    trader.post(slug, "BUY", "0.52", "10")
    sim.tick(NOW + 500)
    sim.tick(NOW + 2_000)
    assert [kind for source, kind in kinds(line) if source == "SETTLEMENT"] == ["MATCHED", "FAILED"]
    assert events(line, "tx")[0]["status"] == "FAILED"
    assert kinds(line).count(("OME", "EXECUTION")) == 1
    sim.exchange.audit()


def test_settlement_events_may_come_twice() -> None:
    sim, trader, slug = scene()
    sim.knobs["double_events"] = 1
    line = trader.listen("subscribe_order_events")
    trader.post(slug, "BUY", "0.52", "10")
    sim.tick(NOW + 500)
    settled = [row for row in events(line, "orderEvent") if row["source"] == "SETTLEMENT"]
    assert [row["type"] for row in settled] == ["MATCHED", "MATCHED", "MINED", "MINED"]
    assert settled[0] == settled[1]


def test_balances_are_told_once_they_are_on_the_chain() -> None:
    sim, trader, slug = scene()
    line = trader.listen("subscribe_positions", slug=slug)
    trader.post(slug, "BUY", "0.52", "10")
    assert events(line, "positions") == []
    sim.tick(NOW + 500)
    [row] = events(line, "positions")
    yes = ask(sim, "GET", f"/markets/{slug}")[1]["tokens"]["yes"]
    assert row["positions"][0] == {"tokenId": yes, "balance": str(trader.money(slug)[1])}
    assert shape(row) == shape(seen("positions"))


def test_nobody_hears_of_anothers_orders() -> None:
    sim, trader, slug = scene()
    other = another(sim).listen("subscribe_order_events", "subscribe_transactions")
    trader.post(slug, "BUY", "0.52", "10")
    sim.tick(NOW + 500)
    assert kinds(other) == []
    assert events(other, "tx") == []


# --- over a socket ---


async def test_books_orders_and_the_chain_over_one_port() -> None:
    sim, trader, slug = scene()
    async with SimServer(sim, clock=lambda: NOW, seed=1) as server, aiohttp.ClientSession() as client:
        target = "/portfolio/history?cursor=&limit=20"
        async with client.get(server.origin + target, headers=trader.proof(f"GET {target}")) as reply:
            assert (reply.status, await reply.json()) == (200, {"data": [], "nextCursor": None})
        url = server.hosts["socket"] + "/socket.io/?transport=websocket&EIO=4"
        proof = trader.proof("GET /socket.io/?transport=websocket&EIO=4")
        async with client.ws_connect(url, headers=proof) as stream, asyncio.timeout(5):
            await stream.send_str("40/markets,")
            frames = [(await stream.receive()).data for _ in range(4)]
            assert frames[3] == '42/markets,["authenticated",{"message":"Authenticated successfully"}]'
            await stream.send_str('42/markets,["subscribe_order_events"]')
            await stream.receive()
            await post(client, server.origin, trader, slug)
            assert "orderEvent" in (await stream.receive()).data
    sim.exchange.audit()


async def post(client: aiohttp.ClientSession, origin: str, trader: Trader, slug: str) -> None:
    body = json.dumps(trader.order(slug, "BUY", "0.52", "1")).encode()
    headers = trader.proof("POST /orders", body) | {"Content-Type": "application/json"}
    async with client.post(f"{origin}/orders", data=body, headers=headers) as reply:
        assert reply.status == 201
