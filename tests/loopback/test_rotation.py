"""Keys of a venue are replaced while orders go on."""

import asyncio
from pathlib import Path

import pytest

from router.core.model import AccountId
from tests.loopback.scene import Json, scene
from venues import discover

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("venue", sorted(discover()))
async def test_orders_go_on_while_the_keys_of_a_venue_are_replaced(tmp_path: Path, venue: str) -> None:
    """The new keys are another customer's, so that the venue's own books say who placed which order."""
    async with scene(tmp_path) as stage:
        stage.sealed, stage.keys["k"] = True, ["a"]
        [native, *_] = await stage.market(venue)
        await stage.book(venue, native, [], [("0.4", "10000")])
        outcome = stage.outcome("one", (venue, native, False))
        await stage.account("a", **{venue: {"balance": "1000"}})
        second = await stage.control(venue, "POST", "accounts", {"balance": "1000"})
        await stage.route()
        trades = []
        books: Json = {"orders": []}
        for turn in range(200):
            if turn == 1:
                stage.put("a", venue, second["credentials"])
            status, body = await stage.order(outcome, side="buy", amount="8")
            trades.append((status, body["summary"]["venuesFailed"]))
            books = await stage.control(venue, "GET", f"ledger?account={second['account']}")
            if books["orders"]:
                break
            await asyncio.sleep(0.05)
        assert stage.instance is not None
        signer = stage.instance.accounts[AccountId("a")].signers[venue]
        stream = stage.instance.streams._streams.get((AccountId("a"), venue))
        assert stream is None or stream.signer is signer, "the account's next stream opens with the new keys"
        assert stage.instance.market._signers[venue] is signer, "and the next feed that needs keys"
        first = await stage.ledger(venue)
        assert books["orders"], "the new keys trade"
        assert set(trades) == {(201, 0)}, "and nobody noticed"
        assert len(first["orders"]) + len(books["orders"]) == len(trades)
