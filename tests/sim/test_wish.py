"""Wishes for a simulated venue: read exactly, or refused with the field that is wrong."""

from collections.abc import Callable

import pytest

from venues.base.orders import Charge
from venues.base.units import Size
from venues.sim.engine import Exchange
from venues.sim.model import Market
from venues.sim.wish import amount, check_keys, positions, whole


def exchange() -> Exchange:
    made = Exchange(lambda *_: Charge(), nets_positions=True)
    made.add_market(Market("M", ("M",), size_step=10_000))
    return made


def test_positions_are_read_on_both_outcomes() -> None:
    [yes, no] = positions(exchange(), {"M": "1.5", "M:inverted": "2"})
    assert (yes[0].market_id, yes[1:]) == ("M", (0, Size(1_500_000)))
    assert (no[0].market_id, no[1:]) == ("M", (1, Size(2_000_000)))


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (
            lambda: check_keys("market", {"title": 1, "colour": 2}, {"title"}),
            r"market: no such fields \['col",
        ),
        (lambda: amount("balance", "ten"), "balance: not a plain decimal"),
        (lambda: amount("balance", "0.0000001"), "balance: not an exact count"),
        (lambda: whole("delay", 61, 60), "delay: a whole number from 0 to 60, was 61"),
        (lambda: whole("delay", -1, 60), "delay: a whole number"),
        (lambda: whole("delay", True, 60), "delay: a whole number"),
        (lambda: whole("delay", "1", 60), "delay: a whole number"),
        (lambda: positions(exchange(), {"N": "1"}), "positions: no listing 'N'"),
        (lambda: positions(exchange(), {"M": "1.005"}), "positions: M is not a multiple of 0.01"),
        (lambda: positions(exchange(), {"M": "much"}), r"positions\['M'\]: not a plain decimal"),
    ],
)
def test_a_wrong_wish_is_refused_with_field_and_rule(read: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read()
