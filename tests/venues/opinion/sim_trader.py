"""A customer for the tests of the simulated venue, with an order signer of its own written from the EIPs."""

import json
from collections.abc import Mapping
from typing import Any

import coincurve
from Crypto.Hash import keccak

from venues.base.units import Price, Size, micros
from venues.opinion.sim import OpinionSimulator
from venues.opinion.sim_line import Line
from venues.sim.contract import Call

SECOND = 1_000
NOW = 1_795_187_000_000
ZERO = "0x" + "00" * 20
USDT = "0x55d398326f99059fF775485246999027B3197955"
EXCHANGE = "0x5F45344126D6488025B0b84A3A8189F2487a7246"
SIGNED = (
    "tokenId",
    "makerAmount",
    "takerAmount",
    "expiration",
    "nonce",
    "feeRateBps",
    "side",
    "signatureType",
)


def _hash(*parts: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=b"".join(parts)).digest()


def _uint(value: int | str) -> bytes:
    return int(value).to_bytes(32, "big")


def _left(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


def order_digest(order: Mapping[str, Any], exchange: str = EXCHANGE) -> bytes:
    """EIP-712 digest of an order, chain 56."""
    domain = _hash(
        _hash(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        _hash(b"OPINION CTF Exchange"),
        _hash(b"1"),
        _uint(56),
        _left(exchange),
    )
    struct = _hash(
        _hash(
            b"Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,"
            b"uint256 makerAmount,uint256 takerAmount,uint256 expiration,uint256 nonce,"
            b"uint256 feeRateBps,uint8 side,uint8 signatureType)"
        ),
        _uint(order["salt"]),
        *(_left(order[name]) for name in ("maker", "signer", "taker")),
        *(_uint(order[name]) for name in SIGNED),
    )
    return _hash(b"\x19\x01", domain, struct)


def wei(text: str) -> int:
    """Decimal text in base units with 18 decimals, exactly."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(18, "0"))


class Trader:
    """Signs as the owner of a Safe, and sends."""

    def __init__(self, sim: OpinionSimulator, keys: Mapping[str, str]) -> None:
        self.sim = sim
        self.now = NOW
        self.api_key, self.safe = keys["api_key"], keys["safe"]
        self._key = coincurve.PrivateKey.from_hex(keys["private_key"].removeprefix("0x"))
        public = self._key.public_key.format(compressed=False)[1:]
        self.address = "0x" + _hash(public)[12:].hex()
        self._salt = 0

    def call(self, method: str, path: str, body: Any = None, *, key: str | None = None, **query: str) -> Any:
        """One call; the parsed body, whatever the errno. The status is 200 or the test fails."""
        content = b"" if body is None else json.dumps(body).encode()
        name = self.api_key if key is None else key
        headers = {"apikey": name} if name else {}
        call = Call(method=method, path="/openapi" + path, query=query, headers=headers, body=content)
        response = self.sim.answer(call, self.now)
        assert response.status == 200, response
        return json.loads(response.body)

    def get(self, path: str, **query: str) -> Any:
        """The result of a read that succeeds."""
        reply = self.call("GET", path, **query)
        assert reply["errno"] == 0, reply
        return reply["result"]

    def body(self, market: int, token: str, side: str, **wish: Any) -> dict[str, Any]:
        """A signed body of POST /order. `given` and `wanted` are base units; a `price` makes it a limit.

        Everything else in `wish` replaces the field of that name before signing.
        """
        self._salt += 1
        given, wanted, price = wish.pop("given"), wish.pop("wanted", 0), wish.pop("price", "0")
        body: dict[str, Any] = {
            "topicId": market,
            "tradingMethod": 1 if price == "0" else 2,
            "timestamp": self.now // 1_000,
            "salt": str(self._salt),
            "tokenId": token,
            "makerAmount": str(given),
            "takerAmount": str(wanted),
            "expiration": "0",
            "nonce": "0",
            "feeRateBps": "0",
            "side": {"buy": "0", "sell": "1"}[side],
            "signatureType": "2",
            "maker": self.safe,
            "signer": self.address,
            "taker": ZERO,
            "contractAddress": "",
            "currencyAddress": USDT,
            "price": price,
            "safeRate": "0",
            "orderExpTime": "0",
            **wish,
        }
        signature = self.sign(order_digest(body))
        return {"signature": signature, "sign": signature, **body}

    def sign(self, digest: bytes) -> str:
        """65 bytes r, s, v as hexadecimal text."""
        raw = self._key.sign_recoverable(digest, hasher=None)
        return "0x" + raw[:64].hex() + f"{raw[64] + 27:02x}"

    def post(
        self, market: "Book", side: str, amount: str, price: str = "0", *, no: bool = False, **more: Any
    ) -> Any:
        """An order for YES, or for NO: money for a market buy, else shares. The reply, whatever it is."""
        given, wanted = wei(amount), more.pop("wanted", 0)
        if price != "0":
            cash = wei(amount) * micros(price) // 10**6
            given, wanted = (cash, wei(amount)) if side == "buy" else (wei(amount), cash)
        wish = {"given": given, "wanted": wanted, "price": price, **more}
        return self.call("POST", "/order", self.body(market.market_id, market.tokens[no], side, **wish))

    def place(self, market: "Book", side: str, amount: str, price: str = "0", **more: Any) -> str:
        """The id of an order that is accepted."""
        reply = self.post(market, side, amount, price, **more)
        assert reply["errno"] == 0, reply
        assert reply["result"]["orderData"]["status"] == 1
        return str(reply["result"]["orderData"]["orderId"])

    def order(self, order_id: str) -> Any:
        """The order with its trades."""
        return self.get(f"/order/{order_id}")["orderData"]

    def cancel(self, order_id: str) -> bool:
        """Whether the order was taken off the book."""
        reply = self.call("POST", "/order/cancel", {"orderId": order_id})
        assert reply["errno"] == 0, reply
        return bool(reply["result"]["result"])

    def cancel_all(self) -> None:
        """Nothing of this customer rests any more."""
        for row in self.get("/order", status="1")["list"] or []:
            self.cancel(row["orderId"])

    def wait(self, ms: int) -> None:
        """Time passes, here and at the venue."""
        self.now += ms
        self.sim.tick(self.now)

    def money(self) -> tuple[str, str, str]:
        """Total, available and frozen USDT as the venue shows them."""
        [row] = self.get("/user/balance", chain_id="56")["balances"]
        return row["totalBalance"], row["availableBalance"], row["frozenBalance"]

    def shares(self) -> dict[str, tuple[str, str]]:
        """Owned and frozen shares by outcome."""
        found = self.get("/positions")["list"] or []
        return {row["outcome"]: (row["sharesOwned"], row["sharesFrozen"]) for row in found}

    def listen(self, market: "Book", *channels: str) -> Line:
        """A connection with these channels of one market; nothing is in its outbox."""
        line = self.sim.connect(Call(method="GET", path="/", query={"apikey": self.api_key}), self.now)
        assert isinstance(line, Line)
        for channel in channels:
            wish = {"action": "SUBSCRIBE", "channel": channel, "marketId": market.market_id}
            line.receive(json.dumps(wish), self.now)
        assert all(json.loads(frame)["code"] == 0 for frame in line.outbox)
        line.outbox.clear()
        return line


class Book:
    """One listed market and its tokens."""

    def __init__(self, sim: OpinionSimulator, **wish: Any) -> None:
        [self.native] = sim.list_market(wish)
        self.market_id = int(self.native)
        row = json.loads(
            sim.answer(Call(method="GET", path=f"/market/{self.native}"), NOW - 10 * SECOND).body
        )
        self.row = row["result"]["data"]
        self.tokens = (self.row["yesTokenId"], self.row["noTokenId"])


BIDS = [("0.41", "800"), ("0.4", "1500")]
ASKS = [("0.43", "10"), ("0.45", "1200")]


def levels(side: list[tuple[str, str]]) -> list[tuple[Price, Size]]:
    return [(Price(micros(price)), Size(micros(size))) for price, size in side]


def scene(**market: Any) -> tuple[OpinionSimulator, Trader, Book]:
    """A venue with one market, its book as above, and a trader with 100 USDT and 40 YES."""
    sim = OpinionSimulator(1)
    sim.knobs["keyed_calls_per_s"] = 0
    sim.knobs["keyless_calls_per_s"] = 0
    book = Book(sim, **market)
    sim.exchange.set_book(book.native, levels(BIDS), levels(ASKS), NOW)
    sim.tick(NOW)
    wish = {"balance": "100", "positions": {book.native: "40"}}
    return sim, Trader(sim, sim.open_account(wish, NOW)), book


def heard(line: Line) -> list[dict[str, Any]]:
    """All messages so far."""
    frames = [json.loads(text) for text in line.outbox]
    line.outbox.clear()
    return frames
