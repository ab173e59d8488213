"""A book that is seeded by REST and kept by changes that nobody numbers."""

import json

import pytest

from tests.venues.opinion.examples import (
    MARKET,
    NO_TOKEN,
    NOW_MS,
    YES_TOKEN,
    Replay,
    book_reply,
    diff,
    market_reply,
    ok,
    refusal,
)
from venues.base.events import Ask, BookSide, Halted, Lost, Resumed, Say, Snapshot, Update
from venues.base.http import Response
from venues.base.listing import Native
from venues.opinion.feed import (
    ANSWER_MS,
    DISAGREE_MS,
    DOUBT_MS,
    HEARTBEAT_MS,
    REPLAY_MAX,
    REREAD_MS,
    REREADS_AT_ONCE,
    SOON_MS,
    OpinionFeed,
)

BIDS, ASKS = {"0.41": "800", "0.40": "1500.25"}, {"0.43": "650.5"}
BID, ASK = BookSide.BID, BookSide.ASK


def subscribed() -> Replay:
    replay = Replay()
    replay.take(replay.feed.subscribe([Native(MARKET)]))
    return replay


def asking() -> Replay:
    """The market is known and its book asked for."""
    replay = subscribed()
    replay.answer(market_reply())
    return replay


def seeded() -> Replay:
    replay = asking()
    replay.answer(book_reply(BIDS, ASKS))
    return replay


def test_a_market_is_subscribed_then_its_tokens_learned_and_then_its_yes_book_read() -> None:
    replay = subscribed()
    assert replay.said == [{"action": "SUBSCRIBE", "channel": "market.depth.diff", "marketId": 5120}]
    assert [ask.request.target for ask in replay.asks] == ["/openapi/market/5120"]
    replay.answer(market_reply())
    assert [ask.request.target for ask in replay.asks] == [f"/openapi/token/orderbook?token_id={YES_TOKEN}"]
    replay.answer(book_reply(BIDS, ASKS))
    assert replay.books[MARKET] == {
        BID: {410_000: 800_000_000, 400_000: 1_500_250_000},
        ASK: {430_000: 650_500_000},
    }
    assert replay.feed.subscribe([Native(MARKET)]) == [], "subscribed already"


def test_what_came_before_the_book_is_dropped_and_what_is_newer_applied() -> None:
    replay = subscribed()
    replay.receive(diff("bids", "0.39", "1", timestamp=NOW_MS - 1))
    replay.answer(market_reply())
    replay.receive(diff("bids", "0.38", "2", timestamp=NOW_MS))
    replay.receive(diff("asks", "0.43", "0", timestamp=NOW_MS + 1))
    replay.receive(diff("asks", "0.44", "7", timestamp=NOW_MS + 1, tokenId=NO_TOKEN, outcomeSide=2))
    assert replay.books == {}
    replay.answer(book_reply(BIDS, {**ASKS, "0.45": "3"}))
    assert replay.books[MARKET][BID] == {410_000: 800_000_000, 400_000: 1_500_250_000}
    assert replay.books[MARKET][ASK] == {450_000: 3_000_000}


def test_a_late_change_that_the_book_has_already_is_dropped() -> None:
    replay = seeded()
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS))
    assert replay.books[MARKET][BID][410_000] == 800_000_000
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS + 1))
    assert replay.books[MARKET][BID][410_000] == 5_000_000


def test_sizes_are_rounded_down_and_less_than_a_millionth_is_nothing() -> None:
    replay = seeded()
    replay.receive(diff("asks", "0.43", "97.296353985274027921"))
    replay.receive(diff("bids", "0.41", "0.000000999"))
    assert replay.books[MARKET][ASK] == {430_000: 97_296_353}
    assert 410_000 not in replay.books[MARKET][BID]


def test_a_book_is_read_again_each_minute_and_nothing_said_while_it_agrees() -> None:
    replay = seeded()
    replay.tick(NOW_MS + REREAD_MS - 1)
    assert replay.asks == []
    replay.tick(NOW_MS + REREAD_MS)
    assert len(replay.asks) == 1
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS + REREAD_MS + 5))
    before = len(replay.events)
    replay.answer(book_reply(BIDS, ASKS, ms=NOW_MS + REREAD_MS), NOW_MS + REREAD_MS + 50)
    assert replay.events[before:] == []
    assert replay.books[MARKET][BID][410_000] == 5_000_000
    replay.tick(NOW_MS + 2 * REREAD_MS)
    assert replay.asks == []


def test_a_subscription_that_brings_nothing_is_said_again_and_its_book_read_often() -> None:
    """The shape of a refusal is not documented: only readings that differ show that nothing comes."""
    replay = seeded()
    said, now_ms = len(replay.said), NOW_MS + REREAD_MS
    for size in ("800", "700"):
        replay.tick(now_ms)
        replay.answer(book_reply({"0.41": size}, ASKS, ms=now_ms), now_ms)
        assert replay.books[MARKET][BID] == {410_000: int(size) * 1_000_000}
        now_ms += DOUBT_MS
    again = {"action": "SUBSCRIBE", "channel": "market.depth.diff", "marketId": 5120}
    assert [each for each in replay.said[said:] if each["action"] == "SUBSCRIBE"] == [again] * 2
    replay.tick(now_ms)
    replay.answer(book_reply({"0.41": "700"}, ASKS, ms=now_ms), now_ms)
    replay.tick(now_ms + DOUBT_MS)
    assert not replay.asks, "one that agrees is enough"


def test_a_lost_change_is_found_by_the_next_reading() -> None:
    replay = seeded()
    replay.tick(NOW_MS + REREAD_MS)
    replay.answer(book_reply({"0.41": "800"}, ASKS, ms=NOW_MS + REREAD_MS))
    assert [type(event) for event in replay.events[-2:]] == [Lost, Snapshot]
    assert replay.books[MARKET][BID] == {410_000: 800_000_000}


def test_a_reading_older_than_what_is_known_is_not_believed_and_repeated_soon() -> None:
    replay = seeded()
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS + 900))
    replay.tick(NOW_MS + REREAD_MS)
    with pytest.raises(ValueError, match="older"):
        replay.answer(book_reply(BIDS, ASKS, ms=NOW_MS + 899), NOW_MS + REREAD_MS)
    assert replay.books[MARKET][BID][410_000] == 5_000_000
    replay.tick(NOW_MS + REREAD_MS + SOON_MS - 1)
    assert replay.asks == []
    replay.tick(NOW_MS + REREAD_MS + SOON_MS)
    assert len(replay.asks) == 1


def test_a_change_without_a_time_is_applied_and_the_book_read_again_soon_if_it_raced_a_reading() -> None:
    replay = asking()
    replay.receive(diff("bids", "0.41", "5", timestamp=None))
    replay.answer(book_reply(BIDS, ASKS))
    assert replay.books[MARKET][BID][410_000] == 5_000_000
    replay.tick(NOW_MS + SOON_MS)
    assert len(replay.asks) == 1
    later = seeded()
    later.receive(diff("bids", "0.41", "5", timestamp=None))
    assert later.books[MARKET][BID][410_000] == 5_000_000
    later.tick(NOW_MS + SOON_MS)
    assert later.asks == []


def test_a_crossed_book_is_read_at_once_but_not_again_and_again() -> None:
    replay = seeded()
    replay.receive(diff("bids", "0.43", "5"), NOW_MS + SOON_MS)
    assert len(replay.asks) == 1
    replay.answer(book_reply({"0.43": "5"}, ASKS, ms=NOW_MS + 200), NOW_MS + SOON_MS)
    replay.receive(diff("bids", "0.43", "6", timestamp=NOW_MS + 300), NOW_MS + SOON_MS + 10)
    assert replay.asks == []
    replay.tick(NOW_MS + 2 * SOON_MS + 10)
    assert len(replay.asks) == 1


def test_a_mirrored_change_is_not_applied_but_has_the_book_read_if_ours_does_not_follow() -> None:
    replay = seeded()
    replay.receive(diff("asks", "0.59", "640.75", tokenId=NO_TOKEN, outcomeSide=2), NOW_MS)
    assert replay.books[MARKET][BID][410_000] == 800_000_000
    replay.tick(NOW_MS + DISAGREE_MS - 1)
    assert replay.asks == []
    replay.tick(NOW_MS + DISAGREE_MS)
    assert len(replay.asks) == 1


@pytest.mark.parametrize("mirror_first", [True, False])
def test_a_change_told_for_both_tokens_is_no_disagreement(mirror_first: bool) -> None:
    replay = seeded()
    both = [
        diff("bids", "0.41", "640.75"),
        diff("asks", "0.59", "640.75", tokenId=NO_TOKEN, outcomeSide=2),
    ]
    for frame in reversed(both) if mirror_first else both:
        replay.receive(frame, NOW_MS)
    replay.tick(NOW_MS + DISAGREE_MS)
    assert replay.asks == []
    assert replay.books[MARKET][BID][410_000] == 640_750_000


def test_a_resync_forgets_the_book_and_reads_it() -> None:
    replay = seeded()
    replay.take(replay.feed.resync(Native(MARKET), NOW_MS))
    before = len(replay.events)
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS + 50))
    assert replay.events[before:] == []
    replay.answer(book_reply(BIDS, ASKS, ms=NOW_MS + 20))
    assert replay.books[MARKET][BID][410_000] == 5_000_000
    assert replay.feed.resync(Native("1"), NOW_MS) == []


def test_a_reading_that_never_comes_back_is_asked_for_again() -> None:
    replay = seeded()
    replay.tick(NOW_MS + REREAD_MS)
    assert len(replay.asks) == 1
    replay.tick(NOW_MS + REREAD_MS + ANSWER_MS - 1)
    assert len(replay.asks) == 1
    replay.tick(NOW_MS + REREAD_MS + ANSWER_MS)
    assert len(replay.asks) == 2


def test_books_take_turns_in_being_read_again() -> None:
    replay = Replay()
    markets = [Native(str(number)) for number in range(1, 6)]
    replay.take(replay.feed.subscribe(markets))
    for market in markets:
        replay.answer(market_reply(market, f"1{market}", f"2{market}"))
    for market in markets:
        replay.answer(book_reply(BIDS, ASKS, token=f"1{market}"))
    for beat in range(3):
        replay.tick(NOW_MS + REREAD_MS + 500 * beat)
    asked = [ask.native for ask in replay.asks]
    assert sorted(asked) == markets
    assert REREADS_AT_ONCE == 2


def test_too_many_changes_while_a_book_is_awaited_start_the_reading_anew() -> None:
    replay = asking()
    for number in range(REPLAY_MAX + 1):
        replay.receive(diff("bids", "0.41", str(number + 1)))
    assert len(replay.asks) == 2
    replay.asks.pop()
    replay.answer(book_reply(BIDS, ASKS, ms=NOW_MS + 100))
    assert replay.books[MARKET][BID][410_000] == 800_000_000
    checked = seeded()
    checked.tick(NOW_MS + REREAD_MS)
    for number in range(REPLAY_MAX + 1):
        checked.receive(diff("bids", "0.41", str(number + 1)))
    assert (len(checked.asks), checked.lost) == (1, []), "a check is given up, the book goes on"
    assert checked.books[MARKET][BID][410_000] == (REPLAY_MAX + 1) * 1_000_000


def emptied(now_ms: int = NOW_MS + SOON_MS) -> Replay:
    """Its last levels have gone."""
    replay = seeded()
    for side, levels in (("bids", BIDS), ("asks", ASKS)):
        for price in levels:
            replay.receive(diff(side, price, "0"), now_ms)
    return replay


def test_a_book_that_has_emptied_asks_whether_its_market_still_trades() -> None:
    replay = emptied()
    assert [ask.request.path for ask in replay.asks] == ["/openapi/market/5120"]
    replay.answer(market_reply(status=3), NOW_MS + SOON_MS)
    halts = [event for event in replay.events if isinstance(event, Halted)]
    assert halts == [Halted(Native(MARKET), "status 3")]
    before = len(replay.events)
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS + 500))
    assert replay.events[before:] == []
    replay.tick(NOW_MS + SOON_MS + REREAD_MS)
    replay.answer(market_reply(status=4))
    assert sum(isinstance(event, Halted) for event in replay.events) == 1, "said once"
    replay.tick(NOW_MS + SOON_MS + 2 * REREAD_MS)
    replay.answer(market_reply())
    assert isinstance(replay.events[-2], Resumed)
    replay.answer(book_reply(BIDS, ASKS, ms=NOW_MS + 2 * REREAD_MS))
    assert len(replay.books[MARKET][BID]) == 2


def test_a_book_that_empties_while_it_is_read_has_its_market_asked_next() -> None:
    replay = seeded()
    replay.tick(NOW_MS + REREAD_MS)
    for side, levels in (("bids", BIDS), ("asks", ASKS)):
        for price in levels:
            replay.receive(diff(side, price, "0"), NOW_MS + REREAD_MS)
    replay.answer(book_reply({}, {}, ms=NOW_MS + REREAD_MS), NOW_MS + REREAD_MS)
    assert replay.lost == []
    replay.tick(NOW_MS + REREAD_MS + SOON_MS)
    assert [ask.request.path for ask in replay.asks] == ["/openapi/market/5120"]


def test_an_empty_book_of_a_market_that_trades_goes_on() -> None:
    replay = emptied()
    replay.answer(market_reply())
    replay.answer(book_reply({}, {}, ms=NOW_MS + 200))
    replay.receive(diff("bids", "0.41", "5", timestamp=NOW_MS + 300))
    assert replay.books[MARKET][BID] == {410_000: 5_000_000}
    assert replay.asks == []


def test_a_market_that_does_not_trade_yet_is_halted_until_it_does() -> None:
    replay = subscribed()
    replay.answer(market_reply(status=1))
    assert isinstance(replay.events[-1], Halted)
    replay.tick(NOW_MS + REREAD_MS)
    replay.answer(market_reply())
    replay.answer(book_reply(BIDS, ASKS))
    assert MARKET in replay.books


def test_the_heartbeat_comes_every_twenty_five_seconds() -> None:
    replay = seeded()
    replay.said.clear()
    for ms in range(0, 2 * HEARTBEAT_MS, 500):
        replay.tick(NOW_MS + ms)
    assert replay.said == [{"action": "HEARTBEAT"}] * 2
    assert HEARTBEAT_MS < 30_000


def test_unsubscribed_and_foreign_markets_and_chatter_are_ignored() -> None:
    replay = seeded()
    before = len(replay.events)
    for frame in ({"action": "SUBSCRIBE", "code": 0}, diff("bids", "0.41", "5", marketId=1), "pong", ""):
        replay.receive(frame)
    replay.receive({"msgType": "market.last.price", "marketId": 5120, "price": "0.4", "tokenId": YES_TOKEN})
    replay.receive({"msgType": "trade.order.update", "marketId": 5120, "side": 1, "price": "0"})
    replay.receive(diff("bids", "0.41", "5", tokenId="1"))
    assert replay.events[before:] == []
    replay.take(replay.feed.unsubscribe([Native(MARKET), Native("1")]))
    assert replay.said[-1] == {"action": "UNSUBSCRIBE", "channel": "market.depth.diff", "marketId": 5120}
    replay.receive(diff("bids", "0.41", "5"))
    assert not isinstance(replay.events[-1], Update)


def test_what_is_no_market_id_is_not_subscribed_and_harms_no_other() -> None:
    feed, wrong = OpinionFeed(), [Native("0x18b1"), Native("-1"), Native(""), Native("9" * 5_000)]
    events = feed.subscribe([*wrong, Native(MARKET)])
    assert [type(event) for event in events] == [Say, Ask]
    assert feed.unsubscribe(wrong) == feed.resync(wrong[0], NOW_MS) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"side": "bid"}, {"price": "1"}, {"price": "0"}, {"price": "0.0000001"}, {"price": "x"},
        {"size": "-1"}, {"size": ""}, {"size": 5}, {"tokenId": None}, {"marketId": "x"},
    ],
)  # fmt: skip
def test_an_unreadable_change_is_an_error(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        seeded().receive({**diff("bids", "0.41", "5"), **broken})


def test_half_a_frame_is_an_error() -> None:
    text = json.dumps(diff("bids", "0.41", "5"))
    with pytest.raises(ValueError, match=r"."):
        seeded().receive(text[:-10])
    with pytest.raises(ValueError, match=r"."):
        seeded().feed.receive(b'{"msgType":"\xff"}', NOW_MS)


def test_a_market_that_is_unknown_or_has_no_book_is_halted() -> None:
    for reply in (refusal(10_200), ok({"data": {"marketId": 5120, "status": 2, "childMarkets": []}})):
        replay = subscribed()
        replay.answer(reply)
        assert isinstance(replay.events[-1], Halted)


@pytest.mark.parametrize(
    "reply",
    [
        Response(429, b"slow down"), Response(200, b"<html>"), refusal(10_999), ok(None),
        book_reply(BIDS, ASKS, token=NO_TOKEN), book_reply({"1.5": "1"}, {}), Response(200, b'{"result":{}}'),
    ],
)  # fmt: skip
def test_a_reply_that_is_no_book_seeds_nothing(reply: Response) -> None:
    replay = asking()
    with pytest.raises(ValueError, match=r"."):
        replay.answer(reply)
    assert replay.books == {}
    replay.take(replay.feed.resync(Native(MARKET), NOW_MS))
    replay.answer(book_reply(BIDS, ASKS))
    assert MARKET in replay.books


def test_a_reply_about_another_market_is_not_taken() -> None:
    with pytest.raises(ValueError, match="about 7"):
        subscribed().answer(market_reply("7"))


def test_older_servers_name_the_error_fields_otherwise_and_may_send_no_levels() -> None:
    replay = asking()
    body = {"tokenId": YES_TOKEN, "timestamp": NOW_MS, "bids": None, "asks": None}
    replay.answer(Response(200, json.dumps({"code": 0, "msg": "", "result": body}).encode()))
    assert replay.books[MARKET] == {BID: {}, ASK: {}}
    assert not any(isinstance(event, Ask) for event in replay.events[-1:])
