"""The simulated venue's REST face below `/openapi`: what anyone may read, what a key may do (card, 4 to 12).

Every handler takes the call and the time; what it returns is the `result` of the envelope.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from venues.base.orders import Side
from venues.base.units import Price, down, half_even, plain, proceeds
from venues.opinion import sim_rows as rows
from venues.opinion import sim_rules as rules
from venues.opinion.sim_accounts import Accounts, Customer
from venues.opinion.sim_desk import Desk
from venues.opinion.sim_rows import Json, Parent, Terms
from venues.opinion.sim_rules import RefusedError
from venues.sim.contract import Call
from venues.sim.model import Account, SimOrder
from venues.sim.numeral import numeral

PAGE_MAX = 20
"""Entries of one page of any list."""
PAGE_USUAL = 10
NUMBER_MAX = 10**9
Handler = Callable[[Call, int], Json]
PrivateHandler = Callable[[Customer, Call, int], Json]


class Reads:
    """The routes, by method and path; a last segment that names something is "*"."""

    def __init__(self, desk: Desk, accounts: Accounts, knobs: Mapping[str, int]) -> None:
        self._desk = desk
        self._knobs = knobs
        self.parents: dict[int, Parent] = {}
        self.public: dict[str, Handler] = {
            "GET /quoteToken": lambda *_: _listed([rows.quote_token()]),
            "GET /label": lambda *_: _listed([]),
            "GET /market": self._markets,
            "GET /market/*": self._market,
            "GET /market/categorical/*": self._categorical,
            "GET /market/slug/*": self._by_slug,
            "GET /token/orderbook": lambda call, now_ms: self._desk.book(_token(call), now_ms),
            "GET /token/latest-price": self._latest_price,
            "GET /token/price-history": self._price_history,
            "POST /auth/api-key": accounts.create_key,
            "GET /auth/api-key": accounts.show_key,
            "DELETE /auth/api-key": accounts.delete_key,
        }
        self.private: dict[str, PrivateHandler] = {
            "POST /order": lambda who, call, now_ms: {"orderData": desk.post(who, call.body, now_ms)},
            "POST /order/cancel": self._cancel,
            "GET /order": self._orders,
            "GET /order/*": self._order,
            "GET /trade": lambda who, call, _: self._trades(who.account, call),
            "GET /positions": lambda who, call, _: self._positions(who.account, call),
            "GET /user/balance": self._balance,
            "GET /user/auth": self._auth,
        }

    # --- markets ---

    def _markets(self, call: Call, now_ms: int) -> Json:
        """Newest first; children are only inside their parents."""
        kind = call.query.get("marketType", "0")
        wanted = {"activated": (2,), "resolved": (4,)}.get(call.query.get("status", ""), (2, 3, 4))
        found: list[Json] = []
        if kind in ("0", "2"):
            binary = [terms for terms in self._desk.terms.values() if terms.parent is None]
            found += [rows.market_row(terms) for terms in binary]
        if kind in ("1", "2"):
            found += [rows.parent_row(parent) for parent in self.parents.values()]
        found.sort(key=_age, reverse=True)
        return _page([row for row in found if row["status"] in wanted], call)

    def _market(self, call: Call, now_ms: int) -> Json:
        return {"data": rows.market_row(self._terms(call))}

    def _categorical(self, call: Call, now_ms: int) -> Json:
        parent = self.parents.get(_id(call))
        if parent is None:
            raise RefusedError(rules.UNKNOWN_MARKET, "topic not found")
        return {"data": rows.parent_row(parent)}

    def _by_slug(self, call: Call, now_ms: int) -> Json:
        """Of binary, child and categorical markets alike."""
        found = [rows.market_row(terms) for terms in self._desk.terms.values()]
        found += [rows.parent_row(parent) for parent in self.parents.values()]
        for row in found:
            if row["slug"] == _last(call):
                return {"data": row}
        raise RefusedError(rules.UNKNOWN_MARKET, "topic not found")

    def _terms(self, call: Call) -> Terms:
        terms = self._desk.terms.get(_id(call))
        if terms is None:
            raise RefusedError(rules.UNKNOWN_MARKET, "topic not found")
        return terms

    def _latest_price(self, call: Call, now_ms: int) -> Json:
        """Price "0" and time 0 if the token never traded."""
        terms, outcome = self._desk.token(_token(call))
        row = {"tokenId": _token(call), "price": "0", "side": "", "size": "0", "timestamp": 0}
        trade = terms.last
        if trade is None or trade.outcome != outcome:
            return row
        side, size = trade.side.name, plain(trade.size)
        return row | {"price": plain(trade.price), "side": side, "size": size, "timestamp": trade.at_ms}

    def _price_history(self, call: Call, now_ms: int) -> Json:
        """The latest trade is all that is kept."""
        trade = self._desk.token(_token(call))[0].last
        return {"history": [{"t": down(trade.at_ms, 1_000), "p": plain(trade.price)}] if trade else None}

    # --- the customer's own ---

    def _cancel(self, customer: Customer, call: Call, now_ms: int) -> Json:
        try:
            wish = msgspec.json.decode(call.body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            wish = {}
        order_id = wish.get("orderId")
        if not isinstance(order_id, str) or not order_id:
            raise rules.invalid("orderId", "text")
        return {"result": self._desk.cancel(customer, order_id, now_ms)}

    def _order(self, customer: Customer, call: Call, now_ms: int) -> Json:
        """The order with its trades."""
        order = self._desk.own(customer, _last(call))
        terms = self._terms_of(order)
        trades = [rows.trade_row(record, terms, self._knobs) for record in rows.records_of(order)]
        return {"orderData": rows.order_row(order, terms, self._knobs) | {"trades": trades or None}}

    def _orders(self, customer: Customer, call: Call, now_ms: int) -> Json:
        """Newest first, without trades."""
        statuses = [text for text in call.query.get("status", "").split(",") if text]
        found = [
            rows.order_row(order, self._terms_of(order), self._knobs) | {"trades": None}
            for order in reversed(self._desk.orders.values())
            if order.account == customer.safe
        ]
        chosen = [row for row in found if not statuses or str(row["status"]) in statuses]
        return _page(_of_market(chosen, call), call)

    def _trades(self, account: Account, call: Call) -> Json:
        """Newest first; matches about which the chain has not decided are not among them."""
        found = [
            rows.trade_row(record, self._terms_of(record.order), self._knobs)
            for record in reversed(self._desk.records)
            if record.order.account == account.name
        ]
        return _page(_of_market(found, call), call)

    def _positions(self, account: Account, call: Call) -> Json:
        """Shares on chain. What is frozen is part of what is owned."""
        found = [
            self._position(account, terms, outcome)
            for terms in self._desk.terms.values()
            for outcome in (0, 1)
            if self._desk.pending.chain_shares(account, terms.market, outcome)
        ]
        return _page(_of_market(found, call), call)

    def _position(self, account: Account, terms: Terms, outcome: int) -> Json:
        pending = self._desk.pending
        owned = pending.chain_shares(account, terms.market, outcome)
        free = pending.free_shares(account, terms.market, outcome)
        row = rows.market_row(terms)
        price = terms.last.price if terms.last and terms.last.outcome == outcome else Price(0)
        same = ("marketId", "marketTitle", "conditionId", "quoteToken")
        return {name: row[name] for name in same} | {
            "rootMarketId": terms.root_id,
            "rootMarketTitle": terms.parent.title if terms.parent else "",
            "marketStatus": row["status"],
            "marketStatusEnum": row["statusEnum"],
            "marketCutoffAt": row["cutoffAt"],
            "outcome": rows.OUTCOMES[outcome],
            "outcomeSide": outcome + 1,
            "outcomeSideEnum": rows.OUTCOMES[outcome].capitalize(),
            "tokenId": terms.tokens[outcome],
            "sharesOwned": plain(owned),
            "sharesFrozen": plain(owned - free),
            "avgEntryPrice": self._entry_price(account, terms, outcome),
            "unrealizedPnl": "0",
            "unrealizedPnlPercent": "0",
            "dailyPnlChange": "0",
            "dailyPnlChangePercent": "0",
            "currentValueInQuoteToken": plain(proceeds(price, owned)),
            "claimStatus": 0,
            "claimStatusEnum": "CanNotClaim",
        }

    def _entry_price(self, account: Account, terms: Terms, outcome: int) -> str:
        """Average over all purchases; "0" for shares that were a gift."""
        bought = [
            record.fill
            for record in self._desk.records
            if (record.status, record.order.side) == (rows.FINISHED, Side.BUY)
            and (record.order.account, record.order.market) == (account.name, terms.market)
            and record.order.outcome == outcome
        ]
        shares = sum(fill.size for fill in bought)
        return plain(half_even(sum(fill.price * fill.size for fill in bought), shares)) if shares else "0"

    def _balance(self, customer: Customer, call: Call, now_ms: int) -> Json:
        pending, account = self._desk.pending, customer.account
        total, free = pending.chain_cash(account), pending.free_cash(account)
        row = {
            "quoteToken": rules.USDT,
            "tokenDecimals": rules.DECIMALS,
            "totalBalance": plain(total),
            "availableBalance": plain(free),
            "frozenBalance": plain(total - free),
        }
        head = {"walletAddress": customer.address, "multiSignAddress": customer.safe}
        return head | {"chainId": str(rules.CHAIN_ID), "balances": [row]}

    def _auth(self, customer: Customer, call: Call, now_ms: int) -> Json:
        return customer.shown() | {"walletUsers": {str(rules.CHAIN_ID): customer.safe}}

    def _terms_of(self, order: SimOrder) -> Terms:
        return self._desk.terms[int(order.market.market_id)]


def _token(call: Call) -> str:
    return call.query.get("token_id", "")


def _last(call: Call) -> str:
    return call.path.rpartition("/")[2]


def _id(call: Call) -> int:
    return numeral(_last(call), NUMBER_MAX) or 0


def _age(row: Json) -> tuple[int, int]:
    return row["createdAt"], row["marketId"]


def _of_market(found: Sequence[Json], call: Call) -> list[Json]:
    """Of the market that the query names by its own or its parent's id; of all without one."""
    wanted = call.query.get("marketId", "")
    return [row for row in found if wanted in ("", "0", str(row["marketId"]), str(row["rootMarketId"]))]


def _page(found: Sequence[Json], call: Call) -> Json:
    """The page asked for; a longer one than the venue gives is cut."""
    page = numeral(call.query.get("page") or "1", NUMBER_MAX)
    limit = numeral(call.query.get("limit") or str(PAGE_USUAL), NUMBER_MAX)
    if not page or not limit:
        raise rules.invalid("page, limit", "whole numbers from 1")
    size = min(limit, PAGE_MAX)
    return {"total": len(found), "list": list(found[(page - 1) * size : page * size]) or None}


def _listed(found: Sequence[Json]) -> Json:
    """A short list without pages; empty lists are null."""
    return {"total": len(found), "list": list(found) or None}
