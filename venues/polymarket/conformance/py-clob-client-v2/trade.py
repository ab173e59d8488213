"""py-clob-client-v2, unchanged: the CLOB's Python client, over HTTP."""

from decimal import Decimal

from py_clob_client_v2 import (
    AssetType,
    BalanceAllowanceParams,
    ClobClient,
    MarketOrderArgs,
    OpenOrderParams,
    OrderArgs,
    OrderPayload,
    OrderType,
    TradeParams,
)
from scene import Scene, same, soon

POLYGON = 137

scene = Scene()
keys = scene.credentials
token = scene.listings[0]
client = ClobClient(
    scene.rest,
    POLYGON,
    key=keys["private_key"],
    signature_type=int(keys["signature_type"]),
    funder=keys["funder"],
)
scene.told("its constructor's `host`")
derived = client.create_or_derive_api_key()
same("API key", derived.api_key, keys["api_key"])
client.set_api_creds(derived)

scene.set_book(token, [["0.41", "10"], ["0.40", "25.5"]], [["0.44", "12"], ["0.45", "70"]])
book = client.get_order_book(token)
same("best ask", min(Decimal(level["price"]) for level in book["asks"]), Decimal("0.44"))
same("best bid", max(Decimal(level["price"]) for level in book["bids"]), Decimal("0.41"))
same("hash of the book", client.get_order_book_hash(book), book["hash"])
scene.did(
    "market data",
    "get_order_book, get_order_book_hash",
    f"{len(book['bids'])} bids, {len(book['asks'])} asks",
)


def balance(kind: str, **of: str) -> Decimal:
    """Money or shares that the client says are there."""
    wish = BalanceAllowanceParams(asset_type=kind, **of)
    return Decimal(client.get_balance_allowance(wish)["balance"]).scaleb(-6)


def takes(side: str, amount: float, *, price: float) -> str:
    """A marketable order; its matched amounts and its trades are those of the ledger."""
    wish = MarketOrderArgs(token_id=token, amount=amount, side=side, price=price, order_type=OrderType.FAK)
    reply = client.create_and_post_market_order(wish, order_type=OrderType.FAK)
    same("status", reply["status"], "matched")
    truth = scene.order(order_id=reply["orderID"])
    given, got = Decimal(reply["makingAmount"]), Decimal(reply["takingAmount"])
    cash, shares = (given, got) if side == "BUY" else (got, given)
    same("shares", shares, truth["filled"])
    same("cash", cash, truth["value"])

    def mined() -> list[dict[str, str]]:
        trades = [
            row
            for row in client.get_trades(TradeParams(asset_id=token))
            if row["taker_order_id"] == reply["orderID"]
        ]
        return trades if trades and all(row["status"] in ("MINED", "CONFIRMED") for row in trades) else []

    trades = soon("mined trades", mined)
    same("size of the trades", sum(Decimal(row["size"]) for row in trades), truth["filled"])
    return f"{shares} shares for {cash}, {len(trades)} trade mined"


scene.did("buy", "create_and_post_market_order, get_trades", takes("BUY", 10, price=0.45))
scene.did("sell", "create_and_post_market_order, get_trades", takes("SELL", 5.5, price=0.4))

wish = OrderArgs(token_id=token, price=0.3, size=20, side="BUY")
rest = client.create_and_post_order(wish, order_type=OrderType.GTC)
same("what became of it", "resting", scene.order(order_id=rest["orderID"])["status"])
scene.did("rest", "create_and_post_order", rest["status"])

read = client.get_order(rest["orderID"])
same("status", read["status"], "LIVE")
same("size", read["original_size"], Decimal(20))
scene.did("read", "get_order", read["status"])

listed = client.get_open_orders(OpenOrderParams(asset_id=token))
same("open orders", [row["id"] for row in listed], [rest["orderID"]])
scene.did("list", "get_open_orders", f"{len(listed)} order")

cancelled = client.cancel_order(OrderPayload(orderID=rest["orderID"]))
same("cancelled", cancelled["canceled"], [rest["orderID"]])
same("what became of it", "cancelled", scene.order(order_id=rest["orderID"])["status"])
same("open orders", client.get_open_orders(), [])
scene.did("cancel", "cancel_order", "in `canceled`, and no longer listed")

cash = balance(AssetType.COLLATERAL)
same("cash", cash, scene.cash())
scene.did("balances", "get_balance_allowance(COLLATERAL)", cash)
shares = balance(AssetType.CONDITIONAL, token_id=token)
same("shares", shares, scene.shares(token))
scene.did("positions", "get_balance_allowance(CONDITIONAL)", shares)

scene.lacks("market stream", "the client has no WebSocket")
scene.lacks("account stream", "the client has no WebSocket")
