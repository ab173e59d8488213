"""Ethereum signatures over typed data (EIP-712), addresses, and the keys that make them.

Only what venues need: struct hashes are built from 32-byte words by the venue that owns the struct.
"""

from coincurve import PrivateKey
from Crypto.Hash import keccak as _keccak

WORD_BYTES = 32
ADDRESS_BYTES = 20
_LOW_V = 27


def keccak(data: bytes) -> bytes:
    """Keccak-256, 32 bytes."""
    return _keccak.new(digest_bits=256, data=data).digest()


def word(value: int) -> bytes:
    """An unsigned integer as a 32-byte big-endian word."""
    return value.to_bytes(WORD_BYTES, "big")


def padded(address: bytes) -> bytes:
    """A 20-byte address as a 32-byte word."""
    assert len(address) == ADDRESS_BYTES
    return bytes(WORD_BYTES - ADDRESS_BYTES) + address


def unhex(text: str, length: int) -> bytes:
    """Hexadecimal with or without 0x as exactly `length` bytes, or ValueError that does not repeat `text`."""
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if len(digits) != 2 * length or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise ValueError(f"must be {length} bytes in hexadecimal")
    return bytes.fromhex(digits)


def checksummed(address: bytes) -> str:
    """An address as text with the capitals of EIP-55."""
    digits = address.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(c.upper() if m >= "8" else c for c, m in zip(digits, mask, strict=False))


def create2(factory: bytes, salt: bytes, init_code_hash: bytes) -> bytes:
    """The address of a contract that `factory` deploys with this salt and code (EIP-1014)."""
    return keccak(b"\xff" + factory + salt + init_code_hash)[-ADDRESS_BYTES:]


def domain_separator(name: str, version: str, chain_id: int, contract: bytes | None = None) -> bytes:
    """The hash of EIP712Domain; without `contract` the type has no verifyingContract."""
    fields = "string name,string version,uint256 chainId"
    tail = b""
    if contract is not None:
        fields += ",address verifyingContract"
        tail = padded(contract)
    kind = keccak(f"EIP712Domain({fields})".encode())
    return keccak(kind + keccak(name.encode()) + keccak(version.encode()) + word(chain_id) + tail)


def digest(separator: bytes, struct_hash: bytes) -> bytes:
    """What is signed for a struct in a domain."""
    return keccak(b"\x19\x01" + separator + struct_hash)


class Key:
    """A secp256k1 private key, parsed once. Its `repr` shows only the address."""

    __slots__ = ("_key", "address")

    def __init__(self, text: str) -> None:
        """From 32 bytes in hexadecimal; ValueError says which rule is broken and never repeats the key."""
        try:
            self._key = PrivateKey(unhex(text, WORD_BYTES))
        except ValueError as error:
            raise ValueError(str(error) if "bytes" in str(error) else "is no secp256k1 key") from None
        public = self._key.public_key.format(compressed=False)[1:]
        self.address = keccak(public)[-ADDRESS_BYTES:]

    def __repr__(self) -> str:
        return f"Key({checksummed(self.address)})"

    def sign(self, hashed: bytes) -> bytes:
        """65 bytes r, s, v with v 27 or 28: deterministic (RFC 6979), low s."""
        signature: bytes = self._key.sign_recoverable(hashed, hasher=None)
        return signature[:64] + bytes((signature[64] + _LOW_V,))
