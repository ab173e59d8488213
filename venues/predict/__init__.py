"""Predict.fun (BNB Chain): one book per market, orders named by their hash, settled on chain; the card."""

from venues.base.contract import Limits, Pace, Secret, Traits, Venue
from venues.base.http import Purpose
from venues.predict.feed import PredictFeed
from venues.predict.fees import PredictFees
from venues.predict.fills import COLLATERAL
from venues.predict.listings import NAME, PredictListings
from venues.predict.orders import PredictOrders
from venues.predict.private import PredictPrivateFeed
from venues.predict.signer import PredictSigner
from venues.predict.sim import PredictSimulator

_SECRETS = (
    Secret("api_key", "on request from the venue: dev.predict.fun names the way", rotates=True),
    Secret(
        "private_key",
        "the wallet that signs; of a Predict account the owner's key, from its settings",
        wallet=True,
    ),
    Secret(
        "account",
        "the Predict account's address, as the site shows it; leave out for a plain wallet",
        required=False,
        secret=False,
    ),
    Secret("chain_id", "56 BNB Chain (default), 97 its test network", required=False, secret=False),
)
_ALL = (Purpose.DATA, Purpose.ACCOUNT, Purpose.ORDER)

VENUE = Venue(
    name=NAME,
    title="Predict.fun",
    collateral=COLLATERAL,
    hosts={
        "rest": "https://api.predict.fun",
        "socket": "wss://ws.predict.fun",
        "rpc": "https://bsc-dataseed.bnbchain.org",
    },
    secrets=_SECRETS,
    traits=Traits(shut_codes=frozenset({"create_order_market_not_trading"})),
    limits=Limits(
        # Its own limit is not known; none was seen below this.
        listings_per_connection=100,
        # The venue's heartbeats come every 15 s.
        silent_ms_max=35_000,
        # The documented limit of a key, and the one that a live header showed beside it.
        paces=(Pace(_ALL, 240, 60_000), Pace(_ALL, 40, 1_000)),
    ),
    feed=PredictFeed,
    listings=PredictListings(),
    orders=PredictOrders(),
    fees=PredictFees(),
    signer=PredictSigner,
    simulator=PredictSimulator,
    private=PredictPrivateFeed,
)
