"""The seed dialect: a report as the older Predexon contract shows it, byte for byte.

Key order is the order of the fields below. Sizes and amounts have six digits and are never rounded up;
prices are rounded half-even.
"""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from router.core.model import Considered
from router.core.report import FillLine, FillStatus, Report
from venues.base.orders import Side
from venues.base.units import Price, decimal

ALL_VENUES_FAILED = "all_venues_failed"
BPS_SCALE = 10_000
"""`Considered.fee_bps_at_top_e4` counts ten-thousandths of a basis point."""


SixDigits = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]{6}$")]
Echoed = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$")]
Number = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "number"})]
"""Digits of ours in place of a float."""


class SeedFee(msgspec.Struct, frozen=True):
    """What the venue charged, in its own unit."""

    amount: SixDigits
    unit: str


class SeedFill(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One dispatched venue order."""

    venue: str
    order_id: str
    status: Annotated[str, Meta(extra_json_schema={"enum": [status.value for status in FillStatus]})]
    size: SixDigits
    price: SixDigits
    amount: SixDigits
    fee: SeedFee | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class SeedSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Totals over all fills."""

    total_size: SixDigits
    total_amount: SixDigits
    avg_price: Annotated[
        str, Meta(pattern=r"^(0|[0-9]+\.[0-9]{6})$", description="0 when nothing was filled.")
    ]
    venues_used: int
    venues_failed: int


class SeedConsidered(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a venue was or was not used."""

    venue: str
    avg_price: SixDigits | None
    top_level_price: SixDigits | None
    dropped_reason: str | None
    fee_bps_at_top: Number


class SeedRouting(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The reasons."""

    considered: list[SeedConsidered]
    reasoning: str


class SeedOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of 201, and of the 502 in which every dispatched order failed."""

    router_order_id: str
    predexon_id: str
    side: Annotated[str, Meta(extra_json_schema={"enum": ["buy", "sell"]})]
    type: Annotated[str, Meta(extra_json_schema={"const": "market"})]
    error_code: str | msgspec.UnsetType = msgspec.UNSET
    requested_amount: Echoed | None
    requested_size: Echoed | None
    fills: list[SeedFill]
    summary: SeedSummary
    routing: SeedRouting = msgspec.field(name="_routing")


_encoder = msgspec.json.Encoder()


def show(report: Report) -> tuple[int, bytes]:
    """HTTP status and body of a report: 201 when anything filled or may still fill, else 502."""
    buy = report.asked.side is Side.BUY
    body = SeedOrder(
        router_order_id=report.route_id,
        predexon_id=report.asked.outcome,
        side="buy" if buy else "sell",
        type="market",
        error_code=ALL_VENUES_FAILED if report.failed else msgspec.UNSET,
        requested_amount=report.asked.requested if buy else None,
        requested_size=None if buy else report.asked.requested,
        fills=[_fill(line) for line in report.fills],
        summary=_summary(report),
        routing=SeedRouting(
            considered=[_considered(entry) for entry in report.considered], reasoning=report.reasoning
        ),
    )
    return (502 if report.failed else 201), _encoder.encode(body)


def _fill(line: FillLine) -> SeedFill:
    failed = line.status is FillStatus.FAILED
    fallback = f"failed-{line.order_id}" if failed else line.order_id
    return SeedFill(
        venue=line.venue,
        order_id=line.venue_order_id or fallback,
        status=line.status.value,
        size=decimal(line.size),
        price=decimal(line.price),
        amount=decimal(line.cash),
        fee=SeedFee(decimal(line.fee.amount), line.fee.unit) if line.fee else msgspec.UNSET,
        error=(line.error or "failed") if failed else msgspec.UNSET,
    )


def _summary(report: Report) -> SeedSummary:
    """A venue that got several orders counts once: as used if any of them was not a failure."""
    used = {line.venue for line in report.fills if line.status is not FillStatus.FAILED}
    failed = {line.venue for line in report.fills} - used
    average = report.average
    return SeedSummary(
        total_size=decimal(report.size),
        total_amount=decimal(report.cash),
        avg_price="0" if average is None else decimal(average),
        venues_used=len(used),
        venues_failed=len(failed),
    )


def _considered(entry: Considered) -> SeedConsidered:
    whole, rest = divmod(entry.fee_bps_at_top_e4, BPS_SCALE)
    bps = Decimal(entry.fee_bps_at_top_e4).scaleb(-4).normalize() if rest else whole
    return SeedConsidered(
        venue=entry.venue,
        avg_price=_price(entry.average),
        top_level_price=_price(entry.top),
        dropped_reason=entry.dropped,
        fee_bps_at_top=msgspec.Raw(f"{bps}"),
    )


def _price(price: Price | None) -> str | None:
    return None if price is None else decimal(price)
