"""Which wallet belongs to a key: Polymarket's factories place it by CREATE2 (card 5.2, constants of its SDK).

Used to tell an operator which funder address their key owns; orders carry the configured one.
"""

from venues.kit.eip712 import create2, keccak, padded

PROXY_FACTORY = bytes.fromhex("aB45c5A4B0c941a2F231C04C3f49182e1A254052")
PROXY_IMPLEMENTATION = bytes.fromhex("44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f")
SAFE_FACTORY = bytes.fromhex("aacFeEa03eb1561C4e67d661e40682Bd20E3541b")
SAFE_CODE_HASH = bytes.fromhex("2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf")
DEPOSIT_FACTORY = bytes.fromhex("00000000000Fb5C9ADea0298D729A0CB3823Cc07")
DEPOSIT_BEACON = bytes.fromhex("7A18EDfe055488A3128f01F563e5B479D92ffc3a")
DEPOSIT_IMPLEMENTATION = bytes.fromhex("58CA52ebe0DadfdF531Cde7062e76746de4Db1eB")

_PROXY_CODE = (
    bytes.fromhex("3d3d606380380380913d393d73"),
    bytes.fromhex("5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73"),
    bytes.fromhex("5af43d82803e903d91602b57fd5bf352e831dd"),
)
_BEACON_PREFIX = 0x6100_523D_8160_233D_3973
_BEACON_CODE = bytes.fromhex(
    "60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)
_UUPS_PREFIX = 0x6100_3D3D_8160_233D_3973
_UUPS_CODE = bytes.fromhex(
    "6009"
    "5155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076"
    "cc3735a920a3ca505d382bbc545af43d6000803e6038573d6000fd5b3d6000f3"
)
_PREFIX_BYTES = 10


def proxy_wallet(owner: bytes) -> bytes:
    """Signature type 1: the wallet of accounts made with an e-mail address."""
    arguments = bytes(31) + b"\x20" + bytes(32)
    code = _PROXY_CODE[0] + PROXY_FACTORY + _PROXY_CODE[1] + PROXY_IMPLEMENTATION + _PROXY_CODE[2] + arguments
    return create2(PROXY_FACTORY, keccak(owner), keccak(code))


def safe_wallet(owner: bytes) -> bytes:
    """Signature type 2: the Safe of accounts made with a browser wallet."""
    return create2(SAFE_FACTORY, keccak(padded(owner)), SAFE_CODE_HASH)


def deposit_wallet(owner: bytes) -> bytes:
    """Signature type 3: the deposit wallet of new accounts, behind the factory's beacon."""
    return _deposit(owner, _BEACON_PREFIX, DEPOSIT_BEACON + _BEACON_CODE)


def legacy_deposit_wallet(owner: bytes) -> bytes:
    """Signature type 3: a deposit wallet from before the beacon."""
    return _deposit(owner, _UUPS_PREFIX, DEPOSIT_IMPLEMENTATION + _UUPS_CODE)


def _deposit(owner: bytes, prefix: int, code: bytes) -> bytes:
    arguments = padded(DEPOSIT_FACTORY) + padded(owner)
    head = (prefix + (len(arguments) << 56)).to_bytes(_PREFIX_BYTES, "big")
    return create2(DEPOSIT_FACTORY, keccak(arguments), keccak(head + code + arguments))
