"""A seal opens whole, with its key, for what it is about; else not at all."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from router.runtime.vault.seal import KEY_BYTES, NONCE_BYTES, Broken, bound, seal, unseal

KEY, NONCE = bytes(range(KEY_BYTES)), bytes(NONCE_BYTES)
ABOUT = bound("credentials", "acct-1", "north", "k1", 1)
PART = st.one_of(st.text(), st.integers())


@given(st.binary(max_size=300), st.lists(PART))
def test_what_is_sealed_comes_back(plain: bytes, about: list[str | int]) -> None:
    assert unseal(KEY, seal(KEY, plain, bound(*about), nonce=NONCE), bound(*about)) == plain


def test_it_is_aes_256_gcm_as_anybody_would_open_it() -> None:
    sealed = seal(KEY, b"plain", ABOUT, nonce=NONCE)
    assert sealed[:13] == b"\x01" + NONCE
    assert AESGCM(KEY).decrypt(NONCE, sealed[13:], b"\x01" + ABOUT) == b"plain"


def test_a_seal_with_any_bit_changed_or_any_end_cut_is_refused() -> None:
    sealed = seal(KEY, b"a secret of some length", ABOUT, nonce=NONCE)
    for at in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[at] ^= 1 << bit
            with pytest.raises(Broken):
                unseal(KEY, bytes(changed), ABOUT)
    for length in range(len(sealed)):
        for part in (sealed[:length], sealed[length + 1 :]):
            with pytest.raises(Broken):
                unseal(KEY, part, ABOUT)
    with pytest.raises(Broken):
        unseal(KEY, sealed + b"\0", ABOUT)


def test_another_key_opens_nothing() -> None:
    sealed = seal(KEY, b"plain", ABOUT, nonce=NONCE)
    for at in range(KEY_BYTES):
        other = bytearray(KEY)
        other[at] ^= 1
        with pytest.raises(Broken):
            unseal(bytes(other), sealed, ABOUT)


@given(st.lists(PART), st.lists(PART))
def test_what_is_about_something_else_is_refused(first: list[str | int], second: list[str | int]) -> None:
    same = [str(part) for part in first] == [str(part) for part in second]
    assert (bound(*first) == bound(*second)) is same
    if not same:
        with pytest.raises(Broken):
            unseal(KEY, seal(KEY, b"plain", bound(*first), nonce=NONCE), bound(*second))


def test_what_a_refusal_says_holds_neither_key_nor_text() -> None:
    sealed = seal(KEY, b"hush-hush", ABOUT, nonce=NONCE)
    with pytest.raises(Broken) as refused:
        unseal(KEY, sealed[:-1], ABOUT)
    assert refused.value.__cause__ is None
    assert not any(word in str(refused.value) for word in ("hush", KEY.hex(), sealed.hex()))
