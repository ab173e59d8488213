"""What only the chain tells: each market's fee settings, read from the FeeManager contract (card 2, 6)."""

from collections.abc import Sequence

import msgspec

from venues.base.http import Purpose, Reply, Request, Response
from venues.base.units import Cash, up
from venues.kit.body import read
from venues.kit.eip712 import WORD_BYTES, word
from venues.opinion import wire
from venues.opinion.amounts import WEI
from venues.opinion.fees import BPS, MINIMUM

FEE_MANAGER = "0xC9063Dc52dEEfb518E5b6634A6b8D624bc5d7c36"
SELECTOR = "27f68850"
"""getFeeRateSettings(uint256): maker bps, taker bps, enabled, least fee in base units."""
TOKENS_PER_CALL = 50
"""Calls in one JSON-RPC batch: public nodes take a hundred or more."""
_CHARS = 2 + 4 * 2 * WORD_BYTES
"""Of the hexadecimal text of four words."""

_replies = msgspec.json.Decoder(list[wire.RpcReply])


class FeeSettings(msgspec.Struct, frozen=True):
    """What a taker pays on one market."""

    rate_bps: int
    least: Cash


FREE = FeeSettings(0, Cash(0))


def fees_request(tokens: Sequence[str]) -> Request:
    """Ask for the settings of these token ids (decimal text), at most TOKENS_PER_CALL, in one batch."""
    assert len(tokens) <= TOKENS_PER_CALL
    calls = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "eth_call",
            "params": [{"to": FEE_MANAGER, "data": f"0x{SELECTOR}{word(int(token)).hex()}"}, "latest"],
        }
        for number, token in enumerate(tokens)
    ]
    return Request(
        method="POST",
        path="",
        host="rpc",
        purpose=Purpose.DATA,
        body=msgspec.json.encode(calls),
        headers={"Content-Type": "application/json"},
    )


def read_fees(reply: Reply, count: int) -> list[FeeSettings | None]:
    """The settings in the order asked for; None for one that is missing or makes no sense.

    ValueError when the node's answer as a whole cannot be used.
    """
    if not isinstance(reply, Response):
        raise ValueError(reply.reason)  # noqa: TRY004 - it says what the node did, not what we passed
    if reply.status != wire.OK:
        raise ValueError(f"http {reply.status}")
    results = {answer.id: answer.result for answer in read(_replies, reply.body)}
    return [_settings(results.get(number)) for number in range(count)]


def _settings(result: str | None) -> FeeSettings | None:
    """Disabled or without a rate there is no fee, and so no minimum either (UNCONFIRMED)."""
    if result is None or len(result) != _CHARS or not result.startswith("0x"):
        return None
    try:
        data = bytes.fromhex(result[2:])
    except ValueError:
        return None
    _, rate_bps, enabled, least = (
        int.from_bytes(data[at : at + WORD_BYTES], "big") for at in range(0, len(data), WORD_BYTES)
    )
    if rate_bps > BPS or enabled > 1:
        return None
    if not (enabled and rate_bps):
        return FREE
    return FeeSettings(rate_bps, Cash(max(MINIMUM, up(least, WEI))))
