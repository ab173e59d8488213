"""Limits so wide that they never bind, for tests of other things; the controls have tests of their own."""

from collections.abc import Mapping
from types import MappingProxyType

from router.core.controls import AccountLimits, CashLimits
from router.runtime.control_settings import LimitBook
from venues.base.units import ONE, Cash, Price, Size

ALL = Cash(10**12 * ONE)
WIDE = LimitBook(
    default=AccountLimits(
        cash=CashLimits(order=ALL, minute=ALL, open=ALL),
        order_size=Size(ALL),
        collar=Price(ONE),
        collar_bps=1_000_000,
        depth_bps=10_000,
        orders_per_second=100_000,
        price_low=Price(0),
        price_high=Price(ONE),
        usual_times=1_000_000,
    ),
    by_account={},
    total_per_second=100_000,
)
WIDE_SETTINGS: Mapping[str, object] = MappingProxyType(
    {
        "order_usd": "1000000000000",
        "minute_usd": "2000000000000",
        "open_usd": "2000000000000",
        "order_shares": "1000000000000",
        "collar_usd": "1",
        "collar_percent": 10_000,
        "depth_percent": 100,
        "orders_per_second": 100_000,
        "total_per_second": 100_000,
        "confirm_below_usd": "0",
        "confirm_above_usd": "1",
        "confirm_medians": 1_000_000,
    }
)
"""The same as a table of the settings."""
