"""What is remembered is what was read: `micros` is the oracle, which never remembers."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.base.units import ONE, micros, signed_micros
from venues.kit.decimals import (
    MEMO_ENTRIES_MAX,
    MEMO_TEXT_MAX,
    Halves,
    Memo,
    micros_memo,
    signed_micros_memo,
)

pieces = st.sampled_from(["", "0", "00", "7", "10", "007", "48", "000001", "0000001", "5000000", "-1", "+1",
                          " 1", "1_0", "1e3", "nan", "٣", "²", "9" * 40])  # fmt: skip
texts = st.one_of(
    st.builds("{}.{}".format, pieces, pieces),
    pieces,
    st.text("0123456789.-+_ e٣", max_size=8),
    st.decimals(0, 10**9, places=6).map(str),
)


def outcome(read: Callable[[str], int], text: str) -> int | None:
    try:
        return read(text)
    except ValueError:
        return None


@given(st.lists(texts, max_size=30))
def test_whatever_was_read_before_a_text_means_what_it_means_alone(spelled: list[str]) -> None:
    halves, plain, signed = Halves(), micros_memo(), signed_micros_memo()
    for text in [*spelled, *spelled]:
        assert outcome(halves.__getitem__, text) == outcome(micros, text)
        assert outcome(plain.__getitem__, text) == outcome(micros, text)
        assert outcome(signed.__getitem__, text) == outcome(signed_micros, text)


@pytest.mark.parametrize(("first", "then", "value"), [
    ("1.5000000", "2.5000000", 2_500_000), ("1.", "12", 12 * ONE), ("0.000001", "7.000001", 7_000_001),
    (".5", "0.5", 500_000), ("1.50", "1.05", 1_050_000), ("007.1", "7.1", 7_100_000),
])  # fmt: skip
def test_a_half_means_the_same_in_another_decimal(first: str, then: str, value: int) -> None:
    halves = Halves()
    halves[first]
    assert (halves[then], halves[then]) == (value, value)


@given(st.lists(texts, max_size=30))
def test_known_halves_add_up_to_the_decimal(spelled: list[str]) -> None:
    """A hot loop takes any known whole with any known fraction, also where they never came together."""
    halves = Halves()
    for text in spelled:
        outcome(halves.__getitem__, text)
    for whole, before in halves.wholes.items():
        for fraction, behind in halves.fractions.items():
            assert (
                before + behind == micros(f"{whole}.{fraction}") == ONE * Fraction(f"{whole}.{fraction or 0}")
            )


@pytest.mark.parametrize("text", ["", ".", "1.2.3", "-1", "1e3"])
def test_no_known_halves_make_a_text_readable_that_is_no_decimal(text: str) -> None:
    halves = Halves()
    for known in ("1", "1.2", ".2", "1."):
        halves[known]
    with pytest.raises(ValueError, match="not"):
        halves[text]


def test_a_memo_reads_once_and_starts_anew_when_it_is_full() -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(asked)

    memo = Memo(count)
    assert (memo["a"], memo["a"], asked) == (1, 1, ["a"])
    known = memo.known
    for number in range(MEMO_ENTRIES_MAX - 1):
        memo[str(number)]
    assert len(known) == MEMO_ENTRIES_MAX
    memo["one more"]
    assert (list(known), memo.known is known) == (["one more"], True)


def test_a_text_longer_than_any_venue_writes_is_not_kept() -> None:
    memo, halves = micros_memo(), Halves()
    long = "0" * MEMO_TEXT_MAX + "1"
    assert (memo[long], halves[f"{long}.5"]) == (ONE, ONE + ONE // 2)
    assert (memo.known, halves.wholes) == ({}, {})
