"""Addresses, domains and keys against the published examples of EIP-712, EIP-55 and EIP-1014."""

import coincurve
import pytest

from venues.kit.eip712 import Key, checksummed, create2, digest, domain_separator, keccak, unhex, word

COW = "0x" + keccak(b"cow").hex()
COW_ADDRESS = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"


def test_an_empty_text_has_the_known_hash() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_capitals_are_those_of_eip_55(address: str) -> None:
    assert checksummed(unhex(address.lower(), 20)) == address


def test_a_deployed_address_is_that_of_eip_1014() -> None:
    factory, salt = bytes.fromhex("deadbeef" + "00" * 16), bytes(32)
    assert (
        checksummed(create2(factory, salt, keccak(b"\x00"))) == "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"
    )


def test_the_mail_of_eip_712_is_signed_as_published() -> None:
    """The example of the standard: Cow writes to Bob."""
    person = keccak(b"Person(string name,address wallet)")
    mail = keccak(b"Mail(Person from,Person to,string contents)Person(string name,address wallet)")
    cow, bob = (
        keccak(person + keccak(name) + word(int(wallet, 16)))
        for name, wallet in ((b"Cow", COW_ADDRESS), (b"Bob", "0x" + "bB" * 20))
    )
    struct = keccak(mail + cow + bob + keccak(b"Hello, Bob!"))
    domain = domain_separator("Ether Mail", "1", 1, bytes.fromhex("CC" * 20))
    assert domain.hex() == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    assert digest(domain, struct).hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    key = Key(COW)
    assert checksummed(key.address) == COW_ADDRESS
    signature = key.sign(digest(domain, struct)).hex()
    assert signature == (
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
        "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b915621c"
    )


def test_a_signature_recovers_to_the_address_that_made_it() -> None:
    key = Key("0x" + "11" * 32)
    for number in range(32):
        hashed = keccak(word(number))
        signature = key.sign(hashed)
        recoverable = signature[:64] + bytes((signature[64] - 27,))
        public = coincurve.PublicKey.from_signature_and_message(recoverable, hashed, hasher=None)
        assert keccak(public.format(compressed=False)[1:])[-20:] == key.address


@pytest.mark.parametrize(
    "bad", ["", "0x", "11" * 31, "11" * 33, "zz" * 32, " " + "11" * 32, "00" * 32, "ff" * 32, "1_" * 32]
)
def test_a_bad_key_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(ValueError, match=r"32 bytes|secp256k1") as caught:
        Key(bad)
    assert caught.value.__cause__ is None
    if bad.strip("0x"):
        assert bad.strip() not in str(caught.value)


def test_a_key_shows_only_its_address() -> None:
    assert repr(Key("0x" + "11" * 32)) == "Key(0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A)"
