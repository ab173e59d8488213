"""What the simulated venue hashes and recovers: orders, login texts, and the wrapping of a Predict account.

Written from the card alone (sections 2, 3 and 8). It shares no code with the client side, so that each
side finds the other's mistakes.
"""

from venues.kit.eip712 import checksummed, digest, domain_separator, keccak, padded, word
from venues.sim.wallet import signed_by

EXCHANGES = {
    56: {
        (False, False): "0x8BC070BEdAB741406F4B1Eb65A72bee27894B689",
        (True, False): "0x365fb81bd4A24D6303cd2F19c349dE6894D8d58A",
        (False, True): "0x6bEb5a40C032AFc305961162d8204CDA16DECFa5",
        (True, True): "0x8A289d458f5a134bA40015085A8F50Ffb681B41d",
    },
    97: {
        (False, False): "0x2A6413639BD3d73a20ed8C95F634Ce198ABbd2d7",
        (True, False): "0xd690b2bd441bE36431F6F6639D7Ad351e7B29680",
        (False, True): "0x8a6B4Fa700A1e310b106E7a48bAFa29111f66e89",
        (True, True): "0x95D5113bc50eD201e319101bbca3e0E250662fCC",
    },
}
"""By chain, then by (isNegRisk, isYieldBearing)."""
VALIDATOR = "0x845ADb2C711129d4f3966735eD98a9F09fC4cE57"
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)"
)
WRAPPED = b"\x01" + bytes.fromhex(VALIDATOR[2:])
"""How the signature of a Predict account begins."""


def order_digest(chain_id: int, exchange: str, words: tuple[bytes | int, ...]) -> bytes:
    """What is signed for an order, and its hash, the key of everything after.

    `words` are the fields in the order of the type, addresses as their 20 bytes.
    """
    encoded = (word(field) if isinstance(field, int) else padded(field) for field in words)
    struct = keccak(keccak(ORDER_TYPE) + b"".join(encoded))
    domain = domain_separator("predict.fun CTF Exchange", "1", chain_id, bytes.fromhex(exchange[2:]))
    return digest(domain, struct)


def personal_digest(message: bytes) -> bytes:
    """What a wallet signs for a text (EIP-191)."""
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


def wallet_signer(hashed: bytes, signature: bytes, *, chain_id: int, account: str | None) -> str | None:
    """The address of the key that signed 32 bytes, whatever it was meant for; None when nobody did.

    With `account` the signature must be wrapped as that Predict account's (section 8).
    """
    if account is not None:
        if not signature.startswith(WRAPPED):
            return None
        domain = domain_separator("Kernel", "0.3.1", chain_id, bytes.fromhex(account[2:]))
        hashed = personal_digest(digest(domain, keccak(keccak(b"Kernel(bytes32 hash)") + hashed)))
        signature = signature[len(WRAPPED) :]
    signer = signed_by(hashed, signature)
    return None if signer is None else checksummed(signer)


def unhex(value: object, size: int | None = None) -> bytes:
    """0x-prefixed hexadecimal text, of this many bytes if given; ValueError otherwise."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("not hexadecimal with 0x")
    data = bytes.fromhex(value[2:])
    if len(value) != 2 + 2 * len(data) or (size is not None and len(data) != size):
        raise ValueError(f"not {size} bytes in hexadecimal")
    return data


def address(value: object) -> str:
    """A checksummed address from text in any case; ValueError otherwise."""
    return checksummed(unhex(value, 20))
