"""What the simulated venue hashes and recovers: orders, login texts, and the wrapping of a Predict account.

Written from the card alone (sections 2, 3 and 8). It shares no code with the client side, so that each
side finds the other's mistakes.
"""

import coincurve
from Crypto.Hash import keccak as _keccak

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
HALF_CURVE = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""A signature with a larger s is refused on chain: the same order must not have two signatures."""
SIGNATURE_BYTES = 65
WRAPPED = b"\x01" + bytes.fromhex(VALIDATOR[2:])
"""How the signature of a Predict account begins."""


def keccak(*parts: bytes) -> bytes:
    """Keccak-256, the hash of Ethereum, of all parts together."""
    return bytes(_keccak.new(digest_bits=256, data=b"".join(parts)).digest())


def order_domain(chain_id: int, *, neg_risk: bool, yield_bearing: bool) -> bytes:
    """Separator of the domain that orders of such a market must be signed for."""
    contract = EXCHANGES[chain_id][neg_risk, yield_bearing]
    return _domain("predict.fun CTF Exchange", "1", chain_id, contract)


def order_struct(addresses: tuple[str, str, str], salt: int, numbers: tuple[int, ...]) -> bytes:
    """Hash of the signed struct: maker, signer and taker; then tokenId to signatureType in the order of
    the type."""
    words = b"".join(_padded(address) for address in addresses)
    return keccak(keccak(ORDER_TYPE), _word(salt), words, *(_word(number) for number in numbers))


def typed_digest(domain: bytes, struct: bytes) -> bytes:
    """What is signed for a struct in a domain: for an order also its hash, the key of everything after."""
    return keccak(b"\x19\x01", domain, struct)


def personal_digest(message: bytes) -> bytes:
    """What a wallet signs for a text (EIP-191)."""
    return keccak(b"\x19Ethereum Signed Message:\n", str(len(message)).encode(), message)


def wallet_signer(digest: bytes, signature: bytes, *, chain_id: int, account: str | None) -> str | None:
    """The address of the key that signed `digest`, whatever it was meant for; None when nobody did.

    With `account` the signature must be wrapped as that Predict account's (section 8).
    """
    if account is None:
        return recover(digest, signature)
    if not signature.startswith(WRAPPED):
        return None
    domain = _domain("Kernel", "0.3.1", chain_id, account)
    wrapped = typed_digest(domain, keccak(keccak(b"Kernel(bytes32 hash)"), digest))
    return recover(personal_digest(wrapped), signature[len(WRAPPED) :])


def recover(digest: bytes, signature: bytes) -> str | None:
    """The address whose key made this signature (r, s, v with v 27 or 28) over 32 bytes."""
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > HALF_CURVE:
        return None
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        return address_of(coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None))
    except ValueError:
        return None


def address_of(key: coincurve.PublicKey) -> str:
    """The checksummed address of a public key."""
    return checksummed(keccak(key.format(compressed=False)[1:])[12:])


def checksummed(address: bytes) -> str:
    """Twenty bytes in the mixed-case form of EIP-55."""
    text = address.hex()
    marks = keccak(text.encode()).hex()
    return "0x" + "".join(c.upper() if mark >= "8" else c for c, mark in zip(text, marks, strict=False))


def unhex(value: object, size: int | None = None) -> bytes:
    """0x-prefixed hexadecimal text, of this many bytes if given; ValueError otherwise."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError("not hexadecimal with 0x")
    data = bytes.fromhex(value[2:])
    if len(value) != 2 + 2 * len(data) or (size is not None and len(data) != size):
        raise ValueError(f"not {size} bytes in hexadecimal")
    return data


def _domain(name: str, version: str, chain_id: int, contract: str) -> bytes:
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    names = keccak(name.encode()) + keccak(version.encode())
    return keccak(keccak(kind), names, _word(chain_id), _padded(contract))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _padded(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")
