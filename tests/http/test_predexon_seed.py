"""The seed dialect, byte for byte, against the contract's shape vectors."""

import msgspec
import pytest

from registry.model import OutcomeId
from router.core.model import Considered, MarketOrder, RouteId
from router.core.report import FillLine, FillStatus, Report
from router.http.predexon.show_seed import show
from venues.base.orders import Fee, OrderId, Side
from venues.base.units import ONE, Price

BOUGHT = (
    '{"routerOrderId":"rord-0b6c2f1e-55aa-4c1d-9a77-2f60f3c1d9e4","predexonId":"px-k3v7q2mzt5wd",'
    '"side":"buy","type":"market","requestedAmount":"25","requestedSize":null,"fills":['
    '{"venue":"north","orderId":"0x51d0","status":"filled","size":"40.000000","price":"0.310000",'
    '"amount":"12.400000"},{"venue":"south","orderId":"9f21","status":"filled","size":"40.000000",'
    '"price":"0.315000","amount":"12.600000"}],"summary":{"totalSize":"80.000000",'
    '"totalAmount":"25.000000","avgPrice":"0.312500","venuesUsed":2,"venuesFailed":0},'
    '"_routing":{"considered":[{"venue":"north","avgPrice":"0.310000","topLevelPrice":"0.310000",'
    '"droppedReason":null,"feeBpsAtTop":0},{"venue":"south","avgPrice":"0.315000",'
    '"topLevelPrice":"0.315000","droppedReason":null,"feeBpsAtTop":24.5}],'
    '"reasoning":"Split over north and south by effective price."}}'
)
FAILED = (
    '{"routerOrderId":"rord-1","predexonId":"px-k3v7q2mzt5wd","side":"sell","type":"market",'
    '"errorCode":"all_venues_failed","requestedAmount":null,"requestedSize":"3.5","fills":['
    '{"venue":"north","orderId":"failed-7c1e","status":"failed","size":"0.000000","price":"0.000000",'
    '"amount":"0.000000","error":"Venue returned HTTP 503"}],"summary":{"totalSize":"0.000000",'
    '"totalAmount":"0.000000","avgPrice":"0","venuesUsed":0,"venuesFailed":1},'
    '"_routing":{"considered":[{"venue":"north","avgPrice":null,"topLevelPrice":null,'
    '"droppedReason":"zero_depth","feeBpsAtTop":35}],"reasoning":"None."}}'
)


def line(venue: str, *, size: int = 0, cash: int = 0, **given: object) -> FillLine:
    defaults: dict[str, object] = {
        "venue": venue,
        "venue_order_id": None,
        "order_id": OrderId("7c1e"),
        "status": FillStatus.FAILED,
        "size": size,
        "cash": cash,
        "price": cash * ONE // size if size else 0,
        "fee": None,
        "error": None,
    }
    return msgspec.convert(defaults | given, FillLine)


def entry(venue: str, price: int | None, fee_e4: int, dropped: str | None = None) -> Considered:
    shown = None if price is None else Price(price)
    return Considered(venue=venue, average=shown, top=shown, dropped=dropped, fee_bps_at_top_e4=fee_e4)


def report(side: Side, requested: str, fills: tuple[FillLine, ...], **given: object) -> Report:
    asked = MarketOrder(outcome=OutcomeId("px-k3v7q2mzt5wd"), side=side, requested=requested)
    defaults: dict[str, object] = {
        "route_id": RouteId("rord-1"),
        "asked": asked,
        "fills": fills,
        "size": sum(line.size for line in fills),
        "cash": sum(line.cash for line in fills),
        "failed": all(line.status is FillStatus.FAILED for line in fills),
        "considered": (),
        "reasoning": "None.",
    }
    return msgspec.convert(defaults | given, Report)


def test_a_split_buy_is_shown_as_the_contract_has_it() -> None:
    fills = (
        line("north", venue_order_id="0x51d0", status=FillStatus.FILLED, size=40_000_000, cash=12_400_000),
        line("south", venue_order_id="9f21", status=FillStatus.FILLED, size=40_000_000, cash=12_600_000),
    )
    shown = report(
        Side.BUY,
        "25",
        fills,
        route_id="rord-0b6c2f1e-55aa-4c1d-9a77-2f60f3c1d9e4",
        considered=(entry("north", 310_000, 0), entry("south", 315_000, 245_000)),
        reasoning="Split over north and south by effective price.",
    )
    assert show(shown) == (201, BOUGHT.encode())


def test_when_every_venue_failed_the_whole_body_comes_with_502() -> None:
    fills = (line("north", error="Venue returned HTTP 503"),)
    shown = report(Side.SELL, "3.5", fills, considered=(entry("north", None, 350_000, "zero_depth"),))
    assert show(shown) == (502, FAILED.encode())


def test_one_order_that_may_still_fill_is_no_failure() -> None:
    fills = (line("north", error="no"), line("south", status=FillStatus.OPEN))
    status, body = show(report(Side.BUY, "1", fills))
    seen = msgspec.json.decode(body)
    assert status == 201
    assert "errorCode" not in seen
    assert seen["summary"] | {"venuesUsed": 1, "venuesFailed": 1} == seen["summary"]
    assert seen["fills"][1]["orderId"] == "7c1e"


@pytest.mark.parametrize(
    ("e4", "text"), [(246_975, "24.6975"), (350_000, "35"), (0, "0"), (5, "0.0005"), (10_500, "1.05")]
)
def test_a_fee_in_basis_points_is_a_plain_number(e4: int, text: str) -> None:
    fills = (line("north", status=FillStatus.OPEN),)
    _, body = show(report(Side.BUY, "1", fills, considered=(entry("north", 1, e4),)))
    assert f'"feeBpsAtTop":{text}}}'.encode() in body


def test_a_fee_is_shown_with_its_unit() -> None:
    fills = (
        line("north", status=FillStatus.PARTIAL, size=3_000_000, cash=1_000_000, fee=Fee(17_500, "USD")),
    )
    _, body = show(report(Side.BUY, "1", fills))
    assert b'"price":"0.333333","amount":"1.000000","fee":{"amount":"0.017500","unit":"USD"}}' in body
