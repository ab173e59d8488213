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

BATCH_MAX = 15
"""Orders in one POST /orders (section 5.5)."""
CANCELS_MAX = 3_000
END = -1
"""The offset behind the last page: its cursor is "LTE="."""
FIRST_PAGE = "MA=="
ALLOWANCE = str(2**256 - 1)
SECONDS_DIGITS = 18
OPEN = ("LIVE", "DELAYED")
Handler = Callable[[ApiKey, Call, int], Any]


class PrivateFace:
    """What an API key may ask for. Every handler takes the key, the call and the time."""

    def __init__(
        self, desk: Desk, accounts: Accounts, spenders: Sequence[str], knobs: Mapping[str, int]
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._spenders = spenders
        self._knobs = knobs
        self.routes: dict[str, Handler] = {
            "GET /auth/api-keys": self._api_keys,
            "DELETE /auth/api-key": self._delete_key,
            "GET /auth/ban-status/closed-only": self._ban_status,
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

    def _api_keys(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        return {"apiKeys": self._accounts.of(key.customer)}

    def _delete_key(self, key: ApiKey, call: Call, now_ms: int) -> str:
        return self._accounts.delete(key)

    def _ban_status(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        return {"closed_only": False}

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
            return rows.refused_order(refusal.text, success=False)

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
                results.append(rows.refused_order(refusal.text, success=True))
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
        return self._page(
            [
                row
                for row in found
                if (row["id"] == wanted if wanted else row["status"] == "LIVE")
                and call.query.get("market") in (None, row["market"])
                and call.query.get("asset_id") in (None, row["asset_id"])
            ],
            call,
        )

    def _trades(self, key: ApiKey, call: Call, now_ms: int) -> Json:
        """The account's trades on either side, newest last."""
        account, shown_ms = key.customer.account.name, now_ms - self._knobs["data_lag_ms"]
        after, before = (_seconds(call.query.get(name)) for name in ("after", "before"))
        found = [
            rows.trade_row(trade, account)
            for trade in self._desk.trades
            if trade.concerns(account)
            and trade.at_ms <= shown_ms
            and (after is None or down(trade.at_ms, 1_000) >= after)
            and (before is None or down(trade.at_ms, 1_000) <= before)
        ]
        fields = ("id", "market", "asset_id")
        chosen = [row for row in found if all(call.query.get(f) in (None, row[f]) for f in fields)]
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
        """What the wallet of this signature type holds in base units, promised to open orders or not."""
        customer, kind = key.customer, call.query.get("asset_type")
        held = 0
        if call.query.get("signature_type", str(customer.signature_type)) == str(customer.signature_type):
            if kind == "COLLATERAL":
                held = int(customer.account.cash)
            elif call.query.get("token_id", "") in self._desk.exchange.by_native:
                token = call.query["token_id"]
                market, outcome = self._desk.exchange.by_native[token]
                if kind == ("CONDITIONAL-V2" if rules.protocol_v2(token) else "CONDITIONAL"):
                    held = int(customer.account.positions.get((market.market_id, outcome), 0))
        return {"balance": str(held), "allowances": dict.fromkeys(self._spenders, ALLOWANCE)}


def read_json(call: Call, kind: type = object) -> Any:
    """The body as JSON of this kind, or the venue's refusal."""
    try:
        value = msgspec.json.decode(call.body)
    except msgspec.DecodeError:
        raise RefusedError(400, "Invalid order payload") from None
    if not isinstance(value, kind):
        raise RefusedError(400, "Invalid order payload")
    return value


def last_segment(call: Call) -> str:
    """The id at the end of a path."""
    return call.path.rpartition("/")[2]


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= SECONDS_DIGITS):
        raise RefusedError(400, "Invalid time")
    return int(text)
