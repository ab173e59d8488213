"""The report: only proof makes an order failed, and every figure is the sum of the venues' words."""

import pytest

from router.core.model import Considered
from router.core.records import Planned
from router.core.report import FillStatus, Report, report
from tests.core.samples import listing, order, planned
from venues.base.contract import Traits
from venues.base.orders import Answer, Fee, Filled, OrderId, Pending, Rejected, Side, Unknown, Working
from venues.base.units import ONE, Cash, Price, Size

O1 = OrderId("o1")
TRAITS = {"north": Traits(), "south": Traits(buys_in_cash=True, cash_lot=10_000)}


def filled(size: int, cash: int = 0, order_id: str = "o1") -> Filled:
    return Filled(OrderId(order_id), "v1", Size(size), Cash(cash or size // 2), Fee(7, "USD"))


def told(*answers: Answer, intent: Planned | None = None) -> Report:
    return report(intent or planned(order("o1")), {a.order_id: a for a in answers}, TRAITS)


@pytest.mark.parametrize(
    ("answer", "status", "size"),
    [
        (filled(10 * ONE), FillStatus.FILLED, 10 * ONE),
        (filled(10 * ONE - 9_999), FillStatus.FILLED, 10 * ONE - 9_999),
        (filled(10 * ONE - 10_000), FillStatus.PARTIAL, 10 * ONE - 10_000),
        (filled(0), FillStatus.FAILED, 0),
        (Rejected(O1, "no", "why"), FillStatus.FAILED, 0),
        (Unknown(O1, "timeout"), FillStatus.OPEN, 0),
        (None, FillStatus.OPEN, 0),
        (Pending(O1, "v1", Size(0), Cash(0), "delayed"), FillStatus.OPEN, 0),
        (Pending(O1, "v1", Size(4 * ONE), Cash(2 * ONE), "delayed"), FillStatus.OPEN, 4 * ONE),
        (Pending(O1, "v1", Size(10 * ONE), Cash(5 * ONE), "fees"), FillStatus.FILLED, 10 * ONE),
        (Working(O1, "v1", Size(4 * ONE), Cash(2 * ONE), Fee(0, "USD")), FillStatus.OPEN, 4 * ONE),
    ],
)
def test_each_answer_has_its_status(answer: Answer | None, status: FillStatus, size: int) -> None:
    [line] = told(*([answer] if answer else [])).fills
    assert (line.status, line.size) == (status, size)
    assert (line.error is not None) == (status is FillStatus.FAILED)


def test_a_buy_of_cash_is_done_when_its_cash_or_its_shares_are() -> None:
    south = order("o1", listing=listing(venue="south"), cash=Cash(5 * ONE))
    intent = planned(south)
    for answer, status in [
        (filled(9 * ONE, 5 * ONE - 9_999), FillStatus.FILLED),
        (filled(10 * ONE, 4 * ONE), FillStatus.FILLED),
        (filled(9 * ONE, 5 * ONE - 10_000), FillStatus.PARTIAL),
    ]:
        assert told(answer, intent=intent).fills[0].status is status


def test_totals_are_the_sums_and_the_average_is_weighted_by_size() -> None:
    intent = planned(order("o1"), order("o2"), order("o3"))
    done = told(
        filled(10 * ONE, 3 * ONE), filled(5 * ONE, 3 * ONE, "o2"), Unknown(OrderId("o3"), "t"), intent=intent
    )
    assert (done.size, done.cash, done.average) == (15 * ONE, 6 * ONE, Price(400_000))
    assert [line.price for line in done.fills] == [300_000, 600_000, 0]
    assert not done.failed


def test_a_route_failed_only_when_every_order_did_with_proof() -> None:
    intent = planned(order("o1"), order("o2"))
    no = [Rejected(OrderId(o), "no", "why") for o in ("o1", "o2")]
    assert told(*no, intent=intent).failed
    assert not told(no[0], intent=intent).failed
    assert not told(no[0], Unknown(OrderId("o2"), "t"), intent=intent).failed
    assert told(*no, intent=intent).average is None


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((filled(10 * ONE),), "Bought 10 at 0.5 on north: the lowest prices after fees."),
        (
            (filled(4 * ONE),),
            "Bought 4 at 0.5 on north: the lowest prices after fees. Not all was done on north.",
        ),
        ((Unknown(O1, "t"),), "No fill is confirmed yet; north will be asked again."),
        ((Rejected(O1, "no", "why"),), "Nothing was filled: north (no: why)."),
    ],
)
def test_the_reasons_are_a_sentence(answers: tuple[Answer, ...], words: str) -> None:
    assert told(*answers).reasoning == words


def test_a_venue_is_named_once_in_what_was_not_done() -> None:
    intent = planned(order("o1"), order("o2"), order("o3"))
    done = told(filled(10 * ONE), filled(4 * ONE, 0, "o2"), Rejected(OrderId("o3"), "no", ""), intent=intent)
    assert done.reasoning.endswith("Not all was done on north.")


def test_a_sale_speaks_of_the_highest_prices_and_of_venues_not_used() -> None:
    asked = planned(order("o1", side=Side.SELL)).asked
    dropped = Considered(venue="south", average=None, top=None, dropped="no_position", fee_bps_at_top_e4=0)
    intent = planned(
        order("o1", side=Side.SELL),
        asked=type(asked)(outcome=asked.outcome, side=Side.SELL, size=Size(10 * ONE), requested="10"),
        considered=(dropped,),
    )
    assert told(filled(10 * ONE), intent=intent).reasoning == (
        "Sold 10 at 0.5 on north: the highest prices after fees. Not used: south (no position)."
    )
