"""Balances on chain: one call, one word, and nothing that only looks like one."""

import json

import pytest

from venues.base.http import Purpose, Response
from venues.kit.erc20 import balance_request, read_balance

TOKEN = bytes.fromhex("55d398326f99059fF775485246999027B3197955")
OWNER = bytes.fromhex("4Adb1F419718941b591C59eaf344A514558DD800")


def replied(result: object) -> Response:
    return Response(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode())


def test_the_call_names_token_owner_and_the_known_selector() -> None:
    request = balance_request(TOKEN, OWNER)
    assert (request.method, request.path, request.host) == ("POST", "", "rpc")
    assert request.purpose is Purpose.ACCOUNT
    assert not request.private
    body = json.loads(request.body)
    assert (body["jsonrpc"], body["method"]) == ("2.0", "eth_call")
    [call, block] = body["params"]
    assert block == "latest"
    assert call["to"] == "0x55d398326f99059fF775485246999027B3197955"
    # 0x70a08231 is the published selector of balanceOf(address)
    assert call["data"] == "0x70a08231" + "00" * 12 + OWNER.hex()


@pytest.mark.parametrize("balance", [0, 1, 25 * 10**18 + 7, 2**256 - 1])
def test_a_word_is_the_balance(balance: int) -> None:
    assert read_balance(replied(f"0x{balance:064x}")) == balance
    assert read_balance(replied(f"0x{balance:064X}")) == balance


@pytest.mark.parametrize(
    "response",
    [
        replied("0x"),
        replied("0x1"),
        replied("0x" + "0" * 63),
        replied("0x" + "0" * 65),
        replied("0x" + "0" * 63 + "g"),
        replied("0x" + "0" * 61 + "1_1"),
        replied("0" * 66),
        replied(None),
        replied(5),
        Response(200, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"execution reverted"}}'),
        Response(200, b"[]"),
        Response(200, b""),
        Response(200, b"<html>"),
        Response(429, replied("0x" + "0" * 64).body),
        Response(502, replied("0x" + "0" * 64).body),
    ],
)
def test_anything_but_one_word_is_no_balance(response: Response) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        read_balance(response)
