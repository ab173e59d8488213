"""polymarket-client, unchanged: the venue's newer Python SDK, over HTTP and both WebSockets.

It is given another `environment`, which is the SDK's own parameter. The SDK ships one and no public way to
make more, so this one is made by the function that makes its own, with other addresses and nothing else.
"""

import asyncio
import dataclasses
from collections import Counter
from decimal import Decimal

from polymarket import environments
from polymarket.clients.async_secure import AsyncSecureClient
from polymarket.streams import MarketSpec, UserSpec
from scene import Scene, later, same

SETTLED = ("MINED", "CONFIRMED")

scene = Scene()
token = scene.listings[0]
books: Counter[str] = Counter()
orders: set[str] = set()
mined: dict[str, Decimal] = {}


def simulated() -> environments.Environment:
    """The SDK's production environment at the simulator's addresses."""
    real = environments.PRODUCTION
    config = dataclasses.replace(
        real._config,
        clob_url=scene.rest,
        clob_market_ws_url=scene.ws,
        clob_user_ws_url=f"{scene.hosts['socket']}/ws/user",
        gamma_url=scene.hosts["gamma"],
    )
    return environments._create_environment(name=real.name, config=config)


async def takes(client: AsyncSecureClient, **wish: object) -> str:
    """A marketable order; what was matched and its trades are those of the ledger."""
    reply = await client.place_market_order(token_id=token, order_type="FAK", **wish)
    same("status", reply.status, "matched")
    truth = scene.order(order_id=reply.order_id)
    bought = wish["side"] == "BUY"
    cash, shares = (reply.making_amount, reply.taking_amount)[:: 1 if bought else -1]
    same("shares", shares, truth["filled"])
    same("cash", cash, truth["value"])
    await client.wait_for_order_fill_settlement(reply)
    trades = (await client.list_account_trades(token_id=token).first_page()).items
    mine = [trade for trade in trades if trade.taker_order_id == reply.order_id]
    same("size of the trades", sum(trade.size for trade in mine), truth["filled"])
    return f"{shares} shares for {cash}, {len(mine)} trade {mine[0].status}"


async def rests(client: AsyncSecureClient) -> None:
    """An order below the market: placed, read, listed, cancelled."""
    order = (await client.place_limit_order(token_id=token, side="BUY", price="0.3", size=20)).order_id
    same("what became of it", "resting", scene.order(order_id=order)["status"])
    scene.did("rest", "place_limit_order", "rests")
    read = await client.get_order(order_id=order)
    same("status", read.status, "LIVE")
    same("size", read.original_size, Decimal(20))
    scene.did("read", "get_order", read.status)
    listed = [row.id for row in (await client.list_open_orders().first_page()).items]
    same("open orders", listed, [order])
    scene.did("list", "list_open_orders", f"{len(listed)} order")
    cancelled = await client.cancel_order(order_id=order)
    same("cancelled", list(cancelled.canceled), [order])
    same("what became of it", "cancelled", scene.order(order_id=order)["status"])
    scene.did("cancel", "cancel_order", "in `canceled`")


async def reads(client: AsyncSecureClient) -> None:
    """Money and shares, both in base units."""
    cash = Decimal((await client.get_balance_allowance(asset_type="COLLATERAL")).balance).scaleb(-6)
    same("cash", cash, scene.cash())
    scene.did("balances", "get_balance_allowance(COLLATERAL)", cash)
    shares = await client.get_balance_allowance(asset_type="CONDITIONAL", token_id=token)
    same("shares", Decimal(shares.balance).scaleb(-6), scene.shares(token))
    scene.did("positions", "get_balance_allowance(CONDITIONAL)", Decimal(shares.balance).scaleb(-6))


async def listens(client: AsyncSecureClient) -> list[asyncio.Task[None]]:
    """Both streams, from before the first order; what they say is in `books`, `mined` and `orders`."""
    market = await client.subscribe(MarketSpec(asset_ids=[token]))
    user = await client.subscribe(UserSpec())

    async def hear_market() -> None:
        async for event in market:
            books[event.type] += 1

    async def hear_user() -> None:
        async for event in user:
            if event.type == "order":
                orders.add(event.payload.order_event_type)
            elif event.payload.status in SETTLED:
                mined[event.payload.id] = event.payload.size

    async def snapshot() -> bool:
        return books["book"] > 0

    listeners = [asyncio.create_task(hear_market()), asyncio.create_task(hear_user())]
    await later("the first book", snapshot)
    return listeners


async def hears() -> None:
    """Both streams have told all that the ledger holds."""
    traded = sum(Decimal(fill["size"]) for fill in scene.ledger()["fills"])

    async def all_told() -> bool:
        return sum(mined.values()) >= traded and "CANCELLATION" in orders and books["price_change"] > 0

    await later("the streams", all_told)
    same("shares heard of", sum(mined.values()), traded)
    scene.did("market stream", "subscribe(MarketSpec)", f"{books.total()} events: {', '.join(sorted(books))}")
    told = f"{len(mined)} trades mined, {', '.join(sorted(orders))}"
    scene.did("account stream", "subscribe(UserSpec)", told)


async def main() -> None:
    """All duties, in order."""
    keys = scene.credentials
    client = await AsyncSecureClient.create(
        private_key=keys["private_key"], wallet=keys["funder"], environment=simulated()
    )
    scene.told("its parameter `environment`: the SDK's own with other addresses")
    same("API key", client.credentials.key, keys["api_key"])
    scene.set_book(token, [["0.41", "10"], ["0.40", "25.5"]], [["0.44", "12"], ["0.45", "70"]])
    book = await client.get_order_book(token_id=token)
    same("best ask", min(level.price for level in book.asks), Decimal("0.44"))
    same("best bid", max(level.price for level in book.bids), Decimal("0.41"))
    scene.did("market data", "get_order_book", f"{len(book.bids)} bids, {len(book.asks)} asks")
    listeners = await listens(client)
    how = "place_market_order, list_account_trades"
    scene.did("buy", how, await takes(client, side="BUY", amount=10))
    scene.did("sell", how, await takes(client, side="SELL", shares=5))
    await rests(client)
    await reads(client)
    await hears()
    for listener in listeners:
        listener.cancel()
    await client.close()


asyncio.run(main())
