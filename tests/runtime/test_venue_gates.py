"""What a venue says about itself closes its gate, for as long as it said; and each account only its own."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from router.core.model import AccountId
from router.runtime.breakers import RETRY_AFTER_MS_MAX, Breakers
from router.runtime.metrics import Metrics
from router.runtime.times import OFFSET_MS_MAX, VenueTimes, date_of, retry_after_ms
from router.runtime.venue_gates import Means, VenueGates
from tests.core.samples import order
from tests.runtime.clocks import FastClock
from venues import discover
from venues.base.contract import Traits, Venue
from venues.base.http import Purpose, Reply, Response, Silence
from venues.base.listing import ListingKey
from venues.base.orders import Fee, Filled, OrderId, Pending, Rejected, Unknown
from venues.base.units import Cash, Size

WHO, OTHER = AccountId("acct-1"), AccountId("acct-2")
GOOD, BUSY, REFUSED = Response(200, b"{}"), Response(503, b""), Response(400, b"{}")
SILENT = Silence("deadline", sent=True)
PLAIN = Traits()


class HandClock(FastClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_ms = self.shift_ms = 0
        self.luck_percent = 100

    def monotonic_ms(self) -> int:
        return self.passed_ms

    def now_ms(self) -> int:
        return super().now_ms() + self.shift_ms

    def jitter(self, ms_max: int) -> int:
        return ms_max * self.luck_percent // 100


class Rig:
    """One venue of no folder, and a clock that is moved by hand."""

    def __init__(self, traits: Traits = PLAIN, *, told: bool = True) -> None:
        """`told`: the venue has told its time."""
        self.clock = HandClock()
        self.venue: Venue = replace(next(iter(discover().values())), name="north", traits=traits)
        self.metrics = Metrics()
        self.begin()
        if told:
            self.times.measured("north", self.clock.now_ms(), before_ms=self.clock.monotonic_ms())

    def begin(self) -> None:
        """A process begins: it knows nothing of the venue."""
        self.breakers, self.times = Breakers(self.clock, self.metrics), VenueTimes(self.clock)
        means = Means(self.breakers, self.times, self.clock, self.metrics)
        self.gates = VenueGates({"north": self.venue}, means)

    def pass_ms(self, ms: int) -> None:
        self.clock.passed_ms += ms

    def saw(self, reply: Reply, purpose: Purpose = Purpose.ORDER, times: int = 1) -> None:
        for _ in range(times):
            self.breakers.saw(self.venue, purpose, reply)

    def may(self, purpose: Purpose, *, urgent: bool = False) -> bool:
        return self.breakers.refusal("north", purpose, urgent=urgent) is None

    def why(self) -> str | None:
        return self.gates.why_closed(WHO, "north")

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, {"venue": "north", **labels})


# --- breakers ---


@pytest.mark.parametrize(
    "reply", [BUSY, SILENT, Response(429, b""), Response(408, b""), Silence("connect: x", sent=False)]
)
@pytest.mark.parametrize("purpose", list(Purpose))
def test_five_failures_close_the_gate_whatever_kind_they_are_of(reply: Reply, purpose: Purpose) -> None:
    rig = Rig()
    rig.saw(reply, purpose, times=4)
    assert rig.why() is None
    rig.saw(reply, purpose)
    assert rig.why() == "breaker_open"
    assert rig.sample("crossbook_breaker_state", purpose=purpose.value) == 2
    assert rig.sample("crossbook_breaker_openings_total", purpose=purpose.value) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 425])
def test_refusals_are_no_failures(status: int) -> None:
    rig = Rig()
    rig.saw(Response(status, b""), times=100)
    assert rig.why() is None


@pytest.mark.parametrize(
    "reason", ["paced", "busy", "deadline", "closed", "not_owner", "unsigned: ValueError"]
)
def test_what_never_left_says_nothing_of_the_venue(reason: str) -> None:
    rig = Rig()
    rig.saw(Silence(reason, sent=False), times=100)
    assert rig.why() is None


def test_while_it_is_open_only_look_ups_of_orders_in_doubt_go() -> None:
    rig = Rig()
    rig.saw(SILENT, Purpose.ACCOUNT, times=5)
    assert not rig.may(Purpose.ACCOUNT)
    assert all(rig.may(Purpose.ACCOUNT, urgent=True) for _ in range(100)), "they are never starved"
    rig.saw(GOOD, Purpose.ACCOUNT)
    assert rig.why() == "breaker_open", "one success while it is open proves nothing yet"
    rig.pass_ms(5_000)
    rig.saw(GOOD, Purpose.ACCOUNT)
    assert rig.why() is None, "half open, a look-up is as good a probe as any"


def test_an_order_is_never_the_probe_and_a_read_of_the_account_decides_for_it() -> None:
    rig = Rig()
    rig.saw(SILENT, times=5)
    rig.pass_ms(5_000)
    assert rig.breakers.due("north") == [Purpose.ORDER]
    assert not rig.may(Purpose.ORDER)
    rig.saw(GOOD, Purpose.ORDER)
    assert rig.why() == "breaker_open", "the reply to an order that left before is no probe"
    rig.saw(GOOD, Purpose.DATA)
    assert rig.why() == "breaker_open", "public reads say nothing of orders"
    rig.saw(GOOD, Purpose.ACCOUNT)
    assert rig.why() is None
    assert rig.may(Purpose.ORDER)


def test_half_open_one_read_goes_and_the_next_waits_for_what_comes_of_it() -> None:
    rig = Rig()
    rig.saw(SILENT, Purpose.DATA, times=5)
    rig.pass_ms(5_000)
    assert [rig.may(Purpose.DATA) for _ in range(3)] == [True, False, False]
    rig.saw(BUSY, Purpose.DATA)
    assert not rig.may(Purpose.DATA)
    rig.pass_ms(9_999)
    assert not rig.may(Purpose.DATA), "twice as long as before"
    rig.pass_ms(1)
    assert rig.may(Purpose.DATA)


# --- the venue's own wishes ---


@pytest.mark.parametrize("status", [429, 503])
def test_nothing_is_sent_before_the_time_in_retry_after(status: int) -> None:
    rig = Rig()
    rig.saw(Response(status, b"", {"retry-after": "7"}))
    assert rig.why() == "rate_limited"
    assert not rig.may(Purpose.ORDER)
    assert not rig.may(Purpose.ORDER, urgent=True), "not even what is urgent"
    assert rig.may(Purpose.DATA), "other kinds have limits of their own"
    rig.pass_ms(6_999)
    assert not rig.may(Purpose.ORDER)
    rig.pass_ms(1)
    assert rig.may(Purpose.ORDER)
    assert rig.why() is None


DATE = "Sun, 06 Nov 1994 08:49:30 GMT"
MOMENTS = (  # RFC 9110, 5.6.7: one moment, seven seconds after DATE
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_is_obeyed_by_the_venues_own_clock(moment: str) -> None:
    rig = Rig()
    rig.saw(Response(429, b"", {"retry-after": moment, "date": DATE}))
    rig.pass_ms(6_999)
    assert not rig.may(Purpose.ORDER)
    rig.pass_ms(1)
    assert rig.may(Purpose.ORDER)


def test_without_a_date_a_moment_is_obeyed_by_our_clock() -> None:
    rig = Rig()
    moment_s = rig.clock.now_ms() // 1_000 + 9
    rig.saw(Response(503, b"", {"retry-after": formatdate(moment_s, usegmt=True)}))
    rig.pass_ms(7_999)
    assert not rig.may(Purpose.ORDER)
    rig.pass_ms(1_001)
    assert rig.may(Purpose.ORDER)


def test_a_moment_far_away_is_not_believed_and_one_that_has_passed_is_over() -> None:
    rig = Rig()
    rig.saw(Response(429, b"", {"retry-after": "Fri, 06 Nov 2094 08:49:37 GMT", "date": DATE}))
    rig.pass_ms(RETRY_AFTER_MS_MAX - 1)
    assert not rig.may(Purpose.ORDER)
    rig.pass_ms(1)
    rig.saw(Response(429, b"", {"retry-after": "Fri, 04 Nov 1994 08:49:37 GMT", "date": DATE}))
    assert rig.may(Purpose.ORDER)


@given(st.text(max_size=40) | st.from_regex(r"\w{3}, ?\d{1,9} \w{3} -?\d{1,12} \d+:\d+:\d+ .{0,6}"))
def test_whatever_stands_there_is_read_or_not(text: str) -> None:
    wait_ms = retry_after_ms(Response(429, b"", {"retry-after": text, "date": text}), 0)
    assert wait_ms is None or wait_ms >= 0


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "٣", "Wed, 21 Oct"])
def test_a_retry_after_that_cannot_be_read_is_not_obeyed(text: str) -> None:
    rig = Rig()
    rig.saw(Response(429, b"", {"retry-after": text}))
    assert rig.may(Purpose.ORDER)


def test_an_absurd_retry_after_is_not_believed() -> None:
    rig = Rig()
    rig.saw(Response(429, b"", {"retry-after": "9" * 400}))
    rig.pass_ms(RETRY_AFTER_MS_MAX)
    assert rig.may(Purpose.ORDER)


def test_a_restart_keeps_orders_away_and_lets_cancels_through() -> None:
    rig = Rig(Traits(restarts_425=True))
    rig.saw(Response(425, b"", {"retry-after": "10"}))
    assert rig.why() == "venue_restarting"
    rig.pass_ms(10_000)
    assert rig.may(Purpose.ORDER, urgent=True)
    rig.pass_ms(rig.venue.limits.phase_ms - 1)
    assert rig.why() == "venue_restarting"
    rig.pass_ms(1)
    assert rig.why() is None


def test_a_word_for_no_orders_now_closes_the_gate_for_a_while() -> None:
    rig = Rig(Traits(phase_codes=("post_only_mode",)))
    rejected = Rejected(OrderId("o"), "post_only_mode", "")
    theirs = order(order_id="o", listing=replace(order().listing, venue="nowhere"))
    rig.gates.answered(WHO, theirs, rejected, rejected)
    assert rig.why() is None, "of a venue that the settings no longer have"
    ours = order(order_id="o", listing=replace(order().listing, venue="north"))
    rig.gates.answered(WHO, ours, rejected, rejected)
    assert rig.why() == "no_orders_phase"
    assert rig.gates.why_closed(OTHER, "north") == "no_orders_phase", "it is the venue's"
    assert rig.may(Purpose.ORDER, urgent=True), "cancels go on"
    rig.pass_ms(rig.venue.limits.phase_ms)
    assert rig.why() is None


def test_a_word_for_a_market_that_is_shut_is_passed_on() -> None:
    rig, told = Rig(Traits(shut_codes=("closed",))), list[ListingKey]()
    rig.gates.on_shut = told.append
    ours = order(order_id="o", listing=replace(order().listing, venue="north"))
    for code in ("closed", "insufficient_balance"):
        rejected = Rejected(OrderId("o"), code, "")
        rig.gates.answered(WHO, ours, rejected, rejected)
    assert told == [ours.listing.key]


# --- the account's own ---


def ask(rig: Rig, name: str, said: object, known: object = None) -> None:
    ours = order(order_id=name, listing=replace(order().listing, venue="north"))
    rig.gates.answered(WHO, ours, said, known or said)  # type: ignore[arg-type]  # any answer


def test_more_than_three_orders_in_doubt_close_the_gate_of_their_account_alone() -> None:
    rig = Rig()
    for name in "abc":
        ask(rig, name, Unknown(OrderId(name), "deadline"))
    assert rig.why() is None
    ask(rig, "d", Unknown(OrderId("d"), "deadline"))
    ask(rig, "d", Unknown(OrderId("d"), "deadline"))
    assert rig.why() == "unknown_orders"
    assert rig.gates.why_closed(OTHER, "north") is None
    assert rig.sample("crossbook_venue_gate_closed", reason="unknown_orders") == 1
    ask(rig, "a", Filled(OrderId("a"), "v", Size(0), Cash(0), Fee(0, "USD")))
    assert rig.why() is None
    assert rig.sample("crossbook_venue_gate_closed", reason="unknown_orders") == 0


def test_after_a_restart_the_venue_must_say_something_of_each_order_first() -> None:
    rig = Rig()
    named = [order(order_id=name, listing=replace(order().listing, venue="north")) for name in "ab"]
    rig.gates.resumed(WHO, named)
    assert rig.why() == "reconciling"
    pending = Pending(OrderId("a"), "v", Size(0), Cash(0), "settling")
    ask(rig, "a", Unknown(OrderId("a"), "deadline"), pending)
    ask(rig, "b", pending)
    assert rig.why() == "reconciling", "what is known from before the restart is no word of the venue"
    ask(rig, "a", pending)
    assert rig.why() is None


def test_a_venue_that_needs_the_stream_gets_no_orders_without_it() -> None:
    rig = Rig(Traits(needs_stream=True))
    assert rig.why() == "stream_down"
    rig.gates.stream(WHO, "north", up=True)
    assert rig.why() is None
    assert rig.gates.why_closed(OTHER, "north") == "stream_down"
    rig.gates.stream(WHO, "north", up=False)
    assert rig.why() == "stream_down"


# --- time ---


def measure(rig: Rig, ahead_ms: int, *, took_ms: int = 100) -> bool:
    """The venue tells its time half-way through a request."""
    before_ms = rig.clock.monotonic_ms()
    told_ms = rig.clock.now_ms() - rig.clock.shift_ms + took_ms // 2 + ahead_ms
    rig.pass_ms(took_ms)
    return rig.times.measured("north", told_ms, before_ms=before_ms)


@pytest.mark.parametrize("ahead_ms", [-900, -1, 0, 1, 900])
def test_a_difference_below_what_venues_tell_is_none(ahead_ms: int) -> None:
    rig = Rig()
    assert measure(rig, ahead_ms)
    assert rig.times.offset_ms("north") == 0
    assert rig.times.now_ms("north") == rig.clock.now_ms()


@pytest.mark.parametrize("ahead_ms", [-300_000, -2_500, 2_500, 300_000])
def test_a_large_difference_closes_the_gate_at_once_and_is_believed_when_confirmed(ahead_ms: int) -> None:
    rig = Rig()
    assert not measure(rig, ahead_ms)
    assert rig.why() == "clock_offset"
    assert abs(rig.times.now_ms("north") - rig.clock.now_ms()) == 0, "one odd reply changes no signature"
    assert measure(rig, ahead_ms)
    assert rig.times.now_ms("north") == rig.clock.now_ms() + ahead_ms
    assert rig.why() == "clock_offset"


def test_one_odd_reply_is_forgotten_when_the_next_contradicts_it() -> None:
    rig = Rig()
    assert measure(rig, 0)
    assert not measure(rig, 50_000)
    assert rig.why() == "clock_offset"
    measure(rig, 0)
    assert measure(rig, 0)
    assert rig.why() is None
    assert rig.times.now_ms("north") == rig.clock.now_ms()


@pytest.mark.parametrize("step_ms", [-300_000, 300_000])
def test_a_step_of_our_clock_does_not_change_the_venues_time(step_ms: int) -> None:
    for known in (False, True):
        rig = Rig(told=known)
        before = rig.times.now_ms("north")
        rig.clock.shift_ms = step_ms
        rig.pass_ms(1_000)
        assert rig.times.now_ms("north") == before + 1_000
        assert rig.why() == "clock_offset"
        rig.clock.shift_ms = 0
        assert rig.why() == (None if known else "clock_unknown")


def test_no_order_leaves_before_its_venue_has_told_its_time() -> None:
    rig = Rig(told=False)
    assert rig.why() == "clock_unknown"
    assert not measure(rig, 0, took_ms=2_001), "too slow to tell anything"
    assert rig.why() == "clock_unknown"
    assert measure(rig, 0)
    assert rig.why() is None


@pytest.mark.parametrize("wrong_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_is_set_right_after_the_start_stamps_no_order_wrong(wrong_ms: int) -> None:
    """Until its venue's time is confirmed an order would be stamped by the clock as it was at the start."""
    rig = Rig(told=False)
    rig.clock.shift_ms = wrong_ms
    rig.begin()
    assert not measure(rig, 0), "far from ours, it must be confirmed"
    assert rig.why() == "clock_offset"
    rig.clock.shift_ms = 0
    assert rig.why() == "clock_unknown"
    assert measure(rig, 0)
    assert rig.why() is None
    assert rig.times.now_ms("north") == rig.clock.now_ms()


@pytest.mark.parametrize("wrong_ms", [-3_600_000, 0, 3_600_000])
def test_how_old_an_order_is_follows_the_venue_and_until_it_has_told_its_time_this_process(
    wrong_ms: int,
) -> None:
    """Made a second before this process began, on a machine whose clock is wrong since."""
    rig = Rig(told=False)
    rig.clock.shift_ms = 0
    made_ms = rig.clock.now_ms() - 1_000
    rig.clock.shift_ms = wrong_ms
    rig.begin()
    rig.pass_ms(3_600_000)  # a standby, until the owner has made the order and died
    made_ms += 3_600_000
    rig.times.taken_over()
    for age_ms in (0, 5_000):
        assert rig.times.surely_ms("north", made_ms) <= made_ms + 1_000 + age_ms
        rig.pass_ms(5_000)
    measure(rig, 0)
    measure(rig, 0)
    assert rig.times.surely_ms("north", made_ms) == rig.clock.now_ms() - wrong_ms


def test_slow_drift_is_followed() -> None:
    """Our monotonic clock runs fast by 100 parts in a million for a day; measured once a minute."""
    rig, drift_ms = Rig(), 0.0
    for _ in range(1_440):
        assert measure(rig, -round(drift_ms))
        rig.pass_ms(60_000)
        drift_ms += 6
        told = rig.times.now_ms("north")
        assert abs(told - (rig.clock.now_ms() - drift_ms)) <= 1_000 + 6
    assert drift_ms > OFFSET_MS_MAX
    assert rig.why() == "clock_offset", "NTP is what keeps it open"


def test_a_reply_that_took_long_says_nothing_of_the_time() -> None:
    rig = Rig()
    assert not measure(rig, 300_000, took_ms=2_001)
    assert rig.why() is None, "what was told before stands"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Fri, 20 Nov 2026 14:00:00 GMT", 1_795_183_200_500),
        ("", None),
        ("yesterday", None),
        ("Fri, 99 Nov 2026 14:00:00 GMT", None),
        ("Fri, 20 Nov 99999999999 14:00:00 GMT", None),
    ],
)
def test_the_date_of_a_reply_is_read_or_ignored(text: str, wanted: int | None) -> None:
    assert date_of(Response(401, b"", {"date": text})) == wanted


def test_luck_decides_how_long_a_breaker_stays_open() -> None:
    rig = Rig()
    rig.clock.luck_percent = 25
    rig.saw(SILENT, times=5)
    rig.pass_ms(1_249)
    assert rig.breakers.due("north") == []
    rig.pass_ms(1)
    assert rig.breakers.due("north") == [Purpose.ORDER]
