"""Kalshi, trade-api v2: one YES book per market, RSA-signed requests, fees per fill."""

from venues.base.contract import Limits, Secret, Traits, Venue
from venues.kalshi.feed import KalshiFeed
from venues.kalshi.fees import KalshiFees
from venues.kalshi.listings import KalshiListings
from venues.kalshi.orders import COLLATERAL, KalshiOrders
from venues.kalshi.signer import KalshiSigner
from venues.kalshi.sim import KalshiSimulator

VENUE = Venue(
    name="kalshi",
    title="Kalshi",
    collateral=COLLATERAL,
    hosts={"rest": "https://external-api.kalshi.com", "socket": "wss://external-api-ws.kalshi.com"},
    secrets=(
        Secret("key_id", "Account & security → API keys: the id shown beside the key", secret=False),
        Secret("private_key", "The PEM file that was offered once, when the key was made: its text"),
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
    traits=Traits(slow_signature=True),
    limits=Limits(
        # Five subscriptions of 200. The venue allows 500,000; this many are lost together with a connection.
        listings_per_connection=1_000,
        # The server pings every 10 s, also when nothing is traded.
        silent_ms_max=30_000,
    ),
    feed=KalshiFeed,
    listings=KalshiListings(),
    orders=KalshiOrders(),
    fees=KalshiFees(),
    signer=KalshiSigner,
    simulator=KalshiSimulator,
)
