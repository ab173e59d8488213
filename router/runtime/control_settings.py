"""The settings of the controls, and what they mean for one account at one venue."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from registry.model import Match
from router.core.controls import AccountLimits, CashLimits
from router.core.model import AccountId
from router.core.trail import Change, Trail
from router.runtime import wording
from venues.base.units import Cash, Price, Size, micros

Decimal = Annotated[str, msgspec.Meta(pattern=wording.DECIMAL)]
Fraction = Annotated[str, msgspec.Meta(pattern=wording.FRACTION)]
PerSecond = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Classes = Annotated[tuple[Literal["exact", "ordinary", "basis"], ...], msgspec.Meta(min_length=1)]
BPS = 100
"""In a percent."""


class ControlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every account may do."""

    order_usd: Decimal = "100"
    minute_usd: Decimal = "500"
    open_usd: Decimal = "1000"
    order_shares: Decimal = "100000"
    collar_usd: Fraction = "0.10"
    collar_percent: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 15
    depth_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    orders_per_second: PerSecond = 5
    total_per_second: PerSecond = 50
    closing_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 60_000
    confirm_below_usd: Fraction = "0.01"
    confirm_above_usd: Fraction = "0.99"
    confirm_medians: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10
    classes: Classes = ("exact", "ordinary")
    """How a listing must match its outcome in the registry. What is blocked is never traded."""
    halt_file: str | None = None
    """Its presence halts trading; `halt` in the store's directory when nothing is said."""
    cancel_on_halt: bool = False
    """Every halt, by file and signal too, takes what rests in its scope off the books."""


class CashConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much money at one venue; what is left out is as for the account."""

    order_usd: Decimal | None = None
    minute_usd: Decimal | None = None
    open_usd: Decimal | None = None


class AccountControls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where one account differs; what is left out is as for every account."""

    order_usd: Decimal | None = None
    minute_usd: Decimal | None = None
    open_usd: Decimal | None = None
    order_shares: Decimal | None = None
    collar_usd: Fraction | None = None
    collar_percent: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    depth_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    orders_per_second: PerSecond | None = None
    closing_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] | None = None
    confirm_below_usd: Fraction | None = None
    confirm_above_usd: Fraction | None = None
    confirm_medians: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    classes: Classes | None = None
    venues: dict[str, CashConfig] = {}
    """How much of it at one venue."""


class LimitBook(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of all accounts."""

    default: AccountLimits
    by_account: Mapping[AccountId, AccountLimits]
    total_per_second: int

    def of(self, account_id: AccountId) -> AccountLimits:
        """What this account may do."""
        return self.by_account.get(account_id, self.default)


def limit_book(
    every: ControlsConfig, accounts: Mapping[str, AccountControls], venues: Mapping[str, CashConfig]
) -> LimitBook:
    """The narrower setting wins: account at venue, venue, account, all."""
    by_account = {AccountId(name): _limits(every, own, venues) for name, own in accounts.items()}
    return LimitBook(
        default=_limits(every, AccountControls(), venues),
        by_account=by_account,
        total_per_second=every.total_per_second,
    )


def _limits(every: ControlsConfig, own: AccountControls, venues: Mapping[str, CashConfig]) -> AccountLimits:
    given = {f: v for f in own.__struct_fields__ if f != "venues" and (v := getattr(own, f)) is not None}
    merged: ControlsConfig = msgspec.structs.replace(every, **given)
    cash = CashLimits(
        order=Cash(micros(merged.order_usd)),
        minute=Cash(micros(merged.minute_usd)),
        open=Cash(micros(merged.open_usd)),
    )
    limited = {
        venue for each in (venues, own.venues) for venue, config in each.items() if config != CashConfig()
    }
    return AccountLimits(
        cash=cash,
        at={venue: _cash(cash, venues.get(venue), own.venues.get(venue)) for venue in limited},
        order_size=Size(micros(merged.order_shares)),
        collar=Price(micros(merged.collar_usd)),
        collar_bps=merged.collar_percent * BPS,
        depth_bps=merged.depth_percent * BPS,
        orders_per_second=merged.orders_per_second,
        closing_ms=merged.closing_ms,
        price_low=Price(micros(merged.confirm_below_usd)),
        price_high=Price(micros(merged.confirm_above_usd)),
        matches=frozenset(map(Match, merged.classes)),
        usual_times=merged.confirm_medians,
    )


def _cash(cash: CashLimits, *narrower: CashConfig | None) -> CashLimits:
    """Never more than the account may do in all."""
    order, minute, live = cash.order, cash.minute, cash.open
    for config in narrower:
        if config is not None:
            order = _given(config.order_usd, order)
            minute = _given(config.minute_usd, minute)
            live = _given(config.open_usd, live)
    return CashLimits(order=order, minute=minute, open=live)


def _given(text: str | None, default: Cash) -> Cash:
    return default if text is None else Cash(micros(text))


LIMITS = "limits"
"""The word on the trail for changed limits."""


def written(
    every: ControlsConfig, accounts: Mapping[str, AccountControls], venues: Mapping[str, CashConfig]
) -> str:
    """All settings of the controls in one text: equal settings, equal text."""
    tree = {"every": every, "accounts": dict(accounts), "venues": dict(venues)}
    return msgspec.json.encode(tree, order="sorted").decode()


def changed(trail: Trail, now: str, at_ms: int) -> Change | None:
    """What goes onto the trail when the settings are other limits than at the last start, or the first."""
    starts = (each.value for each in reversed(trail.changes) if (each.what, each.subject) == (LIMITS, "all"))
    before = next(starts, None)
    if now == before:
        return None
    return Change(at_ms=at_ms, by="settings", what=LIMITS, subject="all", value=now)


def applied(limits: AccountLimits, own: AccountControls) -> AccountLimits:
    """These limits with what a key with the scope admin has set for the account."""
    cash = CashLimits(
        order=_given(own.order_usd, limits.cash.order),
        minute=_given(own.minute_usd, limits.cash.minute),
        open=_given(own.open_usd, limits.cash.open),
    )
    at = {venue: _cash(limits.at.get(venue, cash), config) for venue, config in own.venues.items()}
    return msgspec.structs.replace(
        limits,
        cash=cash,
        at={**limits.at, **at},
        order_size=Size(_given(own.order_shares, Cash(limits.order_size))),
        collar=Price(_given(own.collar_usd, Cash(limits.collar))),
        price_low=Price(_given(own.confirm_below_usd, Cash(limits.price_low))),
        price_high=Price(_given(own.confirm_above_usd, Cash(limits.price_high))),
        collar_bps=_scaled(own.collar_percent, limits.collar_bps),
        depth_bps=_scaled(own.depth_percent, limits.depth_bps),
        orders_per_second=own.orders_per_second or limits.orders_per_second,
        closing_ms=limits.closing_ms if own.closing_ms is None else own.closing_ms,
        matches=limits.matches if own.classes is None else frozenset(map(Match, own.classes)),
        usual_times=own.confirm_medians or limits.usual_times,
    )


def _scaled(percent: int | None, default: int) -> int:
    return default if percent is None else percent * BPS


_overrides = msgspec.json.Decoder(AccountControls)


def overrides(trail: Trail) -> dict[AccountId, AccountControls]:
    """What admin keys have set, by account: the last word on each."""
    found: dict[AccountId, AccountControls] = {}
    for change in trail.changes:
        kind, _, name = change.subject.partition(":")
        if change.what == LIMITS and kind == "account":
            found[AccountId(name)] = _overrides.decode(change.value)
    return found


def override(account_id: AccountId, own: AccountControls, *, by: str, why: str, at_ms: int) -> Change:
    """What goes onto the trail when a key sets an account's limits."""
    value = msgspec.json.encode(own).decode()
    subject = f"account:{account_id}"
    return Change(at_ms=at_ms, by=by, what=LIMITS, subject=subject, why=why, value=value)
