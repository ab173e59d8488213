"""opinion-clob-sdk for Python, unchanged, over HTTP, WebSocket and the chain's JSON-RPC."""

from decimal import Decimal
from typing import Any

from opinion_clob_sdk import Client
from opinion_clob_sdk.chain.py_order_utils.model.order import PlaceOrderDataInput
from opinion_clob_sdk.chain.py_order_utils.model.order_type import LIMIT_ORDER, MARKET_ORDER
from opinion_clob_sdk.chain.py_order_utils.model.sides import OrderSide
from scene import Scene, plain, same, soon

BNB_CHAIN = 56
OPEN, FINISHED, CANCELLED = 1, 2, 3

scene = Scene()
listing = scene.listings[0]
market_id = int(listing)
client = Client(
    host=scene.hosts["rest"],
    apikey=scene.credentials["api_key"],
    chain_id=BNB_CHAIN,
    rpc_url=scene.rpc,
    private_key=scene.credentials["private_key"],
    multi_sig_addr=scene.credentials["safe"],
)
scene.told("its constructor's `host` and `rpc_url`, and `ws_url` of create_websocket_client")


def read(order_id: str) -> Any:
    """One order as the client reads it."""
    return client.get_order_by_id(order_id).result.order_data


def place(side: OrderSide, kind: int, price: str, **amount: float) -> str:
    """Place an order for YES; its id."""
    wish = PlaceOrderDataInput(
        marketId=market_id, tokenId=market.yes_token_id, side=side, orderType=kind, price=price, **amount
    )
    reply = client.place_order(wish)
    same("errno", reply.errno, 0)
    return reply.result.order_data.order_id


def takes(side: OrderSide, **amount: float) -> str:
    """A market order; once it is on the chain, its trades are those of the ledger."""
    order_id = place(side, MARKET_ORDER, "0", **amount)
    order = soon("a finished order", lambda: (found := read(order_id)).status == FINISHED and found)
    truth = scene.order(order_id=order_id)
    same("shares", order.filled_shares, truth["filled"])
    same("shares of the trades", sum(Decimal(trade.shares) for trade in order.trades), truth["filled"])
    fee = sum(Decimal(trade.fee) for trade in order.trades)
    same("fee", fee, truth["fees"])
    return (
        f"{order.filled_shares} shares for {plain(truth['value'])}, fee {plain(fee)}, in {len(order.trades)}"
    )


scene.set_book(listing, [["0.410", "800"], ["0.400", "1500"]], [["0.430", "650"], ["0.450", "1200"]])
market = client.get_market(market_id).result.data
same("market", market.market_id, market_id)
book = client.get_orderbook(market.yes_token_id).result
same("best ask", min(Decimal(level.price) for level in book.asks), Decimal("0.43"))
same("best bid", max(Decimal(level.price) for level in book.bids), Decimal("0.41"))
scene.did("market data", "get_market, get_orderbook", f"{len(book.bids)} bids, {len(book.asks)} asks")

frames: list[Any] = []
depths: list[Any] = []
updates: list[Any] = []
records: list[Any] = []
socket = client.create_websocket_client(ws_url=scene.ws, heartbeat_interval=1, on_message=frames.append)
socket.start()
soon("the socket", lambda: socket.is_connected)
socket.subscribe_market_depth_diff(market_id, depths.append)
socket.subscribe_trade_order_update(market_id=market_id, callback=updates.append)
socket.subscribe_trade_record_new(market_id=market_id, callback=records.append)
soon("acknowledgements", lambda: len(frames) >= 3)

scene.did("buy", "place_order, get_order_by_id", takes(OrderSide.BUY, makerAmountInQuoteToken=25))
scene.did("sell", "place_order, get_order_by_id", takes(OrderSide.SELL, makerAmountInBaseToken=20))

rest = place(OrderSide.BUY, LIMIT_ORDER, "0.3", makerAmountInBaseToken=30)
same("what became of it", "resting", scene.order(order_id=rest)["status"])
scene.did("rest", "place_order", "rests")
order = read(rest)
same("status", order.status, OPEN)
same("price", order.price, Decimal("0.3"))
scene.did("read", "get_order_by_id", f"status {order.status}")
listed = [row.order_id for row in client.get_my_orders(status="1").result.list]
same("open orders", listed, [rest])
scene.did("list", "get_my_orders", f"{len(listed)} order")
same("cancelled", client.cancel_order(rest).result.result, True)
same("what became of it", "cancelled", scene.order(order_id=rest)["status"])
same("status", read(rest).status, CANCELLED)
scene.did("cancel", "cancel_order", "true")

cash = client.get_my_balances().result.balances[0].available_balance
same("cash", cash, scene.cash())
caller = client.contract_caller
on_chain = caller.get_erc20_contract(market.quote_token).functions.balanceOf(scene.credentials["safe"]).call()
same("cash on chain", Decimal(on_chain).scaleb(-18), scene.cash())
scene.did("balances", "get_my_balances, balanceOf on chain", cash)
positions = client.get_my_positions().result.list
same(
    "positions",
    [(row.market_id, Decimal(row.shares_owned)) for row in positions],
    [(market_id, scene.shares(listing))],
)
scene.did("positions", "get_my_positions", positions[0].shares_owned)

soon("a change of the book", lambda: depths)
traded = sum(Decimal(fill["size"]) for fill in scene.ledger()["fills"])
soon("all trades", lambda: sum(Decimal(str(row.shares)) for row in records) >= traded)
same("shares heard of", sum(Decimal(str(row.shares)) for row in records), traded)
soon("updates of orders", lambda: updates)
scene.did("market stream", "subscribe_market_depth_diff", f"{len(depths)} changes")
scene.did(
    "account stream",
    "subscribe_trade_order_update, subscribe_trade_record_new",
    f"{len(updates)} updates, {len(records)} trades",
)
socket.close()
