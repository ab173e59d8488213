"""Numerals from clients: read like `int` within the limit, never an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venues.sim.numeral import numeral


@given(number=st.integers(0, 2**70), most=st.integers(0, 2**70))
def test_a_number_is_read_up_to_the_limit_and_not_beyond(number: int, most: int) -> None:
    assert numeral(str(number), most) == (number if number <= most else None)


@pytest.mark.parametrize("text", ["", " 1", "-1", "1.0", "1e3", "0x1", "1_0", "²", "٣", "one", "9" * 5_000])
def test_what_is_no_number_is_none(text: str) -> None:
    assert numeral(text, 10**18) is None
