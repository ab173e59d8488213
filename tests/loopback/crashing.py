"""The `crossbook` command with bugs of ours: an order for UNLUCKY dollars fails where keys are at hand."""

import faulthandler
from typing import Any

from router.main import main
from router.runtime.hands import RouteHands
from router.runtime.planner import Planner

UNLUCKY, UNLUCKIER = 6_660_000, 7_770_000


async def crash(planner: Planner, account: Any, asked: Any, outcome: Any) -> Any:
    """A bug while an order is planned, with the account's signers in sight."""
    signers = dict(account.signers)
    if asked.amount == UNLUCKY:
        raise RuntimeError(f"a bug in planning for {account} with {signers} of {planner}")
    return await draft(planner, account, asked, outcome)


async def crash_late(hands: RouteHands, order: Any) -> Any:
    """A bug while an order is sent."""
    signer = hands._account.signers[order.listing.venue]
    if hands._began_ms and order.cash + order.reserve > UNLUCKIER - 500_000:
        raise ValueError(f"a bug in sending with {signer!r} {vars(hands)}")
    return await place(hands, order)


if __name__ == "__main__":
    faulthandler.enable()
    draft, place = Planner.draft, RouteHands.place
    Planner.draft = crash  # type: ignore[assignment,method-assign]  # that is the bug
    RouteHands.place = crash_late  # type: ignore[assignment,method-assign]  # that is the other one
    main()
