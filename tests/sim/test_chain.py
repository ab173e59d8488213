"""The JSON-RPC face that simulated venues share: calls, multicalls, batches, and everything that is wrong.

The encoded calls and results were written down by hand from the ABI specification and compared with what
web3.py 7.16 and ethers 6.15 send and read.
"""

from typing import Any

import msgspec
import pytest

from venues.sim import chain
from venues.sim.chain import Chain, RevertError, address_at, selector, uint_at, word

TOKEN = bytes.fromhex("55d398326f99059ff775485246999027b3197955")
OWNER = "4adb1f419718941b591c59eaf344a514558dd800"
BALANCE_OF = "70a08231"
"""First four bytes of the hash of balanceOf(address), as every block explorer shows them."""
MULTICALL = "0xca11bde05977b3631167028862be2a173976ca11"


def w(value: int | str) -> str:
    """One ABI word in hexadecimal; text is hexadecimal already and padded on the left."""
    return f"{value:064x}" if isinstance(value, int) else value.rjust(64, "0")


CALL_DATA = BALANCE_OF + w(OWNER)
assert len(CALL_DATA) == 2 * 36
PADDED_CALL = CALL_DATA + "00" * 28
NO_CALL = "deadbeef" + "00" * 28


def balance_of(arguments: bytes) -> bytes:
    if address_at(arguments, 0).hex() != OWNER:
        raise RevertError("stranger")
    return word(25 * 10**18)


@pytest.fixture
def node() -> Chain:
    return Chain(56, {(TOKEN, selector("balanceOf(address)")): balance_of})


def ask(node: Chain, value: object) -> Any:
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    response = node.answer(body)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    return msgspec.json.decode(response.body)


def rpc(method: str, *params: object, number: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def call(node: Chain, to: str, data: str) -> Any:
    return ask(node, rpc("eth_call", {"to": to, "data": "0x" + data}, "latest"))


def test_the_first_bytes_of_a_signature_choose_the_function() -> None:
    assert selector("balanceOf(address)").hex() == BALANCE_OF
    assert selector("aggregate3((address,bool,bytes)[])").hex() == "82ad56cb"
    assert selector("tryAggregate(bool,(address,bytes)[])").hex() == "bce38bd7"
    assert selector("aggregate((address,bytes)[])").hex() == "252dba42"


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_chainId", "0x38"),
        ("net_version", "56"),
        ("eth_gasPrice", "0x3b9aca00"),
        ("eth_blockNumber", hex(chain.BLOCK)),
    ],
)
def test_the_node_knows_its_chain(node: Chain, method: str, result: str) -> None:
    assert ask(node, rpc(method, number="a")) == {"jsonrpc": "2.0", "id": "a", "result": result}


def test_no_address_has_sent_a_transaction(node: Chain) -> None:
    assert ask(node, rpc("eth_getTransactionCount", "0x" + OWNER, "latest"))["result"] == "0x0"


def test_params_may_be_left_out(node: Chain) -> None:
    assert ask(node, {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId"})["result"] == "0x38"


@pytest.mark.parametrize("field", ["data", "input"])
def test_a_contract_function_is_called_by_address_and_selector(node: Chain, field: str) -> None:
    wish = {"to": "0x" + TOKEN.hex().upper(), field: "0x" + CALL_DATA}
    answered = ask(node, rpc("eth_call", wish, "latest"))
    assert answered["result"] == "0x" + w(25 * 10**18)


@pytest.mark.parametrize(
    ("to", "data", "why"),
    [
        (TOKEN.hex(), "deadbeef", "no function"),
        (TOKEN.hex(), "", "no function"),
        (OWNER, CALL_DATA, "no function"),
        (TOKEN.hex(), BALANCE_OF, "too short"),
        (TOKEN.hex(), BALANCE_OF + w(OWNER)[:-2], "too short"),
        (TOKEN.hex(), BALANCE_OF + "ff" * 32, "not an address"),
        (TOKEN.hex(), BALANCE_OF + w("22" * 20), "stranger"),
    ],
)
def test_a_call_that_no_contract_answers_reverts(node: Chain, to: str, data: str, why: str) -> None:
    error = call(node, "0x" + to, data)["error"]
    assert error["code"] == 3
    assert error["message"].startswith("execution reverted: ")
    assert why in error["message"]


def test_try_aggregate_reports_each_call_and_survives_one_that_reverts(node: Chain) -> None:
    good = w(TOKEN.hex()) + w(0x40) + w(36) + PADDED_CALL
    bad = w(OWNER) + w(0x40) + w(4) + NO_CALL
    sent = "bce38bd7" + w(0) + w(0x40) + w(2) + w(0x40) + w(0x40 + len(good) // 2) + good + bad
    succeeded = w(1) + w(0x40) + w(32) + w(25 * 10**18)
    failed = w(0) + w(0x40) + w(0)
    expected = w(0x20) + w(2) + w(0x40) + w(0x40 + 128) + succeeded + failed
    assert call(node, MULTICALL, sent)["result"] == "0x" + expected


def test_try_aggregate_that_requires_success_reverts_as_a_whole(node: Chain) -> None:
    bad = w(OWNER) + w(0x40) + w(4) + NO_CALL
    error = call(node, MULTICALL, "bce38bd7" + w(1) + w(0x40) + w(1) + w(0x20) + bad)["error"]
    assert error["message"] == "execution reverted: Multicall3: call failed"


@pytest.mark.parametrize("may_fail", [True, False])
def test_aggregate3_allows_failure_call_by_call(node: Chain, may_fail: bool) -> None:
    bad = w(OWNER) + w(int(may_fail)) + w(0x60) + w(4) + NO_CALL
    answered = call(node, MULTICALL, "82ad56cb" + w(0x20) + w(1) + w(0x20) + bad)
    if may_fail:
        assert answered["result"] == "0x" + w(0x20) + w(1) + w(0x20) + w(0) + w(0x40) + w(0)
    else:
        assert "call failed" in answered["error"]["message"]


def test_aggregate_returns_the_block_and_the_bare_results(node: Chain) -> None:
    good = w(TOKEN.hex()) + w(0x40) + w(36) + PADDED_CALL
    answered = call(node, MULTICALL, "252dba42" + w(0x20) + w(1) + w(0x20) + good)
    result = w(0x20) + w(32) + w(25 * 10**18)
    assert answered["result"] == "0x" + w(chain.BLOCK) + w(0x40) + w(1) + result


def test_a_multicall_of_nothing_returns_nothing(node: Chain) -> None:
    assert call(node, MULTICALL, "82ad56cb" + w(0x20) + w(0))["result"] == "0x" + w(0x20) + w(0)


def test_a_result_that_fills_no_whole_word_is_padded() -> None:
    node = Chain(56, {(TOKEN, b"\xde\xad\xbe\xef"): lambda _: b"\x05\x06"})
    one = w(TOKEN.hex()) + w(1) + w(0x60) + w(4) + NO_CALL
    answered = call(node, MULTICALL, "82ad56cb" + w(0x20) + w(1) + w(0x20) + one)
    assert answered["result"] == "0x" + w(0x20) + w(1) + w(0x20) + w(1) + w(0x40) + w(2) + "0506" + "00" * 30


def test_a_multicall_has_a_limit(node: Chain) -> None:
    offsets = w(chain.CALLS_MAX * 32 + 32) * (chain.CALLS_MAX + 1)
    one = w(OWNER) + w(1) + w(0x60) + w(0)
    sent = "82ad56cb" + w(0x20) + w(chain.CALLS_MAX + 1) + offsets + one
    assert "more than 1000 calls" in call(node, MULTICALL, sent)["error"]["message"]
    fewer = "82ad56cb" + w(0x20) + w(chain.CALLS_MAX) + offsets + one
    assert call(node, MULTICALL, fewer)["result"].startswith("0x" + w(0x20) + w(chain.CALLS_MAX))


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        w(0x20),
        w(2**255) + w(1),
        w(0x20) + w(1) + w(2**200),
        w(0x20) + w(1) + w(0x20) + w(TOKEN.hex()) + w(0) + w(0x60) + w(37) + PADDED_CALL[:72],
        w(0x20) + w(1) + w(0x20) + "ff" * 32 + w(1) + w(0x60) + w(0),
    ],
)
def test_a_damaged_multicall_reverts(node: Chain, arguments: str) -> None:
    assert call(node, MULTICALL, "82ad56cb" + arguments)["error"]["code"] == 3


def test_a_multicall_does_not_call_itself(node: Chain) -> None:
    inner = w(MULTICALL[2:]) + w(1) + w(0x60) + w(4) + "82ad56cb" + "00" * 28
    answered = call(node, MULTICALL, "82ad56cb" + w(0x20) + w(1) + w(0x20) + inner)
    assert answered["result"] == "0x" + w(0x20) + w(1) + w(0x20) + w(0) + w(0x40) + w(0)


def test_a_contract_deployed_later_is_callable_at_once() -> None:
    functions: dict[tuple[bytes, bytes], chain.ContractFunction] = {}
    node = Chain(56, functions)
    assert "error" in call(node, "0x" + TOKEN.hex(), CALL_DATA)
    functions[TOKEN, bytes.fromhex(BALANCE_OF)] = balance_of
    assert call(node, "0x" + TOKEN.hex(), CALL_DATA)["result"] == "0x" + w(25 * 10**18)


def test_a_batch_is_answered_in_order(node: Chain) -> None:
    asked = [rpc("eth_chainId", number=2), 5, rpc("no_such", number=1)]
    first, second, third = ask(node, asked)
    assert (first["id"], first["result"]) == (2, "0x38")
    assert (second["id"], second["error"]["code"]) == (None, -32600)
    assert (third["id"], third["error"]["code"]) == (1, -32601)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"[" * 5_000, -32700),
        (b"[]", -32600),
        (b"[" + b",".join([b"{}"] * (chain.BATCH_MAX + 1)) + b"]", -32600),
        (b"7", -32600),
        (b"{}", -32600),
        (b'{"id":1,"method":5}', -32600),
        (b'{"id":1,"method":"eth_sendRawTransaction","params":[]}', -32601),
        (b'{"id":1,"method":"eth_call","params":{}}', -32602),
        (b'{"id":1,"method":"eth_call","params":[]}', -32602),
        (b'{"id":1,"method":"eth_call","params":[{"data":"0x"}]}', -32602),
        (b'{"id":1,"method":"eth_call","params":[{"to":"0xzz","data":"0x"}]}', -32602),
        (b'{"id":1,"method":"eth_call","params":[{"to":"0x11","data":"11"}]}', -32602),
    ],
)
def test_what_is_no_request_gets_the_error_code_of_json_rpc(node: Chain, body: bytes, code: int) -> None:
    assert ask(node, body)["error"]["code"] == code


def test_reading_past_the_end_of_arguments_reverts() -> None:
    assert uint_at(word(7), 0) == 7
    for at in (-1, 1, 32, 2**256):
        with pytest.raises(RevertError):
            uint_at(word(7), at)
