"""predict-sdk for Python, unchanged. It computes amounts, signs and asks the chain; it posts nothing.

So its signed orders go to the simulator by plain HTTP, and what it cannot read is read so. Its node's address
stands in the public table `RPC_URLS_BY_CHAIN_ID`: one entry, which is data, is replaced before it is used.
"""

import json
import time
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any

import predict_sdk as sdk
from eth_account import Account
from eth_account.messages import encode_defunct
from scene import SOON_S, Scene, plain, same, soon

WEI = 10**18
REMOVABLE_S = 0.5
"""An order cannot be removed in its first fraction of a second."""

NOT_YET = 404
"""A taker's order is held back for a moment, and not shown while it is."""

scene = Scene()
market_id = scene.listings[0]
sdk.RPC_URLS_BY_CHAIN_ID[sdk.ChainId.BNB_MAINNET] = scene.rpc
scene.told("an entry of its public table `RPC_URLS_BY_CHAIN_ID`; HTTP is ours")
wallet = Account.from_key(scene.credentials["private_key"])
builder = sdk.OrderBuilder.make(sdk.ChainId.BNB_MAINNET, wallet)
headers = {"x-api-key": scene.credentials["api_key"], "content-type": "application/json"}


def http(method: str, path: str, body: object = None) -> Any:
    """The `data` of one call to the venue's REST API; None for what is not there."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(scene.rest + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SOON_S) as reply:
            answer = json.load(reply)
    except urllib.error.HTTPError as refused:
        if refused.code == NOT_YET and method == "GET":
            return None
        raise AssertionError(f"{method} {path}: {refused.code} {refused.read().decode()}") from None
    same("success", answer["success"], True)
    return answer.get("data", answer)


def wei(value: int | str) -> Decimal:
    """Money or shares of eighteen decimals."""
    return Decimal(value).scaleb(-18)


def post(strategy: str, side: sdk.Side, amounts: sdk.OrderAmounts, **more: object) -> str:
    """Have the client build and sign an order, and hand it in; its hash."""
    wish = sdk.BuildOrderInput(
        side=side,
        token_id=market["outcomes"][0]["onChainId"],
        maker_amount=str(amounts.maker_amount),
        taker_amount=str(amounts.taker_amount),
        fee_rate_bps=market["feeRateBps"],
    )
    typed = builder.build_typed_data(
        builder.build_order(strategy, wish),
        is_neg_risk=market["isNegRisk"],
        is_yield_bearing=market["isYieldBearing"],
    )
    digest, signed = builder.build_typed_data_hash(typed), builder.sign_typed_data_order(typed)
    signature = signed.signature if signed.signature.startswith("0x") else f"0x{signed.signature}"
    order = {
        "hash": digest,
        "salt": signed.salt,
        "maker": signed.maker,
        "signer": signed.signer,
        "taker": signed.taker,
        "tokenId": signed.token_id,
        "makerAmount": signed.maker_amount,
        "takerAmount": signed.taker_amount,
        "expiration": signed.expiration,
        "nonce": signed.nonce,
        "feeRateBps": signed.fee_rate_bps,
        "side": int(signed.side),
        "signatureType": int(signed.signature_type),
        "signature": signature,
    }
    price = str(amounts.price_per_share)
    reply = http(
        "POST", "/v1/orders", {"data": {"order": order, "pricePerShare": price, "strategy": strategy, **more}}
    )
    same("hash", reply["orderHash"], digest)
    return digest


def takes(side: sdk.Side, wish: sdk.MarketHelperInput | sdk.MarketHelperValueInput) -> str:
    """A market order of the amounts that the client computes; its matches are those of the ledger."""
    rows = http("GET", f"/v1/markets/{market_id}/orderbook")
    levels = {half: [tuple(level) for level in rows[half]] for half in ("asks", "bids")}
    book = sdk.Book(market_id=int(market_id), update_timestamp_ms=rows["updateTimestampMs"], **levels)
    rules = {"slippageBps": str(wish.slippage_bps), "isMinAmountOut": wish.is_min_amount_out}
    digest = post("MARKET", side, builder.get_market_order_amounts(wish, book), **rules)

    def settled() -> Any:
        order = http("GET", f"/v1/orders/{digest}")
        return order if order and order["status"] == "FILLED" and int(order["amountFilled"]) else None

    shares = wei(soon("a settled order", settled)["amountFilled"])
    truth = scene.order(order_id=digest.lower())
    same("shares", shares, truth["filled"])
    fee = f"{plain(scene.kept(truth['order_id']))} shares and {plain(truth['fees'])} USDT"
    return f"{plain(shares)} shares for {plain(truth['value'])}, fee {fee}"


scene.set_book(market_id, [["0.41", "80"], ["0.4", "300"]], [["0.42", "100"], ["0.43", "250.5"]])
market = http("GET", f"/v1/markets/{market_id}")
message = http("GET", "/v1/auth/message")["message"]
signature = wallet.sign_message(encode_defunct(text=message)).signature.hex()
login = {"signer": wallet.address, "message": message, "signature": f"0x{signature.removeprefix('0x')}"}
headers["authorization"] = f"Bearer {http('POST', '/v1/auth', login)['token']}"
tokens = [int(outcome["onChainId"]) for outcome in market["outcomes"]]
kind = {"is_neg_risk": market["isNegRisk"], "is_yield_bearing": market["isYieldBearing"]}
same("tokens", builder.validate_token_ids(tokens, **kind), True)
scene.did("market data", "validate_token_ids on chain", f"{len(tokens)} tokens are of this exchange")

same("approvals", all(step.success for step in builder.set_approvals().transactions), True)

buy = sdk.MarketHelperValueInput(
    side=sdk.Side.BUY, value_wei=50 * WEI, slippage_bps=100, is_min_amount_out=True
)
how = "get_market_order_amounts, build_order, sign_typed_data_order"
scene.did("buy", how, takes(sdk.Side.BUY, buy))
sell = sdk.MarketHelperInput(side=sdk.Side.SELL, quantity_wei=70 * WEI, slippage_bps=50)
scene.did("sell", how, takes(sdk.Side.SELL, sell))

limit = sdk.LimitHelperInput(side=sdk.Side.BUY, price_per_share_wei=3 * WEI // 10, quantity_wei=10 * WEI)
rest = post("LIMIT", sdk.Side.BUY, builder.get_limit_order_amounts(limit))
order = soon("the resting order", lambda: http("GET", f"/v1/orders/{rest}"))
same("status", order["status"], "OPEN")
same("what became of it", "resting", scene.order(order_id=rest.lower())["status"])
scene.did("rest", "get_limit_order_amounts, build_order, sign_typed_data_order", order["status"])
scene.lacks("read", "the client reads no orders; by HTTP it is OPEN")
listed = http("GET", "/v1/orders?status=OPEN")
same("open orders", [row["order"]["hash"] for row in listed], [rest])
scene.lacks("list", "the client lists no orders; by HTTP it is the only one")
time.sleep(REMOVABLE_S)
http("POST", "/v1/orders/remove-by-hash", {"data": {"hashes": [rest]}})
same("what became of it", "cancelled", scene.order(order_id=rest.lower())["status"])
scene.lacks("cancel", "the client's cancel_orders is a transaction on chain; removed by HTTP")

cash = wei(builder.balance_of("USDT"))
same("cash", cash, scene.cash())
scene.did("balances", "balance_of on chain", plain(cash))
shares = builder.contracts.conditional_tokens.functions.balanceOf(wallet.address, tokens[0]).call()
same("shares", wei(shares), scene.shares(market_id))
scene.did("positions", "contracts.conditional_tokens.balanceOf on chain", plain(wei(shares)))
scene.lacks("market stream", "the client has no WebSocket")
scene.lacks("account stream", "the client has no WebSocket")
