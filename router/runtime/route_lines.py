"""What the log says of a route: one line when its caller is answered, one when more is known of an order.

Every line of a request carries `request`, and from its plan on `route`, through `logs.bind`:
tasks inherit both from the task that started them.
"""

import structlog

from router.core.errors import Refusal
from router.core.model import AccountId, MarketOrder
from router.core.records import Replied
from router.core.report import Report
from venues.base.orders import Answer, Filled, Order, Pending, Rejected, Side, Unknown, Working
from venues.base.units import plain

log = structlog.get_logger(__name__)


def ended(account: AccountId, report: Report, *, status: str, ms: int) -> None:
    """A caller is told what was done. What is open then is told order by order."""
    asked, fees = report.asked, sum([line.fee.cash for line in report.fills if line.fee])
    buy = asked.side is Side.BUY
    log.info(
        "route.ended",
        **_asked(account, asked),
        status=status,
        filled=plain(report.size),
        **({"spent": plain(report.cash + fees)} if buy else {"received": plain(report.cash - fees)}),
        venues=list(dict.fromkeys([line.venue for line in report.fills])),
        why=report.reasoning,
        ms=ms,
    )


def refused(account: AccountId, asked: MarketOrder, refusal: Refusal, *, ms: int) -> None:
    """A caller is told that nothing was sent, and why."""
    word = type(refusal).__name__
    log.info("route.refused", **_asked(account, asked), refusal=word, why=str(refusal), ms=ms)


def replayed(account: AccountId, asked: MarketOrder, reply: Replied) -> None:
    """A caller whose key was answered before is told the same again."""
    log.info("route.replayed", **_asked(account, asked), first=reply.route_id, status=reply.status)


def learnt(account: AccountId, order: Order, answer: Answer, *, ms: int) -> None:
    """What a venue has proven about an order by now; `ms` since the route began to send or to ask."""
    say = log.warning if isinstance(answer, Unknown) else log.info
    say(
        "order.answered",
        account=account,
        venue=order.listing.venue,
        listing=str(order.listing.key),
        order=order.order_id,
        answer=type(answer).__name__.lower(),
        **_proven(answer),
        ms=ms,
    )


def _asked(account: AccountId, asked: MarketOrder) -> dict[str, str]:
    return {
        "account": account,
        "outcome": asked.outcome,
        "side": asked.side.value,
        "asked": asked.requested,
    }


def _proven(answer: Answer) -> dict[str, str]:
    match answer:
        case Filled() | Working():
            return {
                "venue_order": answer.venue_order_id,
                "filled": plain(answer.size),
                "cash": plain(answer.cash),
                "fee": f"{plain(answer.fee.amount)} {answer.fee.unit}",
            }
        case Pending():
            return {
                "venue_order": answer.venue_order_id,
                "filled": plain(answer.size),
                "cash": plain(answer.cash),
                "why": answer.reason,
            }
        case Rejected():
            return {"why": f"{answer.code}: {answer.message}"}
        case Unknown():
            return {"why": answer.reason}
