"""The simulated venue's REST face: what anyone may ask, and what a customer may (card, sections 3 to 7)."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, down
from venues.limitless import sim_rows as rows
from venues.limitless.sim_accounts import Customer
from venues.limitless.sim_board import Board
from venues.limitless.sim_desk import NOT_LIVE, Desk
from venues.limitless.sim_rows import Json, Trade
from venues.limitless.sim_rules import NewOrder, RefusedError, Terms
from venues.sim.contract import Call
from venues.sim.model import SimOrder
from venues.sim.numeral import numeral
from venues.sim.times import iso

MARKETS_MAX, ORDERS_MAX, HISTORY_MAX = 25, 200, 100
"""In one page of markets, of user-orders, of the history."""
HISTORY_DEFAULT = 20
NOT_ONE_ID = "Exactly one of orderId or clientOrderId is required"
BATCH_MAX = 50
"""Orders in one look-up or cancel."""
PAGE_MAX = 10**9
MODES = {"post_only_mode": "post_only", "cancel_only_mode": "cancel_only", "trading_disabled": "disabled"}
"""Codes of refusals, and the words of the maintenance status for them."""
NO_PAST = dict.fromkeys(("cost", "fillPrice", "marketValue", "realisedPnl", "unrealizedPnl"), "0")
"""Gains and losses are not kept."""
Answer = tuple[int, Any]
"""HTTP status and body."""
Public = Callable[[Call, list[str], int], Answer]
Private = Callable[[Customer, Call, list[str], int], Answer]


class PublicFace:
    """Needs no proof. Handlers take the call, the variable parts of its path and the time."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.routes: dict[str, Public] = {
            "GET /markets/active": self._active,
            "GET /markets/{}": self._market,
            "GET /markets/{}/orderbook": self._book,
            "GET /maintenance/status": self._maintenance,
        }

    def _active(self, call: Call, parts: list[str], now_ms: int) -> Answer:
        """Funded markets, groups in the place of their first leg; pages count from 1."""
        limit, page = _number(call, "limit", 10, MARKETS_MAX), _number(call, "page", 1, PAGE_MAX)
        funded = [terms for terms in self._board.terms.values() if terms.status == "FUNDED"]
        found = [row for row in (self._entry(terms, funded, now_ms) for terms in funded) if row is not None]
        start = (page - 1) * limit
        return 200, {"data": found[start : start + limit], "totalMarketsCount": len(found)}

    def _entry(self, terms: Terms, funded: list[Terms], now_ms: int) -> Json | None:
        """A market's row in a list; the later legs of a group have none of their own."""
        if terms.group is None:
            return rows.market_row(terms, now_ms)
        legs = [other for other in funded if other.group == terms.group]
        return rows.group_row(terms.group, legs, now_ms) if legs[0] is terms else None

    def _market(self, call: Call, parts: list[str], now_ms: int) -> Answer:
        legs = [terms for terms in self._board.terms.values() if terms.group == parts[0]]
        if legs:
            return 200, rows.group_row(parts[0], legs, now_ms)
        return 200, rows.market_row(self._board.market(parts[0]), now_ms)

    def _book(self, call: Call, parts: list[str], now_ms: int) -> Answer:
        terms = self._board.market(parts[0])
        if terms.amm:
            raise RefusedError(400, "Orderbook is not available for AMM markets")
        last = None if terms.last is None else rows.number(terms.last)
        return 200, self._board.book(terms, texts=True) | {"lastTradePrice": last}

    def _maintenance(self, call: Call, parts: list[str], now_ms: int) -> Answer:
        mode = MODES.get(self._board.knobs["maintenance"])
        effects = [{"target": "trading", "mode": mode}]
        active = [{"id": "maintenance-1", "title": "Maintenance", "effects": effects}] if mode else []
        return 200, {"active": active, "scheduled": []}


class PrivateFace:
    """Needs a proof. Handlers take the customer, the call, the variable parts of its path and the time."""

    def __init__(self, board: Board, desk: Desk) -> None:
        self._board = board
        self._desk = desk
        self.reads: dict[str, Private] = {
            "GET /profiles/{}": self._profile,
            "GET /portfolio/positions": self._positions,
            "GET /portfolio/history": self._history,
            "GET /markets/{}/user-orders": self._user_orders,
            "POST /orders/status/batch": self._statuses,
        }
        self.trades: dict[str, Private] = {
            "POST /orders": self._post,
            "POST /orders/cancel": self._cancel_named,
            "POST /orders/cancel-batch": self._cancel_batch,
            "POST /orders/batch-cancel": self._cancel_batch,
            "POST /orders/cancel-replace": self._replace,
            "POST /orders/cancel-replace/batch": self._replace_batch,
            "DELETE /orders/all/{}": self._cancel_all,
            "DELETE /orders/{}": self._cancel,
        }

    # --- reads ---

    def _profile(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        who = customer if parts[0] == "me" else self._board.accounts.by_address.get(parts[0])
        if who is None:
            raise RefusedError(404, "Profile not found")
        return 200, {
            "id": who.profile, "account": who.address, "username": f"user{who.profile}",
            "displayName": f"user{who.profile}", "createdAt": iso(0),
            "rank": {"id": 1, "name": "Bronze", "feeRateBps": who.fee_bps}, "referralData": [],
        }  # fmt: skip

    def _positions(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        found = [self._position(customer, terms) for terms in self._board.terms.values()]
        return 200, {
            "amm": [], "clob": [row for row in found if row is not None], "group": [], "points": "0",
            "accumulativePoints": "0",
        }  # fmt: skip

    def _position(self, customer: Customer, terms: Terms) -> Json | None:
        held = [self._board.accounts.shares(customer, (terms.slug, outcome)) for outcome in (0, 1)]
        live = [o for o in self._board.exchange.resting(terms.market) if o.account == customer.address]
        if not any(held) and not live:
            return None
        last = int(terms.last or ONE // 2)
        prices = {"latestYesPrice": rows.number(last), "latestNoPrice": rows.number(ONE - last)}
        listed = [rows.listed_row(order, terms) for order in live]
        locked = str(sum(order.reserved for order in live))
        return {
            "market": _market_stub(terms) | {"status": terms.status, "deadline": iso(terms.expires_ms)},
            "makerAddress": customer.address, "positions": {"yes": NO_PAST, "no": NO_PAST},
            "tokensBalance": {"yes": str(held[0]), "no": str(held[1])},
            "latestTrade": prices,
            "orders": {"liveOrders": listed, "totalCollateralLocked": locked},
            "rewards": {"epochs": [], "isEarning": False},
        }  # fmt: skip

    def _history(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        """Fills, newest first. The cursor counts from the oldest, so that new fills shift no page."""
        limit = _number(call, "limit", HISTORY_DEFAULT, HISTORY_MAX)
        found = list(_fills(self._board.trades, customer))
        text = call.query.get("cursor", "")
        until = len(found) if not text else numeral(text, PAGE_MAX)
        if until is None:
            raise RefusedError(400, "cursor is not valid")
        start = max(0, until - limit)
        return 200, {"data": found[start:until][::-1], "nextCursor": str(start) if start else None}

    def _user_orders(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        """Newest first, without paging (section 6)."""
        terms = self._board.market(parts[0])
        wanted = call.query.get("statuses", "LIVE").split(",")
        limit = _number(call, "limit", ORDERS_MAX, ORDERS_MAX)
        mine = [o for o in self._desk.orders.values() if o.account == customer.address]
        here = [o for o in mine if o.market is terms.market and rows.status_of(o) in wanted]
        return 200, {"orders": [rows.listed_row(order, terms) for order in here[::-1][:limit]]}

    def _statuses(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        items = _body(call).get("items")
        if not isinstance(items, list) or not 1 <= len(items) <= BATCH_MAX:
            raise RefusedError(400, f"items must contain between 1 and {BATCH_MAX} elements")
        return 200, {"results": [self._status(n, item, customer, now_ms) for n, item in enumerate(items)]}

    def _status(self, index: int, item: Any, customer: Customer, now_ms: int) -> Json:
        ids = _named(item)
        if ids is None:
            return {"index": index, "status": "invalid", "error": NOT_ONE_ID}
        row: Json = {"index": index, "status": "not_found", **item}
        order = self._desk.find(customer, *ids)
        if order is None or now_ms < order.created_ms + self._board.knobs["status_lag_ms"]:
            return row
        reply = self._desk.reply(order)
        found: Json = {"status": "found", "orderId": order.order_id, "data": reply | {"order": reply}}
        return row | found | rows.client(order)

    # --- trades ---

    def _post(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        return 201, self._desk.post(customer, _order(call.body), now_ms)

    def _cancel(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        self._desk.cancel(self._desk.find(customer, parts[0], None), now_ms)
        return 200, {"message": "Order canceled successfully"}

    def _cancel_named(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        order = self._desk.cancel(self._find(customer, _body(call)), now_ms)
        return 200, {"message": "Order canceled successfully", "orderId": order.order_id}

    def _cancel_batch(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        """200 for all, 207 for some, 400 for none."""
        wish = _body(call)
        named = [name for name in ("orderIds", "clientOrderIds") if name in wish]
        names = wish[named[0]] if len(named) == 1 else None
        if not isinstance(names, list) or not 1 <= len(names) <= BATCH_MAX:
            raise RefusedError(400, f"Exactly one list of 1 to {BATCH_MAX} ids is required")
        return self._cancel_each(customer, [{named[0][:-1]: str(name)} for name in names], now_ms)

    def _cancel_all(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        market = self._board.market(parts[0]).market
        live = [o for o in self._board.exchange.resting(market) if o.account == customer.address]
        return 200, self._cancel_each(customer, [{"orderId": o.order_id} for o in live], now_ms)[1]

    def _cancel_each(self, customer: Customer, wishes: list[Json], now_ms: int) -> Answer:
        canceled: list[str] = []
        failed: list[Json] = []
        for wish in wishes:
            try:
                self._desk.cancel(self._find(customer, wish), now_ms)
                canceled += wish.values()
            except RefusedError as refusal:
                if refusal.code:
                    raise
                failed.append({**wish, "reason": "ORDER_NOT_FOUND", "message": NOT_LIVE})
        status = 200 if not failed else 207 if canceled else 400
        message = "Orders canceled successfully" if canceled else "No orders canceled"
        return status, {"message": message, "canceled": canceled, "failed": failed}

    def _replace(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        reply = self._replaced(customer, _body(call), now_ms)
        undone = reply["cancel"]["status"] == "SUCCESS" and reply["replacement"]["status"] == "FAILURE"
        return 409 if undone else 200, reply

    def _replace_batch(self, customer: Customer, call: Call, parts: list[str], now_ms: int) -> Answer:
        wishes = _body(call).get("operations")
        if not isinstance(wishes, list) or not 1 <= len(wishes) <= BATCH_MAX:
            raise RefusedError(400, f"operations must contain between 1 and {BATCH_MAX} elements")
        done = [self._replaced(customer, wish, now_ms) for wish in wishes]
        return 200, {"results": [{"index": n, **reply} for n, reply in enumerate(done)]}

    def _replaced(self, customer: Customer, wish: Any, now_ms: int) -> Json:
        """Cancel, then place: two steps, of which the second may fail alone (section 6)."""
        if not isinstance(wish, dict) or wish.get("mode") not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
            raise RefusedError(400, "mode must be STOP_ON_FAILURE or ALLOW_FAILURE")
        body = _order(msgspec.json.encode(wish.get("replacement")))
        cancel: Json
        try:
            order = self._desk.cancel(self._find(customer, wish.get("cancel")), now_ms)
            cancel = {"status": "SUCCESS", "orderId": order.order_id} | rows.client(order)
        except RefusedError as refusal:
            cancel = _failure(refusal)
        if cancel["status"] != "SUCCESS" and wish["mode"] == "STOP_ON_FAILURE":
            return {"cancel": cancel, "replacement": {"status": "NOT_ATTEMPTED"}}
        try:
            placed: Json = {"status": "SUCCESS", "data": self._desk.post(customer, body, now_ms)}
        except RefusedError as refusal:
            placed = _failure(refusal)
        return {"cancel": cancel, "replacement": placed}

    def _find(self, customer: Customer, wish: Any) -> SimOrder | None:
        ids = _named(wish)
        if ids is None:
            raise RefusedError(400, NOT_ONE_ID)
        return self._desk.find(customer, *ids)


# --- shapes ---


def _fills(trades: Iterable[Trade], customer: Customer) -> Iterable[Json]:
    """The customer's part in every trade that has not failed, match by match."""
    for trade in trades:
        pairs = zip(trade.match_ids, trade.fills, trade.makers, strict=True)
        for match_id, fill, (maker, maker_fill) in pairs if trade.status != "FAILED" else ():
            for order, own in ((trade.taker, fill), (maker, maker_fill)):
                if order.account == customer.address:
                    yield _history_row(trade, order, rows.totals(order.side, [own]), match_id)


def _history_row(trade: Trade, order: SimOrder, raw: Json, match_id: str) -> Json:
    amounts = [raw["contractsGross"] if outcome == order.outcome else "0" for outcome in (0, 1)]
    kind = "Limit" if order.time_in_force is TimeInForce.GTC else "Market"
    return {
        "blockTimestamp": down(trade.at_ms, 1_000), "collateralAmount": raw["usdGross"],
        "market": _market_stub(trade.terms)
        | {"collateral": {"symbol": "USDC", "id": "7", "decimals": 6}, "group": trade.terms.group},
        "outcomeIndex": order.outcome, "outcomeTokenAmount": raw["contractsGross"],
        "outcomeTokenAmounts": amounts,
        "outcomeTokenPrice": rows.number(rows.average(raw)),
        "strategy": f"{kind} {'Buy' if order.side is Side.BUY else 'Sell'}",
        "transactionHash": trade.transaction or None, "tradeEventId": trade.trade_id,
        "orderId": order.order_id, "makerMatchId": match_id,
    }  # fmt: skip


def _market_stub(terms: Terms) -> Json:
    return {
        "id": str(terms.number), "slug": terms.slug, "title": terms.title,
        "closed": terms.winner is not None, "conditionId": terms.condition,
        "winningOutcomeIndex": terms.winner,
    }  # fmt: skip


def _failure(refusal: RefusedError) -> Json:
    code = refusal.code or f"HTTP_{refusal.status}"
    return {"status": "FAILURE", "error": {"code": code, "message": refusal.text}}


def _order(body: bytes) -> NewOrder:
    try:
        return msgspec.json.decode(body, type=NewOrder)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedError(400, str(error)) from None


def _body(call: Call) -> Json:
    try:
        return msgspec.json.decode(call.body, type=Json)
    except (msgspec.DecodeError, RecursionError):
        raise RefusedError(400, "Request body is not a JSON object") from None


def _named(wish: Any) -> tuple[str | None, str | None] | None:
    """Order id and client order id of a wish that has exactly one of them."""
    if not isinstance(wish, dict):
        return None
    ids = wish.get("orderId"), wish.get("clientOrderId")
    return ids if sum(isinstance(name, str) for name in ids) == 1 and None in ids else None


def _number(call: Call, name: str, default: int, most: int) -> int:
    """A whole number of the query from 1 to `most`, or the venue's 400."""
    value = numeral(call.query.get(name, str(default)), most)
    if not value:
        raise RefusedError(400, f"{name} must be between 1 and {most}")
    return value
