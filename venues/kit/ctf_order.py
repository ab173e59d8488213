"""The order of the first Conditional Token Exchange, which several venues still share, as EIP-712 typed data.

The venues differ in the domain (name, chain, contract) and in which fields they use; the struct is the same.
`eip712.digest(separator, struct_hash(order))` is what is signed, and the order's id on chain.
"""

import msgspec

from venues.kit.eip712 import ADDRESS_BYTES, keccak, padded, word

BUY, SELL = 0, 1
"""Values of `side`: what the maker gives is money for 0, outcome tokens for 1."""

_KIND = keccak(
    b"Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)"
)


class CtfOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed. Addresses are 20 bytes, amounts base units of their tokens, all numbers uint256."""

    salt: int
    maker: bytes
    signer: bytes
    taker: bytes = bytes(ADDRESS_BYTES)
    """Zero: anybody may take it."""
    token_id: int
    maker_amount: int
    taker_amount: int
    expiration: int = 0
    """Unix seconds; where the venue says so, 0 is for ever."""
    nonce: int = 0
    fee_rate_bps: int = 0
    side: int
    signature_type: int = 0


def struct_hash(order: CtfOrder) -> bytes:
    """The EIP-712 hash of the order, 32 bytes. OverflowError when a number is no uint256."""
    parties = padded(order.maker) + padded(order.signer) + padded(order.taker)
    numbers = (
        order.token_id,
        order.maker_amount,
        order.taker_amount,
        order.expiration,
        order.nonce,
        order.fee_rate_bps,
        order.side,
        order.signature_type,
    )
    return keccak(_KIND + word(order.salt) + parties + b"".join(map(word, numbers)))
