"""Kalshi, trade-api v2: one YES book per market, RSA-signed requests, fees per fill."""

from venues.base.contract import Limits, Pace, Secret, Traits, Venue
from venues.base.http import Purpose
from venues.kalshi.feed import KalshiFeed
from venues.kalshi.fees import KalshiFees
from venues.kalshi.listings import KalshiListings
from venues.kalshi.orders import KalshiOrders
from venues.kalshi.private import KalshiPrivate
from venues.kalshi.signer import KalshiSigner
from venues.kalshi.sim import KalshiSimulator
from venues.kalshi.tally import COLLATERAL


def _paces(writes: int, reads: int) -> tuple[Pace, ...]:
    """So many calls a second."""
    return (Pace((Purpose.ORDER,), writes, 1_000), Pace((Purpose.ACCOUNT, Purpose.DATA), reads, 1_000))


VENUE = Venue(
    name="kalshi",
    title="Kalshi",
    collateral=COLLATERAL,
    hosts={"rest": "https://external-api.kalshi.com", "socket": "wss://external-api-ws.kalshi.com"},
    secrets=(
        Secret(
            "key_id",
            "Account & security → API keys: the id shown beside the key",
            secret=False,
            rotates=True,
        ),
        Secret(
            "private_key",
            "The PEM file that was offered once, when the key was made: its text",
            rotates=True,
        ),
        Secret(
            "subaccount", "Its number, 0 to 63; leave out for the main account", required=False, secret=False
        ),
        Secret(
            "account_precision",
            'Leave out or "0.0001" (direct member); accounts through a broker ("0.01") are refused',
            required=False,
            secret=False,
        ),
    ),
    traits=Traits(slow_signature=True, shut_codes=frozenset({"market_closed", "market_inactive"})),
    limits=Limits(
        # Five subscriptions of 200. The venue allows 500,000; this many are lost together with a connection.
        listings_per_connection=1_000,
        # The server pings every 10 s, also when nothing is traded.
        silent_ms_max=30_000,
        # The lowest tier: 100 tokens a second for writes, 200 for reads, and 10 for nearly every request.
        paces=_paces(10, 20),
        # The tiers of the card (9). Bursts, which they allow as well, are left unused.
        tiers={
            "basic": _paces(10, 20),
            "advanced": _paces(30, 30),
            "premier": _paces(100, 100),
            "paragon": _paces(200, 200),
            "prime": _paces(400, 400),
        },
    ),
    feed=KalshiFeed,
    listings=KalshiListings(),
    orders=KalshiOrders(),
    fees=KalshiFees(),
    signer=KalshiSigner,
    simulator=KalshiSimulator,
    private=KalshiPrivate,
)
