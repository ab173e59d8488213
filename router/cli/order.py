"""`crossbook order`: one market order to a running router, and its answer for a person."""

from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from router.cli import client


class _Fill(msgspec.Struct, rename="camel"):
    venue: str
    order_id: str
    status: str
    size: str
    price: str
    amount: str
    error: str | None = None


class _Summary(msgspec.Struct, rename="camel"):
    total_size: str
    total_amount: str
    avg_price: str


class _Routing(msgspec.Struct):
    reasoning: str


class _Order(msgspec.Struct, rename="camel"):
    router_order_id: str
    fills: list[_Fill]
    summary: _Summary
    routing: _Routing = msgspec.field(name="_routing")


class _Error(msgspec.Struct, rename="camel"):
    error: str
    error_code: str


async def place(
    base_url: str,
    key_and_account: tuple[str, str],
    order: dict[str, str],
    *,
    raw: Callable[[str], None] | None,
) -> int:
    """Send it and show the answer, as JSON through `raw` when given; exit code 0 only on 201."""
    api_key, account_id = key_and_account
    answered = await client.place(base_url, api_key, account_id, order)
    if raw is not None:
        raw(answered.body.decode(errors="replace"))
    else:
        show(answered, Console())
    return 0 if answered.status == 201 else 1


def show(answered: client.Answered, console: Console) -> None:
    """The answer as a table and a sentence."""
    try:
        done = msgspec.json.decode(answered.body, type=_Order)
    except msgspec.DecodeError:
        console.print(_refusal(answered), style="red", markup=False)
        return
    table = Table("venue", "status", "size", "price", "amount", "order", title=done.router_order_id)
    for fill in done.fills:
        table.add_row(
            *map(escape, (fill.venue, fill.error or fill.status, fill.size, fill.price, fill.amount)),
            escape(fill.order_id),
        )
    total = done.summary
    table.add_row("total", "", total.total_size, total.avg_price, total.total_amount, "", style="bold")
    console.print(table)
    console.print(done.routing.reasoning, markup=False)


def _refusal(answered: client.Answered) -> str:
    try:
        refused = msgspec.json.decode(answered.body, type=_Error)
    except msgspec.DecodeError:
        return f"HTTP {answered.status}"
    return f"HTTP {answered.status} {refused.error_code}: {refused.error}"
