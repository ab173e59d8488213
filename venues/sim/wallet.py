"""What venues with signed orders find out about a signature: whose wallet made it."""

from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak

HALF_CURVE = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""A signature with a larger s is refused on chain: the same order must not have two signatures."""
LOW_V, HIGH_V = 27, 28


def signed_by(digest: bytes, signature: bytes) -> bytes | None:
    """The 20-byte address whose key made this signature (r, s, v: 65 bytes); None if it is none."""
    if len(signature) != 65 or signature[64] not in (LOW_V, HIGH_V):
        return None
    if int.from_bytes(signature[32:64], "big") > HALF_CURVE:
        return None
    compact = signature[:64] + bytes([signature[64] - LOW_V])
    try:
        key = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except ValueError:
        return None
    public = key.format(compressed=False)[1:]
    return bytes(_keccak.new(digest_bits=256, data=public).digest())[12:]
