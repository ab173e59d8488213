"""Limitless Exchange, on Base: one YES book per market, orders signed by the wallet; the card."""

from venues.base.contract import Limits, Pace, Secret, Traits, Venue
from venues.base.http import Purpose
from venues.limitless.answers import COLLATERAL, MAINTENANCE
from venues.limitless.feed import LimitlessFeed
from venues.limitless.fees import LimitlessFees
from venues.limitless.link import SILENT_MS
from venues.limitless.listings import NAME, LimitlessListings
from venues.limitless.orders import LimitlessOrders
from venues.limitless.private import LimitlessPrivate
from venues.limitless.signer import LimitlessSigner
from venues.limitless.sim import LimitlessSimulator

VENUE = Venue(
    name=NAME,
    title="Limitless",
    collateral=COLLATERAL,
    hosts={
        "rest": "https://api.limitless.exchange",
        "socket": "wss://ws.limitless.exchange",
        # The chain itself, for the wallet's USDC; any endpoint of Base will do.
        "rpc": "https://mainnet.base.org",
    },
    secrets=(
        Secret(
            "private_key", "the wallet that holds the USDC and signs: export it from your wallet", wallet=True
        ),
        Secret(
            "token_id",
            'profile → API tokens: a scoped token with "trading"; its id',
            secret=False,
            rotates=True,
        ),
        Secret("token_secret", "shown once, when the token is made", rotates=True),
    ),
    traits=Traits(phase_codes=MAINTENANCE),
    limits=Limits(
        # Larger subscriptions are not known to work; 20 sockets at once are (card 5).
        listings_per_connection=50,
        silent_ms_max=SILENT_MS,
        # No limit is published; the venue's own advice to clients is a bucket of 20, refilled at 10 a second.
        paces=(Pace((Purpose.ORDER, Purpose.ACCOUNT), 20, 2_000), Pace((Purpose.DATA,), 20, 2_000)),
    ),
    feed=LimitlessFeed,
    listings=LimitlessListings(),
    orders=LimitlessOrders(),
    fees=LimitlessFees(),
    signer=LimitlessSigner,
    simulator=LimitlessSimulator,
    private=LimitlessPrivate,
)

__all__ = ["VENUE"]
