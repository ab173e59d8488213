"""The simulated venue's WebSocket: its commands, its subscriptions and their numbering.

Written from the card alone (section 6 and the notes on the recorded frames). `seq` counts the messages
of one subscription, over all its markets, the replies to commands included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from venues.kalshi.sim_board import Board
from venues.kalshi.sim_wire import (
    Customer,
    Facts,
    Row,
    book_rows,
)

SEQUENCED = frozenset({"orderbook_delta", "trade", "market_lifecycle_v2"})
PRIVATE = frozenset({"fill", "user_orders", "market_positions"})
CHANNELS = SEQUENCED | PRIVATE | {"ticker"}
SUBSCRIPTIONS_MAX = 10_000
"""Per connection; far more than any client opens, and the venue has a limit too."""


@dataclass(slots=True)
class Subscription:
    """One channel of one subscribe command."""

    sid: int
    channel: str
    tickers: dict[str, None] | None
    """None for all markets."""
    yes_price: bool
    seq: int = 0

    def wants(self, ticker: str) -> bool:
        """Whether this market belongs to it."""
        return self.tickers is None or ticker in self.tickers


class Command(msgspec.Struct):
    """What a client sends."""

    id: Annotated[int, Meta(ge=1)]
    cmd: str = ""
    params: dict[str, Any] | None = None


class CommandError(Exception):
    """A command was refused with one of the card's codes."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class KalshiSocket:
    """One authenticated connection. Frames to the client gather in `outbox`."""

    def __init__(self, board: Board, customer: Customer, tick: Callable[[int], None]) -> None:
        self.outbox: list[str] = []
        self.closed = False
        self.customer = customer
        self._board = board
        self._tick = tick
        self._subscriptions: dict[int, Subscription] = {}
        self._sids = 0

    def tick(self, now_ms: int) -> None:
        """Nothing is due: heartbeats are ping control frames, which the server sends."""

    def receive(self, text: str, now_ms: int) -> None:
        """Carry out one command."""
        self._tick(now_ms)
        number: int | None = None
        try:
            command = msgspec.json.decode(text, type=Command)
            number = command.id
            self._obey(command, now_ms)
        except msgspec.DecodeError as error:
            self._error(None, 1, str(error))
        except CommandError as error:
            self._error(number, error.code, str(error))

    def listening(self, channel: str, ticker: str) -> list[Subscription]:
        """The subscriptions that want this message."""
        return [s for s in self._subscriptions.values() if s.channel == channel and s.wants(ticker)]

    def send(self, subscription: Subscription, kind: str, msg: object, number: int | None = None) -> None:
        """Put a message of a running subscription into the outbox, or lose it when the knob says so."""
        counts = subscription.channel in SEQUENCED or kind in ("ok", "unsubscribed", "error")
        frame: Row = {} if number is None else {"id": number}
        frame |= {"type": kind, "sid": subscription.sid}
        if counts:
            subscription.seq += 1
            frame["seq"] = subscription.seq
        if msg is not None:
            frame["msg"] = msg
        if not self._lost(
            "skip_seq" if counts else "skip_private" if subscription.channel in PRIVATE else ""
        ):
            self._put(frame)

    def _lost(self, knob: str) -> bool:
        """Whether this frame is one of those that the knob loses on the way."""
        left = self._board.knobs.get(knob, 0)
        if left > 0:
            self._board.knobs[knob] = left - 1
        return bool(left > 0)

    def snapshot(self, subscription: Subscription, facts: Facts, number: int | None = None) -> None:
        """Send a whole book. A side without bids has no key."""
        msg: Row = {"market_ticker": facts.ticker, "market_id": facts.uuid}
        yes, no = book_rows(self._board.exchange, facts.ticker, yes_price=subscription.yes_price)
        msg |= {key: rows for key, rows in (("yes_dollars_fp", yes), ("no_dollars_fp", no)) if rows}
        self.send(subscription, "orderbook_snapshot", msg, number)

    def overflow(self) -> None:
        """Every subscription dies of error 25, as if the client had been too slow."""
        for subscription in self._subscriptions.values():
            self.send(subscription, "error", {"code": 25, "msg": "Subscription buffer overflow"})
        self._subscriptions.clear()

    def _put(self, frame: Row) -> None:
        self.outbox.append(msgspec.json.encode(frame).decode())

    def _error(self, number: int | None, code: int, text: str) -> None:
        frame: Row = {} if number is None else {"id": number}
        self._put(frame | {"type": "error", "msg": {"code": code, "msg": text}})

    def _obey(self, command: Command, now_ms: int) -> None:
        params = command.params
        if command.cmd == "list_subscriptions":
            listed = [{"channel": s.channel, "sid": s.sid} for s in self._subscriptions.values()]
            self._put({"id": command.id, "type": "ok", "msg": listed})
        elif command.cmd not in ("subscribe", "unsubscribe", "update_subscription"):
            raise CommandError(5, f"unknown command {command.cmd!r}")
        elif params is None:
            raise CommandError(2, "params are missing")
        elif command.cmd == "subscribe":
            self._subscribe(command.id, params, now_ms)
        elif command.cmd == "unsubscribe":
            for subscription in self._named(params):
                del self._subscriptions[subscription.sid]
                self.send(subscription, "unsubscribed", None, command.id)
        else:
            self._update(command.id, params)

    def _subscribe(self, number: int, params: Mapping[str, Any], now_ms: int) -> None:
        channels, tickers = params.get("channels"), self._tickers(params)
        if not isinstance(channels, list) or not channels:
            raise CommandError(3, "channels are missing")
        for channel in channels:
            if channel not in CHANNELS:
                self._error(number, 8, f"unknown channel {channel!r}")
            elif channel == "orderbook_delta" and tickers is None:
                self._error(number, 14, "market_ticker or market_tickers is needed")
            elif self._sids >= SUBSCRIPTIONS_MAX:
                self._error(number, 27, "too many subscriptions")
            else:
                self._sids += 1
                yes_price = params.get("use_yes_price") is True
                mine = None if tickers is None else dict.fromkeys(tickers)
                subscription = Subscription(self._sids, channel, mine, yes_price)
                self._subscriptions[subscription.sid] = subscription
                reply = {"channel": channel, "sid": subscription.sid}
                self._put({"id": number, "type": "subscribed", "msg": reply})
                self._begin(subscription, params, now_ms)

    def _begin(self, subscription: Subscription, params: Mapping[str, Any], now_ms: int) -> None:
        for ticker in subscription.tickers or ():
            facts = self._board.facts[ticker]
            if subscription.channel == "orderbook_delta":
                self.snapshot(subscription, facts)
            elif subscription.channel == "ticker" and params.get("send_initial_snapshot") is True:
                self.send(subscription, "ticker", self._board.ticker_frame(facts, now_ms))

    def _update(self, number: int, params: Mapping[str, Any]) -> None:
        found = self._named(params)
        if len(found) != 1:
            raise CommandError(12, "exactly one sid")
        subscription = found[0]
        action, tickers = params.get("action"), self._tickers(params)
        if action is None:
            raise CommandError(15, "action is missing")
        if action not in ("add_markets", "delete_markets", "get_snapshot"):
            raise CommandError(13, f"unsupported action {action!r}")
        if tickers is None:
            raise CommandError(14, "market_tickers are missing")
        mine = subscription.tickers if subscription.tickers is not None else {}
        fresh = [t for t in tickers if (t in mine) == (action == "get_snapshot")]
        if action == "add_markets":
            mine |= dict.fromkeys(tickers)
        elif action == "delete_markets":
            for ticker in tickers:
                mine.pop(ticker, None)
        if action != "get_snapshot":
            self.send(subscription, "ok", {"market_tickers": list(mine)}, number)
        if action != "delete_markets" and subscription.channel == "orderbook_delta":
            for ticker in fresh:
                answering = number if action == "get_snapshot" else None
                self.snapshot(subscription, self._board.facts[ticker], answering)

    def _named(self, params: Mapping[str, Any]) -> list[Subscription]:
        sids = params.get("sids", [params["sid"]] if "sid" in params else None)
        if not isinstance(sids, list) or not sids:
            raise CommandError(4, "sids are missing")
        unknown = [sid for sid in sids if type(sid) is not int or sid not in self._subscriptions]
        if unknown:
            raise CommandError(7, f"unknown sid {unknown[0]!r}")
        return [self._subscriptions[sid] for sid in sids]

    def _tickers(self, params: Mapping[str, Any]) -> list[str] | None:
        """The markets of a command that the venue lists; None if it names none."""
        tickers = params.get(
            "market_tickers", [params["market_ticker"]] if "market_ticker" in params else None
        )
        if tickers is None:
            return None
        if not isinstance(tickers, list) or not all(isinstance(ticker, str) for ticker in tickers):
            raise CommandError(11, "market_tickers takes a list of strings")
        return [ticker for ticker in tickers if ticker in self._board.facts]
