"""The private half of the simulated venue's REST face: orders, trades, balances (card, sections 5 and 9)."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from venues.base.units import down
from venues.polymarket import sim_rows as rows
from venues.polymarket import sim_rules as rules
from venues.polymarket.sim_accounts import Accounts, ApiKey
from venues.polymarket.sim_desk import Desk
from venues.polymarket.sim_rows import Json
from venues.polymarket.sim_rules import RefusedError
from venues.sim.contract import Call
from venues.sim.model import Status
from venues.sim.numeral import numeral

BATCH_MAX = 15
"""Orders in one POST /orders (section 5.5)."""
CANCELS_MAX = 3_000
END = -1
"""The offset behind the last page: its cursor is "LTE="."""
FIRST_PAGE = "MA=="
ALLOWANCE = str(2**256 - 1)
SECONDS_MAX = 10**18 - 1
OPEN = ("LIVE", "DELAYED")
Handler = Callable[[ApiKey, Call, int], Any]


class PrivateFace:
    """What an API key may ask for. Every handler takes the key, the call and the time."""

    def __init__(
        self, desk: Desk, accounts: Accounts, spenders: Sequence[str], knobs: Mapping[str, int]
    ) -> None:
        self._desk = desk
        self._spenders = spenders
        self._knobs = knobs
        self.routes: dict[str, Handler] = {
            "GET /auth/api-keys": lambda key, *_: {"apiKeys": accounts.of(key.customer)},
            "DELETE /auth/api-key": lambda key, *_: accounts.delete(key),
            "GET /auth/ban-status/closed-only": lambda *_: {"closed_only": False},
            "POST /order": self._post,
            "POST /orders": self._post_batch,
            "DELETE /order": self._cancel,
            "DELETE /orders": self._cancel,
            "DELETE /cancel-all": self._cancel_where,
            "DELETE /cancel-market-orders": self._cancel_where,
            "GET /data/order/*": self._order,
            "GET /data/orders": self._orders,
            "GET /data/trades": self._trades,
            "GET /balance-allowance": self._balance,
            "GET /balance-allowance/update": self._balance,
        }

    def _cancel(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        """One order as {"orderID": id}, or a list of ids."""
        wish = read_json(call, dict if call.path == "/order" else list)
        ids: list[Any] = [wish.get("orderID")] if isinstance(wish, dict) else wish
        if len(ids) > CANCELS_MAX or not all(isinstance(order_id, str) for order_id in ids):
            raise RefusedError(400, "Invalid orderID")
        return self._desk.cancel(dict.fromkeys(ids), key.customer.account, now_ms)

    def _post(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        try:
            return self._desk.post(key, read_json(call), now_ms)
        except RefusedError as refusal:
            if not self._knobs["soft_refusals"]:
                raise
            return rows.order_reply(refusal.text, success=False)

    def _post_batch(self, key: ApiKey, call: Call, now_ms: int) -> list[Json]:
        """One result each; a refused order reads success true with errorMsg set (section 5.5)."""
        payloads = read_json(call, list)
        if not 1 <= len(payloads) <= BATCH_MAX:
            raise RefusedError(400, f"Too many orders in payload: {len(payloads)}, max allowed: {BATCH_MAX}")
        results = []
        for payload in payloads:
            try:
                results.append(self._desk.post(key, payload, now_ms))
            except RefusedError as refusal:
                results.append(rows.order_reply(refusal.text, success=True))
        return results

    def _cancel_where(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        """Everything, or everything of a market or token."""
        wish = read_json(call, dict) if call.body else {}
        market, token = wish.get("market"), wish.get("asset_id")
        ids = [
            order.order_id
            for order in self._desk.orders.values()
            if order.account == key.customer.account.name
            and order.status is Status.RESTING
            and "state" not in order.notes
            and market in (None, "", order.market.market_id)
            and token in (None, "", order.market.natives[order.outcome])
        ]
        return self._desk.cancel(ids, key.customer.account, now_ms)

    def _order(self, key: ApiKey, call: Call, now_ms: int) -> Json | None:
        order = self._desk.orders.get(last_segment(call))
        shown_ms = now_ms - self._knobs["data_lag_ms"]
        if order is None or order.account != key.customer.account.name or order.created_ms > shown_ms:
            raise RefusedError(404, "order not found")
        row = rows.order_row(order, key.customer.account)
        return None if self._knobs["hide_closed"] and row["status"] not in OPEN else row

    def _orders(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        """Open orders, or the one whose id is given."""
        wanted, shown_ms = call.query.get("id"), now_ms - self._knobs["data_lag_ms"]
        found = [
            rows.order_row(order, key.customer.account)
            for order in self._desk.orders.values()
            if order.account == key.customer.account.name and order.created_ms <= shown_ms
        ]
        chosen = [row for row in found if (row["id"] == wanted if wanted else row["status"] == "LIVE")]
        return self._page(_asked(chosen, call, "market", "asset_id"), call)

    def _trades(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        """The account's trades on either side, newest first."""
        account, shown_ms = key.customer.account.name, now_ms - self._knobs["data_lag_ms"]
        after, before = (_seconds(call.query.get(name)) for name in ("after", "before"))
        found = [
            rows.trade_row(trade, account)
            for trade in reversed(self._desk.trades)
            if trade.concerns(account)
            and trade.at_ms <= shown_ms
            and (after is None or down(trade.at_ms, 1_000) >= after)
            and (before is None or down(trade.at_ms, 1_000) <= before)
        ]
        chosen = _asked(found, call, "id", "market", "asset_id")
        wallet = call.query.get("maker_address")
        return self._page([row for row in chosen if wallet is None or wallet in rows.wallets_of(row)], call)

    def _page(self, found: Sequence[Json], call: Call) -> Json:
        try:
            start = int(base64.b64decode(call.query.get("next_cursor") or FIRST_PAGE, validate=True))
        except ValueError:
            start = END - 1
        if start < END:
            raise RefusedError(400, "invalid next_cursor")
        size = self._knobs["page_size"]
        data = list(found[start : start + size]) if start != END else []
        following = start + size if start != END and start + size < len(found) else END
        cursor = base64.b64encode(str(following).encode()).decode()
        return {"data": data, "next_cursor": cursor, "limit": size, "count": len(data)}

    def _balance(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        """What the wallet of this signature type holds on the chain, promised to open orders or not."""
        customer, kind = key.customer, call.query.get("asset_type")
        held = 0
        if call.query.get("signature_type", str(customer.signature_type)) == str(customer.signature_type):
            if kind == "COLLATERAL":
                held = customer.account.cash - self._desk.unsettled(customer.account.name, None)
            elif call.query.get("token_id", "") in self._desk.exchange.by_native:
                token = call.query["token_id"]
                market, outcome = self._desk.exchange.by_native[token]
                if kind == ("CONDITIONAL-V2" if rules.protocol_v2(token) else "CONDITIONAL"):
                    held = customer.account.positions.get((market.market_id, outcome), 0)
                    held -= self._desk.unsettled(customer.account.name, token)
        return {"balance": str(held), "allowances": dict.fromkeys(self._spenders, ALLOWANCE)}


def read_json(call: Call, kind: Any = Any) -> Any:
    """The body as JSON of this kind, or the venue's refusal."""
    try:
        return msgspec.json.decode(call.body, type=kind)
    except msgspec.DecodeError:
        raise RefusedError(400, "Invalid order payload") from None


def last_segment(call: Call) -> str:
    """The id at the end of a path."""
    return call.path.rpartition("/")[2]


def _asked(found: Sequence[Json], call: Call, *fields: str) -> list[Json]:
    """The rows whose fields are what the query asks for, where it does."""
    return [row for row in found if all(call.query.get(f) in (None, row[f]) for f in fields)]


def _seconds(text: str | None) -> int | None:
    seconds = None if text is None else numeral(text, SECONDS_MAX)
    if text is not None and seconds is None:
        raise RefusedError(400, "Invalid time")
    return seconds
