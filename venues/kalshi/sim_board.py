"""What the simulated venue publishes: the engine's events as frames, and as what its read endpoints show.

Written from the card alone (section 6 and the notes on the recorded frames).
"""

from typing import TYPE_CHECKING, Any

from venues.base.events import BookSide
from venues.base.units import ONE, Cash, decimal
from venues.kalshi.sim_wire import (
    Customer,
    Facts,
    Holding,
    Row,
    body_of,
    count2,
    fill_row,
    iso,
    order_row,
    price4,
    remember,
    top_row,
    uuid_of,
)
from venues.sim.engine import Exchange
from venues.sim.model import HOUSE, BookChange, Fill, MarketChanged, OrderMoved, SimOrder, TradeDone

if TYPE_CHECKING:
    from venues.kalshi.sim_socket import KalshiSocket

FILL_FIELDS = ("trade_id", "order_id", "client_order_id", "market_ticker", "exchange_index", "side", "action",
               "outcome_side", "book_side", "yes_price_dollars", "count_fp", "fee_cost", "ts")  # fmt: skip
"""What the `fill` channel shows in the same words as REST."""
ENDED = frozenset({"closed", "determined", "finalized"})
STATUSES = {"close": "closed", "settled": "finalized", "resumed": "active", "activated": "active"}
"""What `Exchange.halt` was told, as a market status; all else that is no status is a pause."""


class Board:
    """What the venue knows and who is to be told. `absorb` turns the engine's events into both."""

    def __init__(self, exchange: Exchange, knobs: dict[str, Any], seed: int) -> None:
        self.exchange = exchange
        self.knobs = knobs
        self.seed = seed
        self.facts: dict[str, Facts] = {}
        self.series: dict[str, tuple[str, str]] = {}
        """Series to its fee_type and fee_multiplier."""
        self.owners: dict[str, Customer] = {}
        """The exchange's account to the customer whose it is."""
        self.sockets: list[KalshiSocket] = []

    def absorb(self, now_ms: int) -> None:
        """Publish what happened since the last call, in its order."""
        touched: dict[str, None] = {}
        while events := self.exchange.take_events():
            for event in events:
                match event:
                    case BookChange():
                        self._delta(event)
                    case TradeDone():
                        self._traded(event)
                    case OrderMoved():
                        self._moved(event.order, event.at_ms)
                    case MarketChanged():
                        self._changed(self.facts[event.market.market_id], event.what, event.at_ms)
                market = event.order.market if isinstance(event, OrderMoved) else event.market
                touched[market.market_id] = None
        for ticker in touched:
            self._publish("ticker", ticker, "ticker", self.ticker_frame(self.facts[ticker], now_ms))

    def _publish(
        self, channel: str, ticker: str, kind: str, msg: Row, *, owner: Customer | None = None
    ) -> None:
        for socket in self.sockets:
            if owner is None or socket.customer is owner:
                for subscription in socket.listening(channel, ticker):
                    socket.send(subscription, kind, msg)

    def ticker_frame(self, facts: Facts, now_ms: int) -> Row:
        """What the `ticker` channel says of a market now."""
        top = top_row(self.exchange, facts)
        return top | {
            "market_ticker": facts.ticker, "market_id": facts.uuid, "price_dollars": price4(facts.last_price),
            "last_trade_size_fp": count2(facts.last_size), "dollar_volume": facts.spent // ONE,
            "ts": now_ms // 1_000, "ts_ms": now_ms, "time": iso(now_ms),
        }  # fmt: skip

    def _delta(self, event: BookChange) -> None:
        facts = self.facts[event.market.market_id]
        is_bid = event.side is BookSide.BID
        msg: Row = {
            "market_ticker": facts.ticker, "market_id": facts.uuid, "delta_fp": count2(event.delta),
            "side": "yes" if is_bid else "no", "ts": iso(event.at_ms), "ts_ms": event.at_ms,
        }  # fmt: skip
        owner = self.owners.get(event.cause.account) if event.cause is not None else None
        for socket in self.sockets:
            for subscription in socket.listening("orderbook_delta", facts.ticker):
                own_price = event.price if is_bid or subscription.yes_price else ONE - event.price
                extra: Row = {"price_dollars": price4(own_price)}
                if event.cause is not None and owner is socket.customer:
                    body = body_of(event.cause)
                    extra |= {"client_order_id": body.client_order_id, "subaccount": body.subaccount}
                socket.send(subscription, "orderbook_delta", msg | extra)

    def _traded(self, event: TradeDone) -> None:
        facts = self.facts[event.market.market_id]
        buys_yes = event.taker.book_side is BookSide.BID
        for fill, (maker, maker_fill) in zip(event.fills, event.makers, strict=True):
            yes_price = fill.price if event.taker.outcome == 0 else ONE - fill.price
            facts.last_price, facts.last_size = yes_price, fill.size
            facts.volume += fill.size
            facts.spent += yes_price * fill.size // ONE
            taker_outcome = "yes" if buys_yes else "no"
            trade_id = uuid_of(self.seed, "trade", fill.trade_id)
            trade: Row = {
                "trade_id": trade_id, "market_ticker": facts.ticker, "yes_price_dollars": price4(yes_price),
                "no_price_dollars": price4(ONE - yes_price), "count_fp": count2(fill.size),
                "taker_side": taker_outcome, "taker_outcome_side": taker_outcome,
                "taker_book_side": "bid" if buys_yes else "ask", "is_block_trade": False,
                "ts": fill.at_ms // 1_000, "ts_ms": fill.at_ms,
            }  # fmt: skip
            self._publish("trade", facts.ticker, "trade", trade)
            for order, own in ((event.taker, fill), (maker, maker_fill)):
                if order.account != HOUSE:
                    self._filled(order, own, facts, trade_id)

    def _filled(self, order: SimOrder, fill: Fill, facts: Facts, trade_id: str) -> None:
        owner = self.owners[order.account]
        held = owner.holdings[-1][1]
        holding = held.get(facts.ticker, Holding()).after(order, fill)
        remember(owner.holdings, fill.at_ms, {**held, facts.ticker: holding})
        row = fill_row(order, fill, facts, trade_id)
        owner.fills.append((fill.at_ms, row))
        frame = {name: row[name] for name in FILL_FIELDS} | {
            "is_taker": fill.taker, "purchased_side": row["outcome_side"], "ts_ms": fill.at_ms,
            "post_position_fp": count2(holding.net), "subaccount": row["subaccount_number"],
        }  # fmt: skip
        self._publish("fill", facts.ticker, "fill", frame, owner=owner)
        position: Row = {
            "user_id": owner.user_id, "market_ticker": facts.ticker, "position_fp": count2(holding.net),
            "position_cost_dollars": decimal(holding.cost), "volume_fp": count2(holding.volume),
            "realized_pnl_dollars": decimal(holding.realized), "fees_paid_dollars": decimal(holding.fees),
            "position_fee_cost_dollars": decimal(holding.fees), "subaccount": row["subaccount_number"],
        }  # fmt: skip
        self._publish("market_positions", facts.ticker, "market_position", position, owner=owner)

    def _moved(self, order: SimOrder, at_ms: int) -> None:
        if order.account == HOUSE:
            return
        owner, facts = self.owners[order.account], self.facts[order.market.market_id]
        row, frame = order_row(order, facts, owner.user_id, at_ms)
        remember(owner.orders.setdefault(order.order_id, []), at_ms, row)
        self.note_cash(owner, at_ms)
        self._publish("user_orders", facts.ticker, "user_order", frame, owner=owner)

    def pot(self, customer: Customer, shard: int) -> str:
        """The exchange's account behind a customer's shard; an empty one is opened on first use."""
        if shard not in customer.pots:
            self.open_pot(customer, shard, Cash(0))
        return customer.pots[shard]

    def open_pot(self, customer: Customer, shard: int, cash: Cash) -> None:
        """An account of the exchange for this customer, charged in his steps."""
        customer.pots[shard] = name = f"{customer.name}/{shard}" if shard else customer.name
        self.exchange.open_account(name, cash).notes["step"] = customer.step
        self.owners[name] = customer

    def note_cash(self, owner: Customer, at_ms: int) -> None:
        """Remember what the customer could spend from now on, per shard."""
        accounts = self.exchange.accounts
        free: dict[int, int] = {shard: accounts[pot].free for shard, pot in owner.pots.items()}
        remember(owner.cash, at_ms, free)

    def _changed(self, facts: Facts, what: str, at_ms: int) -> None:
        """A pause, a resumption or the end of trading. At the end the book is taken down at one instant."""
        status = STATUSES.get(what, what)
        facts.status = status if status in ENDED | {"active"} else "inactive"
        for order in self.exchange.resting(facts.market):
            if facts.status in ENDED:
                self.exchange.cancel(order, "closed", at_ms)
            elif (
                facts.status == "inactive" and order.account != HOUSE and body_of(order).cancel_order_on_pause
            ):
                self.exchange.cancel(order, "halted", at_ms)
        for event in self.exchange.take_events():
            if isinstance(event, BookChange):
                self._delta(event)
            elif isinstance(event, OrderMoved):
                self._moved(event.order, at_ms)
        msg: Row = {"market_ticker": facts.ticker, "exchange_index": facts.exchange_index}
        if facts.status == "closed":
            self._empty(facts)
        elif facts.status == "finalized":
            self.lifecycle(facts, msg | {"event_type": "settled", "settled_ts": at_ms // 1_000})
        elif facts.status == "determined":
            self.lifecycle(facts, msg | {"event_type": "determined", "determination_ts": at_ms // 1_000})
        else:
            paused = facts.status == "inactive"
            word = "deactivated" if paused else "activated"
            self.lifecycle(facts, msg | {"event_type": word, "is_deactivated": paused})

    def _empty(self, facts: Facts) -> None:
        for socket in self.sockets:
            for subscription in socket.listening("orderbook_delta", facts.ticker):
                socket.snapshot(subscription, facts)

    def lifecycle(self, facts: Facts, msg: Row) -> None:
        """Tell the subscribers of `market_lifecycle_v2`."""
        self._publish("market_lifecycle_v2", facts.ticker, "market_lifecycle_v2", msg)

    def announce(self, facts: Facts) -> None:
        """A market was listed."""
        created: Row = {
            "market_ticker": facts.ticker, "exchange_index": facts.exchange_index, "event_type": "created",
            "open_ts": facts.open_ms // 1_000, "close_ts": facts.close_ms // 1_000,
            "price_level_structure": facts.structure, "price_ranges": facts.ranges,
            "additional_metadata": {"title": facts.title, "event_ticker": facts.event},
        }  # fmt: skip
        self.lifecycle(facts, created)
