"""limitless-sdk for Python, unchanged, over HTTP and Socket.IO."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from limitless_sdk import WebSocketClient, WebSocketConfig
from limitless_sdk.sdk_client import Client
from limitless_sdk.types import OrderType, Side
from limitless_sdk.types.api_tokens import HMACCredentials
from scene import Scene, later, plain, same

EVENTS = ("orderbookUpdate", "orderEvent", "positions", "exception")

scene = Scene()
slug = scene.listings[0]
heard: dict[str, list[dict[str, Any]]] = {event: [] for event in EVENTS}


def units(text: str) -> Decimal:
    """Base units of six decimals, both of money and of shares."""
    return Decimal(text).scaleb(-6)


async def takes(orders: Any, token: str, **wish: object) -> str:
    """A marketable order; its totals are those of the ledger."""
    reply = await orders.create_order(token_id=token, market_slug=slug, order_type=OrderType.FAK, **wish)
    same("settlement", reply.execution.settlement_status, "MATCHED")
    truth, totals = scene.order(order_id=reply.order.id), reply.execution.totals_raw
    same("shares", units(totals.contracts_gross), truth["filled"])
    same("shares kept as fee", units(totals.contracts_fee), scene.kept(reply.order.id))
    same("cash", units(totals.usd_gross), truth["value"])
    same("fee in cash", units(totals.usd_fee), truth["fees"])
    fee = f"{plain(units(totals.contracts_fee))} shares and {plain(truth['fees'])} USDC"
    return f"{plain(truth['filled'])} shares for {plain(truth['value'])}, fee {fee}"


async def arrives(client: Client) -> None:
    """What was bought can be sold once it is on the chain."""

    async def arrived() -> bool:
        return bool((await client.portfolio.get_positions())["clob"])

    await later("the bought shares", arrived)


async def rests(orders: Any, market: Any) -> None:
    """An order below the market: placed, listed, cancelled."""
    reply = await orders.create_order(
        token_id=market.tokens.yes,
        side=Side.BUY,
        order_type=OrderType.GTC,
        market_slug=slug,
        price=0.2,
        size=20,
    )
    same("status", reply.order.status, "LIVE")
    same("what became of it", "resting", scene.order(order_id=reply.order.id)["status"])
    scene.did("rest", "OrderClient.create_order(GTC)", reply.order.status)
    scene.lacks("read", "orders are read as the list of a market only")
    listed = [order for order in await market.get_user_orders() if order["status"] == "LIVE"]
    same("open orders", [order["id"] for order in listed], [reply.order.id])
    same("what is left", units(listed[0]["remainingSize"]), Decimal(20))
    scene.did("list", "Market.get_user_orders", f"{len(listed)} order")
    said = await orders.cancel(reply.order.id)
    same("what became of it", "cancelled", scene.order(order_id=reply.order.id)["status"])
    scene.did("cancel", "OrderClient.cancel", said["message"])


async def reads(client: Client) -> None:
    """Positions, once the settlements are on the chain."""
    scene.lacks("balances", "money is in the wallet: the client has no call for it")

    async def settled() -> bool:
        rows = (await client.portfolio.get_positions())["clob"]
        return [units(row["tokensBalance"]["yes"]) for row in rows] == [scene.shares(slug)]

    await later("positions", settled)
    scene.did("positions", "PortfolioFetcher.get_positions", scene.shares(slug))


async def listens(keys: HMACCredentials) -> WebSocketClient:
    """The socket with all its subscriptions; what it says is in `heard`."""
    address = scene.hosts["socket"]
    socket = WebSocketClient(WebSocketConfig(url=address, hmac_credentials=keys, auto_reconnect=False))

    def note(event: str) -> Callable[[dict[str, Any]], Any]:
        async def heed(message: dict[str, Any]) -> None:
            heard[event].append(message)

        return heed

    for event in EVENTS:
        socket.on(event, note(event))
    await socket.connect()
    await socket.subscribe("subscribe_market_prices", {"marketSlugs": [slug]})
    await socket.subscribe("subscribe_order_events")
    await socket.subscribe("subscribe_positions", {"marketSlugs": [slug]})
    return socket


async def hears() -> None:
    """Both streams have told all that the ledger holds."""
    traded = sum(Decimal(fill["size"]) for fill in scene.ledger()["fills"])

    def mined() -> Decimal:
        ended = [event for event in heard["orderEvent"] if event["type"] in ("MINED", "CONFIRMED")]
        sizes = {event["tradeEventId"]: units(event["amountContracts"]) for event in ended}
        return sum(sizes.values(), Decimal())

    async def all_told() -> bool:
        kinds = {event["type"] for event in heard["orderEvent"]}
        return mined() == traded and {"PLACEMENT", "CANCELLATION"} <= kinds and bool(heard["orderbookUpdate"])

    await later("the streams", all_told)
    same("errors of the socket", heard["exception"], [])
    scene.did("market stream", "subscribe_market_prices", f"{len(heard['orderbookUpdate'])} books")
    scene.did(
        "account stream",
        "subscribe_order_events",
        f"{len(heard['orderEvent'])} events, {plain(mined())} shares mined",
    )


async def main() -> None:
    """All duties, in order; the socket listens from before the first order."""
    keys = HMACCredentials(token_id=scene.credentials["token_id"], secret=scene.credentials["token_secret"])
    async with Client(base_url=scene.rest, hmac_credentials=keys) as client:
        scene.told("its constructor's `base_url`, and `url` of its `WebSocketConfig`")
        scene.set_book(slug, [["0.410", "100"], ["0.400", "255"]], [["0.440", "12"], ["0.450", "70"]])
        market = await client.markets.get_market(slug)
        book = await client.markets.get_orderbook(slug)
        same("best ask", book.asks[0].price, Decimal("0.44"))
        same("best bid", book.bids[0].price, Decimal("0.41"))
        scene.did(
            "market data", "MarketFetcher.get_orderbook", f"{len(book.bids)} bids, {len(book.asks)} asks"
        )
        orders = client.new_order_client(scene.credentials["private_key"])
        socket = await listens(keys)
        how = "OrderClient.create_order(FAK)"
        scene.did("buy", how, await takes(orders, market.tokens.yes, side=Side.BUY, price=0.45, size=20))
        await arrives(client)
        scene.did("sell", how, await takes(orders, market.tokens.yes, side=Side.SELL, price=0.4, size=7.777))
        await rests(orders, market)
        await reads(client)
        await hears()
        await socket.disconnect()


asyncio.run(main())
