"""A blockchain node as far as clients of a venue read it: JSON-RPC with `eth_call`, Multicall3 included.

Nothing is mined here: contract functions are Python functions that read the simulated venue's ledger.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
from Crypto.Hash import keccak as _keccak

from venues.base.http import Response

BATCH_MAX = 1_000
"""Requests in one body. Clients send at most a hundred; public nodes of this kind take a thousand."""
CALLS_MAX = 1_000
"""Calls in one multicall, for the same reason."""
BLOCK = 90_000_000
"""The block that is always the latest: later than the deployment of any contract clients ask for."""
GAS_PRICE = 1_000_000_000
"""One gwei, in wei."""
WORD_BYTES = 32
SELECTOR_BYTES = 4

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
REVERTED = 3

ContractFunction = Callable[[bytes], bytes]
"""ABI-encoded arguments, without the selector, to the ABI-encoded return value. It may raise RevertError."""
Calls = Mapping[tuple[bytes, bytes], ContractFunction]
"""Functions by contract address (20 bytes) and selector (4 bytes). What is added later counts at once."""


class RevertError(Exception):
    """The contract gave up; the text is its reason."""


class _RpcError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Chain:
    """One node of one chain. It keeps no state of its own."""

    def __init__(self, chain_id: int, calls: Calls) -> None:
        self._calls = calls
        self._multicall = _multicall(calls)
        self._methods: dict[str, Callable[[list[Any]], object]] = {
            "web3_clientVersion": lambda _: "simulator",
            "net_version": lambda _: str(chain_id),
            "eth_chainId": lambda _: hex(chain_id),
            "eth_blockNumber": lambda _: hex(BLOCK),
            "eth_gasPrice": lambda _: hex(GAS_PRICE),
            "eth_getTransactionCount": lambda _: hex(0),
            "eth_call": self._eth_call,
        }

    def answer(self, body: bytes) -> Response:
        """One JSON-RPC request or a batch of them. Errors are in the body, the status is always 200."""
        try:
            asked = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return _response(_error(None, _RpcError(PARSE_ERROR, "parse error")))
        if not isinstance(asked, list):
            return _response(self._one(asked))
        if not 0 < len(asked) <= BATCH_MAX:
            return _response(_error(None, _RpcError(INVALID_REQUEST, f"batch of 1 to {BATCH_MAX} requests")))
        return _response([self._one(request) for request in asked])

    def _one(self, request: object) -> dict[str, object]:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _error(None, _RpcError(INVALID_REQUEST, "invalid request"))
        number = request.get("id")
        try:
            result = self._carry_out(request["method"], request.get("params", []))
        except _RpcError as error:
            return _error(number, error)
        return {"jsonrpc": "2.0", "id": number, "result": result}

    def _carry_out(self, name: str, params: object) -> object:
        if name not in self._methods:
            raise _RpcError(METHOD_NOT_FOUND, f"the method {name} does not exist/is not available")
        if not isinstance(params, list):
            raise _RpcError(INVALID_PARAMS, "params: must be an array")
        return self._methods[name](params)

    def _eth_call(self, params: list[Any]) -> str:
        """What the latest block says, whichever block was asked for."""
        call = params[0] if params else None
        if not isinstance(call, dict):
            raise _RpcError(INVALID_PARAMS, "missing value for required argument 0")
        target, data = _unhex(call.get("to")), _unhex(call.get("input", call.get("data")))
        try:
            calls = self._multicall if target == MULTICALL3 else self._calls
            return "0x" + _dispatch(calls, target, data).hex()
        except RevertError as error:
            text = f"execution reverted: {error}" if str(error) else "execution reverted"
            raise _RpcError(REVERTED, text) from None


# --- the ABI, as far as it is needed here ---


def selector(signature: str) -> bytes:
    """The four bytes that choose a function, e.g. of "balanceOf(address)"."""
    digest = _keccak.new(digest_bits=256, data=signature.encode()).digest()
    return bytes(digest[:SELECTOR_BYTES])


def uint_at(data: bytes, at: int) -> int:
    """The unsigned integer in the 32-byte word that begins at byte `at`; RevertError past the end."""
    if at < 0 or at + WORD_BYTES > len(data):
        raise RevertError("arguments too short")
    return int.from_bytes(data[at : at + WORD_BYTES], "big")


def address_at(data: bytes, at: int) -> bytes:
    """The address in the 32-byte word that begins at byte `at`; RevertError if the word holds no address."""
    value = uint_at(data, at)
    if value >> 160:
        raise RevertError("not an address")
    return value.to_bytes(20, "big")


def word(value: int) -> bytes:
    """An unsigned integer, a bool or an address as a number: one 32-byte word."""
    return value.to_bytes(WORD_BYTES, "big")


def address_word(address: bytes) -> bytes:
    """Twenty bytes as a 32-byte word."""
    return address.rjust(WORD_BYTES, b"\0")


def _dispatch(calls: Calls, target: bytes, data: bytes) -> bytes:
    function = calls.get((target, data[:SELECTOR_BYTES]))
    if function is None:
        raise RevertError(f"no function 0x{data[:SELECTOR_BYTES].hex()} at 0x{target.hex()}")
    return function(data[SELECTOR_BYTES:])


# --- Multicall3 ---

MULTICALL3 = bytes.fromhex("cA11bde05977b3631167028862bE2a173976CA11")
"""The same address on every chain."""

_Asked = tuple[bytes, bool, bytes]
"""Target, whether it may fail, call data."""


def _multicall(calls: Calls) -> dict[tuple[bytes, bytes], ContractFunction]:
    def aggregate(arguments: bytes) -> bytes:
        asked = _asked(arguments, 0, flagged=False, lenient=False)
        returned = [result for _, result in _carry_out(calls, asked)]
        return word(BLOCK) + word(2 * WORD_BYTES) + _array([_bytes(result) for result in returned])

    def try_aggregate(arguments: bytes) -> bytes:
        lenient = not uint_at(arguments, 0)
        return _results(calls, _asked(arguments, WORD_BYTES, flagged=False, lenient=lenient))

    def aggregate3(arguments: bytes) -> bytes:
        return _results(calls, _asked(arguments, 0, flagged=True, lenient=False))

    functions = {
        "aggregate((address,bytes)[])": aggregate,
        "tryAggregate(bool,(address,bytes)[])": try_aggregate,
        "aggregate3((address,bool,bytes)[])": aggregate3,
    }
    return {(MULTICALL3, selector(signature)): function for signature, function in functions.items()}


def _asked(arguments: bytes, at: int, *, flagged: bool, lenient: bool) -> list[_Asked]:
    """The calls of a multicall, from the array whose offset stands at `at`; with `flagged`, each has its
    own allowFailure, else all have `lenient`."""
    start = uint_at(arguments, at)
    count, start = uint_at(arguments, start), start + WORD_BYTES
    if count > CALLS_MAX:
        raise RevertError(f"more than {CALLS_MAX} calls")
    asked: list[_Asked] = []
    for number in range(count):
        call = start + uint_at(arguments, start + number * WORD_BYTES)
        may_fail = bool(uint_at(arguments, call + WORD_BYTES)) if flagged else lenient
        place = call + uint_at(arguments, call + (2 if flagged else 1) * WORD_BYTES)
        length, place = uint_at(arguments, place), place + WORD_BYTES
        if place + length > len(arguments):
            raise RevertError("arguments too short")
        asked.append((address_at(arguments, call), may_fail, arguments[place : place + length]))
    return asked


def _carry_out(calls: Calls, asked: list[_Asked]) -> list[tuple[bool, bytes]]:
    done: list[tuple[bool, bytes]] = []
    for target, may_fail, data in asked:
        try:
            done.append((True, _dispatch(calls, target, data)))
        except RevertError:
            if not may_fail:
                raise RevertError("Multicall3: call failed") from None
            done.append((False, b""))
    return done


def _results(calls: Calls, asked: list[_Asked]) -> bytes:
    """The array of (bool success, bytes returnData)."""
    done = _carry_out(calls, asked)
    return word(WORD_BYTES) + _array(
        [word(ok) + word(2 * WORD_BYTES) + _bytes(result) for ok, result in done]
    )


def _bytes(data: bytes) -> bytes:
    return word(len(data)) + data + bytes(-len(data) % WORD_BYTES)


def _array(items: list[bytes]) -> bytes:
    """An array of values of varying length: their count, where each begins, then the values."""
    offsets, at = b"", len(items) * WORD_BYTES
    for item in items:
        offsets += word(at)
        at += len(item)
    return word(len(items)) + offsets + b"".join(items)


# --- JSON-RPC ---


def _unhex(text: object) -> bytes:
    if isinstance(text, str) and text.startswith("0x"):
        with suppress(ValueError):
            return bytes.fromhex(text[2:])
    raise _RpcError(INVALID_PARAMS, "to, data: must be hexadecimal with 0x")


def _error(number: object, error: _RpcError) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": error.code, "message": error.message}}


def _response(value: object) -> Response:
    return Response(200, msgspec.json.encode(value), {"content-type": "application/json"})
