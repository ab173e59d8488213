"""Whole books, ordered by the venue's time; only an open market is shown. Recorded frames: the vectors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.polymarket_us.examples import SLUG, reply, usd
from venues.base.events import Ask, FeedEvent, Halted, Lost, Refused, Resumed, Say, Snapshot, Top, Trade
from venues.base.http import Response
from venues.base.listing import Native
from venues.base.units import Price, Size
from venues.polymarket_us.feed import SLUGS_PER_SUBSCRIPTION, PolymarketUsFeed

OPEN, SUSPENDED = "MARKET_STATE_OPEN", "MARKET_STATE_SUSPENDED"


def at(second: int) -> str:
    return f"2026-11-20T15:04:{second:02}.000000001Z"


def body(
    second: int | None = 0, *, state: str | None = OPEN, slug: str = SLUG, **more: object
) -> dict[str, Any]:
    rows: dict[str, Any] = {"marketSlug": slug, "bids": [{"px": usd("0.54"), "qty": "120"}],
                            "offers": [{"px": usd("0.56"), "qty": "75.5"}], "state": state,
                            "transactTime": None if second is None else at(second)}  # fmt: skip
    return {name: value for name, value in (rows | more).items() if value is not None}


def frame(data: dict[str, Any]) -> str:
    return json.dumps({"requestId": "md-1", "marketData": data})


def hear(feed: PolymarketUsFeed, data: dict[str, Any]) -> list[FeedEvent]:
    return feed.receive(frame(data), 0)


BIDS, ASKS = [(Price(540_000), Size(120_000_000))], [(Price(560_000), Size(75_500_000))]
BOOK = Snapshot(SLUG, BIDS, ASKS, 1_795_187_040_000)


def test_every_update_is_a_whole_book() -> None:
    feed = PolymarketUsFeed()
    assert hear(feed, body()) == [BOOK]
    [later] = hear(
        feed, body(1, bids=[], offers=[{"px": usd("0.57"), "qty": "1"}, {"px": usd("0.58"), "qty": "0"}])
    )
    assert isinstance(later, Snapshot)
    assert (later.bids, later.asks) == ([], [(570_000, 1_000_000)])


def test_an_older_book_is_dropped_and_an_equal_one_is_not() -> None:
    feed = PolymarketUsFeed()
    hear(feed, body(5))
    assert hear(feed, body(4)) == []
    assert len(hear(feed, body(5))) == 1
    assert len(hear(feed, body(None))) == 1, "without a time nothing is known to be older"
    assert hear(feed, body(4, slug="other"))


def test_a_market_that_does_not_trade_is_halted_once_and_comes_back_with_a_book() -> None:
    feed = PolymarketUsFeed()
    hear(feed, body())
    assert hear(feed, body(1, state=SUSPENDED)) == [Halted(SLUG, SUSPENDED)]
    assert hear(feed, body(2, state=SUSPENDED)) == []
    assert hear(feed, body(3, state="MARKET_STATE_HALTED")) == [Halted(SLUG, "MARKET_STATE_HALTED")]
    resumed, book = hear(feed, body(4))
    assert (resumed, type(book)) == (Resumed(SLUG), Snapshot)


@pytest.mark.parametrize("state", [None, "", "MARKET_STATE_NOVELTY", "MARKET_STATE_PREOPEN"])
def test_only_open_is_open(state: str | None) -> None:
    assert [type(event) for event in hear(PolymarketUsFeed(), body(state=state))] == [Halted]


def test_a_state_of_an_older_book_changes_nothing() -> None:
    feed = PolymarketUsFeed()
    hear(feed, body(5, state=SUSPENDED))
    assert hear(feed, body(4)) == []


def test_markets_are_subscribed_in_groups_and_none_twice() -> None:
    feed = PolymarketUsFeed()
    natives = [Native(f"m-{n}") for n in range(SLUGS_PER_SUBSCRIPTION + 1)]
    said = [json.loads(e.text)["subscribe"] for e in feed.subscribe(natives) if isinstance(e, Say)]
    assert [len(s["marketSlugs"]) for s in said] == [SLUGS_PER_SUBSCRIPTION, 1]
    assert len({s["requestId"] for s in said}) == 2
    assert feed.subscribe(natives[:5]) == []


def test_what_stays_of_a_subscription_is_subscribed_anew() -> None:
    feed = PolymarketUsFeed()
    feed.subscribe([Native("a"), Native("b"), Native("c")])
    ended, again = (json.loads(e.text) for e in feed.unsubscribe([Native("b")]) if isinstance(e, Say))
    assert ended == {"unsubscribe": {"requestId": "md-1"}}
    assert (again["subscribe"]["requestId"], again["subscribe"]["marketSlugs"]) == ("md-2", ["a", "c"])
    assert len(feed.unsubscribe([Native("a"), Native("c")])) == 1
    assert feed.unsubscribe([Native("a")]) == []


def test_one_bad_slug_is_found_by_halves_and_the_others_are_heard() -> None:
    """Played against a venue that refuses every subscription in which the bad one is."""
    feed = PolymarketUsFeed()
    natives = [Native(f"m-{n}") for n in range(100)]
    queue, alive, lost = list(feed.subscribe(natives)), set[str](), list[str]()
    while queue:
        event = queue.pop()
        if isinstance(event, Lost):
            lost.append(event.native)
        if not isinstance(event, Say):
            continue
        said = json.loads(event.text)["subscribe"]
        if "m-42" in said["marketSlugs"]:
            queue += feed.receive(
                json.dumps({"requestId": said["requestId"], "error": "market not found"}), 0
            )
        else:
            alive |= set(said["marketSlugs"])
    assert (lost, len(alive)) == (["m-42"], 99)


def test_the_refusal_of_a_repetition_leaves_the_running_subscription_alone() -> None:
    feed = PolymarketUsFeed()
    feed.subscribe([SLUG, Native("other")])
    hear(feed, body())
    refused = feed.receive('{"requestId":"md-1","error":"already subscribed"}', 0)
    assert refused == [Refused("md-1: already subscribed", fatal=False)]
    assert feed.receive('{"requestId":"","error":"what"}', 0) == [Refused(": what", fatal=False)]


def test_a_book_in_doubt_is_fetched_and_an_older_one_is_not_believed() -> None:
    feed = PolymarketUsFeed()
    feed.subscribe([SLUG])
    hear(feed, body(5))
    [ask] = feed.resync(SLUG, 0)
    assert isinstance(ask, Ask)
    assert (ask.request.host, ask.request.path) == ("gateway", f"/v1/markets/{SLUG}/book")
    assert len(feed.fetched(SLUG, reply(200, {"marketData": body(6)}), 0)) == 1
    assert feed.fetched(SLUG, reply(200, {"marketData": body(4)}), 0) == []


@pytest.mark.parametrize(
    "response",
    [reply(404, {"message": "no"}), reply(200, b"{}"), reply(200, {"marketData": body(slug="other")}),
     reply(200, {"marketData": body(None)}),
     reply(200, b"[1")],
)  # fmt: skip
def test_a_fetched_book_that_is_not_this_one_is_refused(response: Response) -> None:
    feed = PolymarketUsFeed()
    feed.subscribe([SLUG])
    hear(feed, body(0))
    with pytest.raises(ValueError, match=r"."):
        feed.fetched(SLUG, response, 0)


def test_a_book_by_http_never_stands_in_for_a_subscription_that_sent_none() -> None:
    """Nothing would change it, and the heartbeats of the connection would vouch for it for ever."""
    feed = PolymarketUsFeed()
    feed.subscribe([SLUG])
    with pytest.raises(ValueError, match="stream"):
        feed.fetched(SLUG, reply(200, {"marketData": body()}), 0)
    assert Lost(SLUG, "no") in feed.receive('{"requestId":"md-1","error":"no"}', 0)
    [again] = feed.resync(SLUG, 0)
    assert isinstance(again, Say)
    assert json.loads(again.text)["subscribe"]["marketSlugs"] == [SLUG]
    with pytest.raises(ValueError, match="stream"):
        feed.fetched(SLUG, reply(200, {"marketData": body()}), 0)


def test_what_stays_of_a_subscription_is_lost_until_the_new_one_sends_it() -> None:
    feed, other = PolymarketUsFeed(), Native("other")
    feed.subscribe([SLUG, other])
    hear(feed, body())
    events = feed.unsubscribe([other])
    assert Lost(SLUG, "subscribed anew") in events
    hear(feed, body(1))  # of the subscription that has ended
    assert Lost(SLUG, "no") in feed.receive('{"requestId":"md-2","error":"no"}', 0)


def test_best_prices_and_trades_change_no_book() -> None:
    feed = PolymarketUsFeed()
    lite = {"marketDataLite": {"marketSlug": SLUG, "bestBid": usd("0.54"), "bestAsk": None}}
    assert feed.receive(json.dumps(lite), 0) == [Top(SLUG, Price(540_000), None, exact=False)]
    trade = {"trade": {"marketSlug": SLUG, "price": usd("0.46"), "quantity": usd("20"), "tradeTime": at(0)}}
    assert feed.receive(json.dumps(trade), 0) == [
        Trade(SLUG, Price(460_000), Size(20_000_000), 1_795_187_040_000)
    ]
    assert feed.receive('{"heartbeat":{}}', 0) == []
    assert feed.tick(0) == []


@pytest.mark.parametrize(
    "bad",
    ["", "[]", '{"marketData":{}}', frame(body(bids=[{"px": usd("1.5"), "qty": "1"}])),
     frame(body(offers=[{"px": usd("0.5"), "qty": "-1"}])), frame(body(transactTime="yesterday")),
     frame(body(bids=[{"px": {}, "qty": "1"}]))],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PolymarketUsFeed().receive(bad, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=20))
def test_however_frames_are_shuffled_the_newest_book_stands(frames: list[tuple[int, bool]]) -> None:
    feed, shown, halted, newest = PolymarketUsFeed(), None, False, -1
    for second, trades in frames:
        state = OPEN if trades else SUSPENDED
        size = f"{second + 1}"
        for event in hear(feed, body(second, state=state, bids=[{"px": usd("0.5"), "qty": size}])):
            match event:
                case Snapshot(bids=bids):
                    shown = bids[0][1]
                case Halted():
                    halted = True
                case Resumed():
                    halted = False
                case _:
                    raise AssertionError(event)
        if second >= newest:
            newest = second
            assert halted is not trades
            assert not trades or shown == (second + 1) * 1_000_000
