"""polymarket-us, unchanged: the exchange's Python client, over HTTP and both WebSockets."""

import asyncio
from decimal import Decimal

from polymarket_us import AsyncPolymarketUS
from scene import Scene, later, same

scene = Scene()
slug = scene.listings[0]


def usd(value: str) -> dict[str, str]:
    """Money as the exchange writes it."""
    return {"value": value, "currency": "USD"}


def wish(intent: str, price: str, quantity: float, tif: str) -> dict[str, object]:
    """One limit order."""
    return {
        "marketSlug": slug,
        "intent": f"ORDER_INTENT_{intent}",
        "type": "ORDER_TYPE_LIMIT",
        "price": usd(price),
        "quantity": quantity,
        "tif": f"TIME_IN_FORCE_{tif}",
        "manualOrderIndicator": "MANUAL_ORDER_INDICATOR_AUTOMATIC",
    }


def executed(executions: list[dict[str, object]]) -> tuple[Decimal, Decimal]:
    """Shares and fees of an order's executions."""
    shares = sum((Decimal(row["lastShares"]) for row in executions if row.get("lastShares")), Decimal())
    fees = [
        row["commissionNotionalCollected"]["value"]
        for row in executions
        if "commissionNotionalCollected" in row
    ]
    return shares, sum(map(Decimal, fees), Decimal())


async def takes(client: AsyncPolymarketUS, intent: str, price: str, quantity: float) -> str:
    """A marketable order that the exchange answers with its executions."""
    asked = wish(intent, price, quantity, "IMMEDIATE_OR_CANCEL")
    reply = await client.orders.create(asked | {"synchronousExecution": True, "maxBlockTime": "5"})
    truth = scene.order(order_id=reply["id"])
    shares, fees = executed(reply["executions"])
    same("shares", shares, truth["filled"])
    same("fees", fees, truth["fees"])
    read = (await client.orders.retrieve(reply["id"]))["order"]
    same("cumulative", read["cumQuantity"], truth["filled"])
    same("fees in all", read["commissionNotionalTotalCollected"]["value"], truth["fees"])
    return f"{shares} shares at {read['avgPx']['value']}, fee {fees}"


async def rests(client: AsyncPolymarketUS) -> None:
    """An order below the market: placed, read, listed, cancelled."""
    order = (await client.orders.create(wish("BUY_LONG", "0.30", 20, "GOOD_TILL_CANCEL")))["id"]
    same("what became of it", "resting", scene.order(order_id=order)["status"])
    scene.did("rest", "orders.create", "rests")
    state = (await client.orders.retrieve(order))["order"]["state"]
    same("state", state, "ORDER_STATE_NEW")
    scene.did("read", "orders.retrieve", state)
    listed = [row["id"] for row in (await client.orders.list({"slugs": [slug]}))["orders"]]
    same("open orders", listed, [order])
    scene.did("list", "orders.list", f"{len(listed)} order")
    await client.orders.cancel(order, {"marketSlug": slug})
    same("what became of it", "cancelled", scene.order(order_id=order)["status"])
    state = (await client.orders.retrieve(order))["order"]["state"]
    same("state", state, "ORDER_STATE_CANCELED")
    scene.did("cancel", "orders.cancel", state)


async def reads(client: AsyncPolymarketUS) -> None:
    """Money and positions."""
    [balance] = (await client.account.balances())["balances"]
    same("cash", balance["currentBalance"], scene.cash())
    scene.did("balances", "account.balances", balance["currentBalance"])
    position = (await client.portfolio.positions())["positions"][slug]
    same("position", position["netPositionDecimal"], scene.shares(slug))
    scene.did("positions", "portfolio.positions", position["netPositionDecimal"])


async def main() -> None:
    """All duties, in order; the streams listen from before the first order."""
    keys = scene.credentials
    client = AsyncPolymarketUS(
        key_id=keys["key_id"],
        secret_key=keys["secret_key"],
        gateway_base_url=scene.hosts["gateway"],
        api_base_url=scene.rest,
    )
    scene.told("its constructor's `api_base_url` and `gateway_base_url`; the sockets follow")
    scene.set_book(slug, [["0.54", "120"], ["0.53", "400.5"]], [["0.56", "75"], ["0.57", "250"]])
    book = (await client.markets.book(slug))["marketData"]
    same("best bid", book["bids"][0]["px"]["value"], Decimal("0.54"))
    same("best offer", book["offers"][0]["px"]["value"], Decimal("0.56"))
    scene.did("market data", "markets.book", f"{len(book['bids'])} bids, {len(book['offers'])} offers")

    heard: dict[str, list[dict[str, object]]] = {"market_data": [], "order_update": [], "position_update": []}
    errors: list[object] = []
    market, private = client.ws.markets(), client.ws.private()
    for socket in (market, private):
        for event, messages in heard.items():
            socket.on(event, messages.append)
        socket.on("error", errors.append)
        await socket.connect()
    await market.subscribe_market_data("books", [slug])
    await private.subscribe_orders("orders")
    await private.subscribe_positions("positions")

    scene.did("buy", "orders.create, orders.retrieve", await takes(client, "BUY_LONG", "0.57", 100))
    scene.did("sell", "orders.create, orders.retrieve", await takes(client, "SELL_LONG", "0.54", 12.5))
    await rests(client)
    await reads(client)

    async def all_told() -> bool:
        return (
            all(heard.values()) and _ended(heard["order_update"]) and _offer(heard["market_data"]) == "0.57"
        )

    await later("the streams", all_told)
    same("errors of the sockets", errors, [])
    updates = [row["orderSubscriptionUpdate"]["execution"] for row in heard["order_update"]]
    filled = sum((Decimal(row["lastShares"]) for row in updates if row.get("lastShares")), Decimal())
    same("shares heard of", filled, sum(Decimal(fill["size"]) for fill in scene.ledger()["fills"]))
    scene.did("market stream", "ws.markets().subscribe_market_data", f"{len(heard['market_data'])} books")
    scene.did(
        "account stream", "ws.private().subscribe_orders", f"{len(updates)} executions, {filled} shares"
    )
    await market.close()
    await private.close()


def _ended(updates: list[dict[str, object]]) -> bool:
    """Whether the last order's end was told."""
    return updates[-1]["orderSubscriptionUpdate"]["execution"]["type"] == "EXECUTION_TYPE_CANCELED"


def _offer(books: list[dict[str, object]]) -> str:
    return books[-1]["marketData"]["offers"][0]["px"]["value"]


asyncio.run(main())
