"""What the settings of the controls mean for an account at a venue, and what of them goes onto the trail."""

import msgspec
import pytest

from router.core.controls import AccountLimits, CashLimits
from router.core.model import AccountId
from router.core.trail import Change, Trail
from router.runtime.control_settings import (
    AccountControls,
    CashConfig,
    ControlsConfig,
    applied,
    changed,
    limit_book,
    written,
)
from venues.base.units import ONE, Cash, Price

DEFAULTS = ControlsConfig()
A, B = AccountId("a"), AccountId("b")


def test_the_settings_say_by_default_what_the_controls_do_by_default() -> None:
    book = limit_book(DEFAULTS, {}, {})
    assert book.of(A) == AccountLimits()
    assert book.total_per_second == 50


def test_the_narrower_setting_wins() -> None:
    accounts = {
        "a": AccountControls(
            order_usd="20.5", collar_usd="0.03", venues={"x": CashConfig(order_usd="1"), "y": CashConfig()}
        )
    }
    venues = {"x": CashConfig(order_usd="50", minute_usd="60"), "z": CashConfig(open_usd="70")}
    book = limit_book(DEFAULTS, accounts, venues)
    mine, other = book.of(A), book.of(B)
    assert (mine.cash.order, mine.cash.minute, mine.collar) == (20_500_000, 500 * ONE, Price(30_000))
    assert mine.cash_at("x") == CashLimits(order=Cash(ONE), minute=Cash(60 * ONE), open=Cash(1_000 * ONE))
    assert mine.cash_at("y") == mine.cash_at("elsewhere") == mine.cash
    assert mine.cash_at("z").open == 70 * ONE
    assert other.cash_at("x").order == 50 * ONE
    assert (other.cash.order, other.collar) == (100 * ONE, Price(100_000))


def test_a_venue_without_limits_of_its_own_follows_the_account_also_when_an_admin_raises_them() -> None:
    venues = {"x": CashConfig(), "z": CashConfig(order_usd="100")}
    raised = applied(limit_book(DEFAULTS, {}, venues).of(A), AccountControls(order_usd="200"))
    assert raised.cash_at("x") == raised.cash == CashLimits(order=Cash(200 * ONE))
    assert raised.cash_at("z").order == 100 * ONE


@pytest.mark.parametrize("text", ["-1", "1e3", "NaN", "", "1.0000001", "1,000", " 1", "1_0"])
def test_an_amount_is_a_plain_decimal(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"order_usd": text}, ControlsConfig)


def test_limits_go_onto_the_trail_when_they_are_others_than_at_the_last_start() -> None:
    first = written(DEFAULTS, {}, {})
    start = changed(Trail((), None), first, 5)
    assert start == Change(at_ms=5, by="settings", what="limits", subject="all", value=first)
    halted = Change(at_ms=6, by="x", what="halted", subject="all")
    trail = Trail((start, halted), None)
    assert changed(trail, written(ControlsConfig(), {}, {}), 7) is None
    for other in (
        written(ControlsConfig(order_usd="101"), {}, {}),
        written(DEFAULTS, {"a": AccountControls(order_usd="5")}, {}),
        written(DEFAULTS, {}, {"x": CashConfig(open_usd="5")}),
    ):
        late = changed(trail, other, 7)
        assert late is not None
        assert late.value == other
