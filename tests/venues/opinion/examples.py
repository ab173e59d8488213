"""Constructors for this venue's tests, with a default for everything; and the other end of a conversation."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from venues.base.events import Ask, BookSide, FeedEvent, Lost, Say, Snapshot, Update
from venues.base.http import Reply, Request, Response, Silence, Talk
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side
from venues.base.units import Cash, Price, Size
from venues.opinion.feed import OpinionFeed
from venues.opinion.signer import OpinionSigner

T = TypeVar("T")
NOW_MS = 1_795_187_000_000
MARKET = "5120"
YES_TOKEN = "36382003735247733890698228302854632169409660985030186930090021580550892702194"
NO_TOKEN = "46563703222019271132538062390797314503454173109205114911224037517197588191611"
USDT = "0x55d398326f99059fF775485246999027B3197955"
EXCHANGE = "0x5F45344126D6488025B0b84A3A8189F2487a7246"
SECRETS = {
    "private_key": "0x4212ec10551629cfa7be7d5a6e93bc584bc5b7fc9860d35b94dc0b6475b55ead",
    "api_key": "test-key-opinion-main",
    "safe": "0x229cEcd68a929Ce75523E9b657566dD22EC498b0",
}
QUOTE_TOKEN = {
    "id": 1, "quoteTokenName": "USDT", "quoteTokenAddress": USDT, "ctfExchangeAddress": EXCHANGE,
    "symbol": "USDT", "decimal": 18, "chainId": "56", "createdAt": 1750000000,
}  # fmt: skip
DETAILS = {
    "yes_token": YES_TOKEN,
    "no_token": NO_TOKEN,
    "quote_token": USDT,
    "exchange": EXCHANGE,
    "taker_fee_bps": "400",
    "minimum_fee": "250000",
}


def signer() -> OpinionSigner:
    return OpinionSigner(SECRETS)


def listing(*, inverted: bool = False, **details: str) -> Listing:
    return Listing(
        venue="opinion",
        native=Native(MARKET),
        inverted=inverted,
        grid=Grid.uniform(1_000),
        lot=10_000,
        minimum_cash=5_010_000,
        minimum_sale_cash=5_010_000,
        pool=USDT.lower(),
        details=DETAILS | details,
    )


def order(**wish: Any) -> Order:
    """A marketable buy for 10 USDT and 0.25 of fee at 0.42 or better, unless told otherwise."""
    usual: dict[str, Any] = {
        "order_id": OrderId("6f1b0f0e-0000-4000-8000-00000000000a"),
        "listing": listing(),
        "side": Side.BUY,
        "limit": Price(420_000),
        "size": Size(23_800_000),
        "cash": Cash(10_000_000),
        "reserve": Cash(250_000),
        "created_ms": NOW_MS,
        "salt": 479_249_096_354,
    }
    return Order(**(usual | wish))


def ok(result: object) -> Response:
    return Response(200, json.dumps({"errno": 0, "errmsg": "", "result": result}).encode())


def refusal(number: int, text: str = "no") -> Response:
    return Response(200, json.dumps({"errno": number, "errmsg": text, "result": None}).encode())


def row(of: Order, **wish: Any) -> dict[str, Any]:
    """`of` as the venue keeps it: open and untouched, unless told otherwise."""
    signed = signer().signed(of)
    cash, shares = signed.maker_amount, signed.taker_amount
    if of.side is Side.SELL:
        cash, shares = shares, cash
    usual = {
        "orderId": "o-1", "marketId": int(of.listing.native), "side": 1 if of.side is Side.BUY else 2,
        "outcomeSide": 2 if of.listing.inverted else 1, "tradingMethod": 2, "price": "0.420000000000000000",
        "orderShares": wei(shares), "orderAmount": wei(cash), "filledShares": "0", "filledAmount": "0",
        "status": 1, "createdAt": of.created_ms // 1000 + 1, "trades": [],
    }  # fmt: skip
    return usual | wish


def trade(number: int = 1, **wish: Any) -> dict[str, Any]:
    """Ten shares at 0.42 with the smallest fee, settled, unless told otherwise."""
    usual = {
        "orderNo": "o-1", "tradeNo": f"t-{number}", "txHash": "0x1", "side": "Buy", "price": "0.42",
        "shares": "10", "amount": "4.2", "fee": 250_000_000_000_000_000, "feeFormatted": "0.25", "status": 2,
    }  # fmt: skip
    return usual | wish


def wei(text: str) -> str:
    """Base units as the venue writes them: whole units with 18 digits."""
    digits = text.zfill(19)
    return f"{digits[:-18]}.{digits[-18:]}"


class Venue:
    """Answers by "METHOD path", each a reply, a list of replies used up one by one, or a function."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[Request] = []

    def on(self, what: str, answer: Reply | Sequence[Reply] | Callable[[Request], Reply]) -> "Venue":
        self.answers[what] = list(answer) if isinstance(answer, Sequence) else answer
        return self

    def run(self, talk: Talk[T]) -> T:
        reply: Reply | None = None
        while True:
            try:
                request = talk.send(reply) if reply is not None else next(talk)
            except StopIteration as stop:
                done: T = stop.value
                return done
            self.asked.append(request)
            answer = self.answers[f"{request.method} {request.path}"]
            if isinstance(answer, list):
                answer = answer.pop(0)
            reply = answer if isinstance(answer, Response | Silence) else answer(request)

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.asked]


Levels = dict[int, int]


class Replay:
    """Books made from a feed's events in the simplest way, and what was said and asked meanwhile."""

    def __init__(self) -> None:
        self.feed = OpinionFeed()
        self.books: dict[str, dict[BookSide, Levels]] = {}
        self.said: list[dict[str, Any]] = []
        self.asks: list[Ask] = []
        self.lost: list[str] = []
        self.events: list[FeedEvent] = []

    def take(self, events: list[FeedEvent]) -> None:
        self.events += events
        for event in events:
            match event:
                case Snapshot():
                    self.books[event.native] = {
                        BookSide.BID: {int(p): int(s) for p, s in event.bids},
                        BookSide.ASK: {int(p): int(s) for p, s in event.asks},
                    }
                case Update():
                    for side, price, size in event.touches:
                        levels = self.books[event.native][side]
                        levels.pop(price, None)
                        if size:
                            levels[price] = size
                case Lost():
                    self.lost.append(event.native)
                    self.books.pop(event.native, None)
                case Say():
                    self.said.append(json.loads(event.text))
                case Ask():
                    self.asks.append(event)
                case _:
                    pass

    def receive(self, frame: object, now_ms: int = NOW_MS) -> None:
        self.take(self.feed.receive(frame if isinstance(frame, str) else json.dumps(frame), now_ms))

    def answer(self, response: Response, now_ms: int = NOW_MS) -> None:
        """To the oldest question."""
        self.take(self.feed.fetched(self.asks.pop(0).native, response, now_ms))

    def tick(self, now_ms: int) -> None:
        self.take(self.feed.tick(now_ms))


def market_reply(
    market: str = MARKET, yes: str = YES_TOKEN, no: str = NO_TOKEN, *, status: int = 2
) -> Response:
    data = {"marketId": int(market), "status": status, "yesTokenId": yes, "noTokenId": no, "quoteToken": USDT}
    return ok({"data": data})


def book_reply(
    bids: dict[str, str], asks: dict[str, str], *, ms: int = NOW_MS, token: str = YES_TOKEN
) -> Response:
    sides = [[{"price": p, "size": s} for p, s in side.items()] for side in (bids, asks)]
    return ok({"market": "c", "tokenId": token, "timestamp": ms, "bids": sides[0], "asks": sides[1]})


def diff(side: str, price: str, size: str, **wish: Any) -> dict[str, Any]:
    """A change of the YES book, later than `book_reply`'s, unless told otherwise."""
    usual = {
        "marketId": int(MARKET), "tokenId": YES_TOKEN, "outcomeSide": 1, "side": side, "price": price,
        "size": size, "msgType": "market.depth.diff", "timestamp": NOW_MS + 100,
    }  # fmt: skip
    made = usual | wish
    return {name: value for name, value in made.items() if value is not None}
