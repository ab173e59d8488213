"""How much of a token an address owns, asked of a chain's JSON-RPC endpoint (ERC-20 `balanceOf`)."""

import msgspec

from venues.base.http import Purpose, Request, Response
from venues.kit.body import read
from venues.kit.eip712 import ADDRESS_BYTES, WORD_BYTES, checksummed, keccak, padded

RPC_HOST = "rpc"
"""The key in a venue's `hosts` of its chain's endpoint; the path is part of that URL."""

_BALANCE_OF = keccak(b"balanceOf(address)")[:4]
_DIGITS = 2 + 2 * WORD_BYTES
_OK = 200


class _Answer(msgspec.Struct, frozen=True):
    result: str | None = None


_answer = msgspec.json.Decoder(_Answer)


def balance_request(token: bytes, owner: bytes) -> Request:
    """Ask for `balanceOf(owner)` of the contract `token` (20 bytes each) in the latest block."""
    assert len(token) == ADDRESS_BYTES
    call = {"to": checksummed(token), "data": "0x" + (_BALANCE_OF + padded(owner)).hex()}
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call, "latest"]}
    return Request(
        method="POST",
        path="",
        purpose=Purpose.ACCOUNT,
        host=RPC_HOST,
        body=msgspec.json.encode(body),
        headers={"Content-Type": "application/json"},
    )


def read_balance(response: Response) -> int:
    """The balance in the token's base units; ValueError for anything but one 32-byte word.

    An address without a contract answers "0x": that is no balance of zero but a wrong address.
    """
    if response.status != _OK:
        raise ValueError(f"the chain's endpoint answered with status {response.status}")
    result = read(_answer, response.body).result
    if result is None or len(result) != _DIGITS or result[:2] != "0x":
        raise ValueError("the chain's endpoint did not answer with a 32-byte word")
    digits = result[2:]
    if not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise ValueError("the chain's endpoint did not answer with a 32-byte word")
    return int(digits, 16)
