"""Why a venue was not used, where the venue did not say what the account has there."""

import pytest

from router.core.considered import owned_up
from router.core.model import Considered


def entry(venue: str, dropped: str | None) -> Considered:
    return Considered(venue=venue, average=None, top=None, dropped=dropped, fee_bps_at_top_e4=0)


@pytest.mark.parametrize(
    ("dropped", "unread", "told"),
    [
        ("insufficient_balance", {"v"}, "balance_unread"),
        ("no_position", {"v"}, "balance_unread"),
        ("insufficient_balance", {"w"}, "insufficient_balance"),
        ("no_position", set(), "no_position"),
        ("worse_price", {"v"}, "worse_price"),
        ("zero_depth", {"v"}, "zero_depth"),
        (None, {"v"}, None),
    ],
)
def test_nobody_is_told_to_have_nothing_where_that_is_not_known(
    dropped: str | None, unread: set[str], told: str | None
) -> None:
    assert owned_up([entry("v", dropped)], unread) == (entry("v", told),)
