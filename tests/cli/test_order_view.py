"""What `crossbook order` shows: whatever a venue or the router says, in its own words."""

from io import StringIO

import msgspec
import pytest
from rich.console import Console

from router.cli import client
from router.cli.order import show

ODD = "price [/bold] not on [grid]"
FILL = {"venue": "north", "orderId": "failed-1", "status": "failed", "error": ODD}
NOTHING = {"size": "0.000000", "price": "0.000000", "amount": "0.000000"}
ORDER = {
    "routerOrderId": "rord-1",
    "fills": [FILL | NOTHING],
    "summary": {"totalSize": "0.000000", "totalAmount": "0.000000", "avgPrice": "0"},
    "_routing": {"considered": [], "reasoning": f"Nothing was filled: north ({ODD})."},
}


def shown(status: int, body: object) -> str:
    text = StringIO()
    show(client.Answered(status, msgspec.json.encode(body)), Console(file=text, width=200))
    return text.getvalue()


def test_brackets_in_an_answer_are_shown_and_not_obeyed() -> None:
    assert shown(502, ORDER).count(ODD) == 2
    assert f"HTTP 400 parse_error: {ODD}" in shown(400, {"error": ODD, "errorCode": "parse_error"})


async def test_a_router_that_is_not_there_got_nothing() -> None:
    with pytest.raises(client.Unreachable, match="nothing was sent"):
        await client.place("http://127.0.0.1:1", "k", "a", {})
    with pytest.raises(client.Unreachable, match="nothing was sent"):
        await client.place("not a url", "k", "a", {})
