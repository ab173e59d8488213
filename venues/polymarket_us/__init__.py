"""Polymarket US: dollar accounts, one long book per market, requests signed with Ed25519."""

from venues.base.contract import Limits, Pace, Secret, Traits, Venue
from venues.base.http import Purpose
from venues.polymarket_us.feed import PolymarketUsFeed
from venues.polymarket_us.fees import PolymarketUsFees
from venues.polymarket_us.listings import PolymarketUsListings
from venues.polymarket_us.orders import PolymarketUsOrders
from venues.polymarket_us.private import PolymarketUsPrivate
from venues.polymarket_us.signer import PolymarketUsSigner
from venues.polymarket_us.sim import PolymarketUsSimulator
from venues.polymarket_us.tally import COLLATERAL

VENUE = Venue(
    name="polymarket_us",
    title="Polymarket US",
    collateral=COLLATERAL,
    hosts={
        "rest": "https://api.polymarket.us",
        "gateway": "https://gateway.polymarket.us",
        "socket": "wss://api.polymarket.us",
    },
    secrets=(
        Secret(
            "key_id", "polymarket.us/developer: the id shown beside the API key", secret=False, rotates=True
        ),
        Secret("secret_key", "Shown once, when the key is made: base64 text", rotates=True),
    ),
    traits=Traits(shut_codes=frozenset({"ORD_REJECT_REASON_EXCHANGE_CLOSED"})),
    limits=Limits(
        # Ten subscriptions of 100; the venue names no limit, its card asks for a second connection above.
        listings_per_connection=1_000,
        # A heartbeat comes about every 30 s, also when nothing is traded.
        silent_ms_max=60_000,
        # The venue waits up to 5 s for the end of an immediate order before it replies.
        order_ms_max=8_000,
        # 20 requests a second for one key over all private calls, and for one address on the public gateway.
        paces=(
            Pace((Purpose.ORDER, Purpose.ACCOUNT), 20, 1_000),
            Pace((Purpose.DATA,), 20, 1_000, per_address=True),
        ),
    ),
    feed=PolymarketUsFeed,
    listings=PolymarketUsListings(),
    orders=PolymarketUsOrders(),
    fees=PolymarketUsFees(),
    signer=PolymarketUsSigner,
    simulator=PolymarketUsSimulator,
    private=PolymarketUsPrivate,
)
