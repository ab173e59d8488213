"""Acme: a made-up venue with orders and one book feed. Its fee is one percent of a taker's cash."""

from collections.abc import Mapping
from typing import Any

import msgspec

from venues.base.http import Response
from venues.base.listing import Grid
from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import Cash, Price, Size, micros, plain, up
from venues.sim.contract import Call, Socket
from venues.sim.engine import EngineError, Exchange
from venues.sim.model import BookChange, Market, SimOrder, notional

TIMES = {
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
    "gtc": TimeInForce.GTC,
}


def acme_fee(order: SimOrder, price: Price, size: Size, taker: bool) -> Charge:
    return Charge(Cash(up(notional(order.side, price, size), 100) if taker else 0))


class AcmeSocket:
    def __init__(self, sim: "AcmeSimulator") -> None:
        self.outbox: list[str] = []
        self.closed = False
        self.heard: list[str] = []
        self._sim = sim
        self._seq: dict[str, int] = {}

    def receive(self, text: str, now_ms: int) -> None:
        self.heard.append(text)
        if text == "ping":
            self.outbox.append("pong")
            return
        try:
            market = msgspec.json.decode(text, type=dict[str, str])["subscribe"]
        except (ValueError, KeyError):
            self.outbox.append('{"type":"error","error":"unreadable"}')
            return
        if market == "close":
            self.closed = True
            return
        if market == "flood":
            self.outbox.extend("x" * 1_000_000 for _ in range(40))
            return
        self._seq[market] = 0
        bids, asks = self._sim.exchange.levels(market)
        self._say({"type": "book", "market": market, "seq": 0, "bids": _pairs(bids), "asks": _pairs(asks)})

    def changed(self, change: BookChange) -> None:
        market = change.market.market_id
        if market in self._seq:
            self._seq[market] += 1
            tick = {"side": change.side.value, "price": plain(change.price), "size": plain(change.total)}
            self._say({"type": "tick", "market": market, "seq": self._seq[market], **tick})

    def tick(self, now_ms: int) -> None:
        pass

    def _say(self, message: Mapping[str, Any]) -> None:
        self.outbox.append(msgspec.json.encode(message).decode())


class AcmeSimulator:
    name = "acme"
    prefix = ""
    socket_path = "/v1/stream"
    ping_ms: int | None = 50

    def __init__(self) -> None:
        self.exchange = Exchange(acme_fee, nets_positions=False)
        self.sockets: list[AcmeSocket] = []
        self.knobs: dict[str, Any] = {"polite": True, "delay_ms": 0}
        self.calls: list[Call] = []
        self.ticked_ms: list[int] = []

    def answer(self, call: Call, now_ms: int) -> Response:
        self.calls.append(call)
        match (call.method, call.path.split("/")[1:]):
            case ("GET", ["v1", "time"]):
                return _reply(200, {"now": now_ms})
            case ("GET", ["v1", "orders", order_id]) if order_id in self.exchange.orders:
                return _reply(200, {"filled": plain(self.exchange.orders[order_id].filled)})
            case ("POST", ["v1", "orders"]):
                return self._place(call, now_ms)
            case ("GET", ["v1", "bug"]):
                raise RuntimeError("a bug in the simulator")
            case _:
                return _reply(404, {"error": "no such thing"})

    def _place(self, call: Call, now_ms: int) -> Response:
        wish = msgspec.json.decode(call.body, type=dict[str, str])
        account = call.headers.get("x-key", "")
        if account not in self.exchange.accounts:
            return _reply(401, {"error": "who are you"})
        if wish["id"] in self.exchange.orders:
            return _reply(409, {"error": "repeated"})
        market, outcome = self.exchange.by_native[wish["market"]]
        order = SimOrder(
            order_id=wish["id"],
            account=account,
            market=market,
            outcome=outcome,
            side=Side(wish["side"]),
            price=Price(micros(wish["price"])),
            size=Size(micros(wish["size"])),
            cash=None,
            time_in_force=TIMES[wish.get("tif", "ioc")],
            created_ms=now_ms,
            client_id=wish["id"],
        )
        try:
            self.exchange.place(order, now_ms)
        except EngineError as error:
            return _reply(422, {"error": error.code})
        self._publish()
        return _reply(201, {"filled": plain(order.filled), "fee": plain(order.fees)})

    def connect(self, call: Call, now_ms: int) -> Socket | Response:
        if call.path != self.socket_path:
            return _reply(404, {"error": "no such stream"})
        socket = AcmeSocket(self)
        self.sockets.append(socket)
        return socket

    def disconnect(self, socket: Socket) -> None:
        self.sockets = [known for known in self.sockets if known is not socket]

    def tick(self, now_ms: int) -> None:
        self.ticked_ms.append(now_ms)
        self.exchange.expire(now_ms)
        self._publish()

    def hosts(self, origin: str, socket_origin: str) -> Mapping[str, str]:
        return {"rest": origin, "socket": socket_origin + self.socket_path}

    def open_account(self, wish: Mapping[str, Any], now_ms: int) -> Mapping[str, str]:
        name = wish.get("credentials", {}).get("key") or self.exchange.new_id("key")
        if name in self.exchange.accounts:
            raise ValueError(f"credentials.key: {name!r} is taken")
        account = self.exchange.open_account(name, Cash(micros(wish.get("balance", "0"))))
        for native, size in wish.get("positions", {}).items():
            market, outcome = self.exchange.by_native[native.removesuffix(":inverted")]
            outcome = 1 - outcome if native.endswith(":inverted") else outcome
            self.exchange.grant(account, market, outcome, Size(micros(size)))
        return {"key": name}

    def list_market(self, wish: Mapping[str, Any]) -> list[str]:
        name = wish.get("name", f"ACME{len(self.exchange.markets) + 1}")
        if name in self.exchange.by_native:
            raise ValueError(f"name: {name!r} is listed already")
        step, grid = 10_000, Grid.uniform(10_000)
        self.exchange.add_market(Market(name, (name,), size_step=step, grid=grid))
        return [name]

    def _publish(self) -> None:
        for event in self.exchange.take_events():
            if isinstance(event, BookChange):
                for socket in self.sockets:
                    socket.changed(event)


def book_after(frames: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """What a client of the feed holds after these frames. A gap is an AssertionError."""
    sides: dict[str, dict[str, str]] = {}
    seq = -1
    for frame in frames:
        if frame["type"] == "book":
            sides = {"bid": dict(frame["bids"]), "ask": dict(frame["asks"])}
            seq = frame["seq"]
            continue
        assert frame["seq"] == seq + 1, f"expected {seq + 1}, was {frame['seq']}"
        seq = frame["seq"]
        sides[frame["side"]][frame["price"]] = frame["size"]
        if frame["size"] == "0":
            del sides[frame["side"]][frame["price"]]
    return sides


def _pairs(levels: list[tuple[Price, Size]]) -> list[tuple[str, str]]:
    return [(plain(price), plain(size)) for price, size in levels]


def _reply(status: int, value: object) -> Response:
    return Response(status, msgspec.json.encode(value))
