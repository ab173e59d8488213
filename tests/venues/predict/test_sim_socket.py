"""The simulated venue's WebSocket: topics, whole books, wallet events and heartbeats."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.venues.predict.sim_trader import HELD, NOW, OVER, Trader, connected, heard, quiet, said
from venues.base.units import ONE, Price, Size
from venues.predict.sim import PredictSimulator
from venues.predict.sim_socket import TOPICS_MAX, SocketLine

FRAMES = Path(__file__).parents[3] / "venues" / "predict" / "vectors" / "frames" / "predict.jsonl"
BOOK = "predictOrderbook/88123"
MARKET = {"strategy": "MARKET"}
PROBE = 15_000


@pytest.fixture
def sim() -> Iterator[PredictSimulator]:
    made = quiet(PredictSimulator(1))
    made.list_market({})
    bids, asks = [(Price(410_000), Size(80 * ONE))], [(Price(420_000), Size(100 * ONE))]
    made.exchange.set_book("88123", bids, asks, NOW)
    yield made
    made.exchange.audit()


@pytest.fixture
def line(sim: PredictSimulator) -> SocketLine:
    return connected(sim, sim.open_account({}, NOW)["api_key"])


def subscribe(topic: Any, number: Any = 1) -> dict[str, Any]:
    return {"method": "subscribe", "requestId": number, "params": [topic]}


def good(number: int) -> dict[str, Any]:
    return {"type": "R", "requestId": number, "success": True, "data": None}


def books(frames: list[Any]) -> list[tuple[Any, Any]]:
    return [(frame["data"]["bids"], frame["data"]["asks"]) for frame in frames if frame.get("topic") == BOOK]


def test_a_book_follows_the_reply_at_once(line: SocketLine) -> None:
    reply, push = said(line, subscribe(BOOK, 7))
    assert reply == good(7)
    assert push == {
        "type": "M",
        "topic": BOOK,
        "data": {
            "marketId": 88_123,
            "updateTimestampMs": NOW,
            "orderCount": 2,
            "version": 1,
            "asks": [[0.42, 100]],
            "bids": [[0.41, 80]],
            "lastOrderSettled": None,
            "settlementsPending": {"asks": [], "bids": []},
        },
    }


def test_every_change_shows_the_whole_book(sim: PredictSimulator, line: SocketLine) -> None:
    trader = Trader.joined(sim)
    said(line, subscribe(BOOK))
    trader.place("88123", 0, "0.415", "30")
    trader.now += 1
    second = trader.place("88123", 0, "0.415", "3")
    trader.call("POST", "/v1/orders/remove-by-hash", {"data": {"hashes": [second]}})
    frames = heard(line)
    assert books(frames) == [([[0.415, size], [0.41, 80]], [[0.42, 100]]) for size in (30, 33, 30)]
    assert [frame["data"]["updateTimestampMs"] for frame in frames] == [NOW, NOW + 1, NOW + 1]


def test_what_traded_is_pending_until_it_settles(sim: PredictSimulator, line: SocketLine) -> None:
    trader = Trader.joined(sim)
    said(line, subscribe(BOOK))
    trader.place("88123", 0, "0.42", "40", **MARKET)
    trader.wait(HELD)
    [before] = heard(line)
    assert before["data"]["asks"] == [[0.42, 60]]
    assert before["data"]["settlementsPending"] == {"asks": [[0.42, 40]], "bids": []}
    trader.wait(OVER)
    after = [frame for frame in heard(line) if frame["topic"] == BOOK][-1]
    assert after["data"]["settlementsPending"] == {"asks": [], "bids": []}
    assert after["data"]["lastOrderSettled"]["price"] == "0.42"


def test_what_is_pending_stands_at_the_makers_level_best_first(
    sim: PredictSimulator, line: SocketLine
) -> None:
    trader, maker = Trader.joined(sim, positions={"88123": "100"}), Trader.joined(sim)
    maker.place("88123", 0, "0.585", "5", outcome=1)
    said(line, subscribe(BOOK))
    trader.place("88123", 0, "0.42", "8", **MARKET)
    trader.place("88123", 1, "0.41", "7", **MARKET)
    trader.wait(HELD)
    pending = [frame["data"]["settlementsPending"] for frame in heard(line)][-1]
    assert pending == {"asks": [[0.415, 5], [0.42, 3]], "bids": [[0.41, 7]]}


def test_pending_bids_are_best_first(sim: PredictSimulator, line: SocketLine) -> None:
    sim.exchange.set_book(
        "88123", [(Price(400_000), Size(5 * ONE)), (Price(410_000), Size(5 * ONE))], [], NOW
    )
    trader = Trader.joined(sim, positions={"88123": "100"})
    said(line, subscribe(BOOK))
    trader.place("88123", 1, "0.4", "7", **MARKET)
    trader.wait(HELD)
    [frame] = heard(line)
    assert frame["data"]["settlementsPending"]["bids"] == [[0.41, 5], [0.4, 2]]
    assert frame["data"]["updateTimestampMs"] == trader.now


def test_one_topic_per_request_and_none_after_unsubscribing(sim: PredictSimulator, line: SocketLine) -> None:
    sim.list_market({})
    frames = said(line, {"method": "subscribe", "requestId": 1, "params": [BOOK, "predictOrderbook/88124"]})
    assert [frame.get("topic") for frame in frames] == [None, BOOK]
    assert said(line, {"method": "unsubscribe", "requestId": 2, "params": [BOOK]}) == [good(2)]
    Trader.joined(sim).place("88123", 0, "0.3", "10")
    assert heard(line) == []


@pytest.mark.parametrize("topic", ["assetPriceUpdate/1", "polymarketChance/88123", "kalshiChance/88123"])
def test_other_topics_are_accepted(line: SocketLine, topic: str) -> None:
    assert said(line, subscribe(topic)) == [good(1)]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (subscribe("predictOrderbook/99"), "invalid_topic"),
        (subscribe("predictOrderbook/x"), "invalid_topic"),
        (subscribe("weather/1"), "invalid_topic"),
        (subscribe("predictWalletEvents/no.such.token"), "invalid_credentials"),
        (subscribe(5), "invalid_request"),
        (subscribe(BOOK, -1), "invalid_request"),
        (subscribe(BOOK, "1"), "invalid_request"),
        ({"method": "publish", "requestId": 1, "params": [BOOK]}, "invalid_request"),
        ({"method": "subscribe", "requestId": 1, "params": []}, "invalid_request"),
        ("[]", "invalid_request"),
        ("{", "invalid_request"),
        ("[" * 5_000, "invalid_request"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(line: SocketLine, message: Any, code: str) -> None:
    [reply] = said(line, message)
    assert (reply["type"], reply["success"], reply["error"]["code"]) == ("R", False, code)
    assert not line.closed


def test_topics_have_a_limit(line: SocketLine) -> None:
    for number in range(TOPICS_MAX):
        said(line, subscribe(f"assetPriceUpdate/{number}"))
    assert said(line, subscribe(BOOK))[0]["error"]["code"] == "too_many_subscriptions"


# --- heartbeats ---


def test_a_client_that_answers_heartbeats_stays(line: SocketLine) -> None:
    for probe in range(1, 5):
        line.tick(NOW + probe * PROBE - 1)
        assert heard(line) == []
        line.tick(NOW + probe * PROBE)
        [beat] = heard(line)
        assert beat == {"type": "M", "topic": "heartbeat", "data": NOW + probe * PROBE}
        assert said(line, {"method": "heartbeat", "data": beat["data"]}) == []
    assert not line.closed


@pytest.mark.parametrize(
    "answer", [None, {"method": "heartbeat", "data": 5}, {"method": "heartbeat"}, {"data": 1}]
)
def test_a_client_that_does_not_return_the_number_is_dropped_at_the_next_probe(
    line: SocketLine, answer: Any
) -> None:
    line.tick(NOW + PROBE)
    if answer is not None:
        said(line, answer)
    line.tick(NOW + 2 * PROBE - 1)
    assert not line.closed
    line.tick(NOW + 2 * PROBE)
    assert line.closed


# --- wallet events ---


def test_only_the_wallet_of_a_living_token_hears_its_events(sim: PredictSimulator) -> None:
    trader, other = Trader.joined(sim), Trader.joined(sim)
    mine, theirs = trader.listen(), other.listen()
    trader.place("88123", 0, "0.3", "10")
    [frame] = heard(mine)
    assert frame["topic"] == f"predictWalletEvents/{trader.token}"
    assert heard(theirs) == []
    late = connected(sim, trader.api_key)
    [reply] = said(late, subscribe(f"predictWalletEvents/{trader.token}"), NOW + 86_400_000)
    assert reply["error"]["code"] == "invalid_credentials"


def test_events_and_books_have_the_fields_of_the_documented_frames(sim: PredictSimulator) -> None:
    """Each kind of message in the frame file: the same keys, the same JSON types."""
    trader = Trader.joined(sim)
    line = trader.listen()
    said(line, subscribe(BOOK, 2))
    sim.knobs["fail_settlements"] = 1
    for price, more in (("0.42", MARKET), ("0.42", MARKET), ("0.42", {"isPostOnly": True}), ("0.41", MARKET)):
        trader.place("88123", 0, price, "10", **more)
    trader.place("88123", 0, "0.3", "10", order_expiration=str(NOW // 1_000 + 2))
    trader.wait(OVER)
    shapes = {kind_of(frame): shape(frame) for frame in heard(line)}
    documented = [json.loads(text) for text in FRAMES.read_text().splitlines()]
    wanted = {kind_of(frame): shape(frame) for frame in documented if "topic" in frame}
    silent = {"polymarketChance", "kalshiChance", "assetPriceUpdate", "heartbeat"}
    assert wanted.keys() - shapes.keys() == silent
    shapes["orderCancelled"].pop("reason")  # documented for cancellations by the venue, the file has a user's
    assert shapes == {kind: wanted[kind] for kind in shapes}


def kind_of(frame: Any) -> str:
    kind: str = (
        frame["data"]["type"] if "predictWallet" in frame["topic"] else frame["topic"].partition("/")[0]
    )
    return kind


def shape(frame: Any) -> dict[str, Any]:
    """Keys and the kinds of their values, two levels deep; a number is a number, whole or not."""

    def of(value: Any, depth: int) -> Any:
        if isinstance(value, dict) and depth:
            return {key: of(inner, depth - 1) for key, inner in value.items()}
        return "number" if isinstance(value, int | float) else type(value).__name__

    if not isinstance(frame["data"], dict):
        return {"data": "number"}
    return {key: of(value, 1) for key, value in frame["data"].items() if key != "lastOrderSettled"}


def test_a_closed_connection_hears_nothing_more(sim: PredictSimulator, line: SocketLine) -> None:
    said(line, subscribe(BOOK))
    sim.disconnect(line)
    Trader.joined(sim).place("88123", 0, "0.3", "10")
    assert heard(line) == []
