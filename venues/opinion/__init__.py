"""Opinion (opinion.trade, O.LAB): an off-chain book settled on BNB Chain in USDT; the card."""

from venues.base.contract import Limits, Pace, Secret, Traits, Venue
from venues.base.http import Purpose
from venues.opinion.feed import OpinionFeed
from venues.opinion.fees import OpinionFees
from venues.opinion.listings import COLLATERAL, NAME, OpinionListings
from venues.opinion.orders import OpinionOrders
from venues.opinion.signer import OpinionSigner
from venues.opinion.sim import OpinionSimulator
from venues.opinion.stream import OpinionStream

_SECRETS = (
    Secret(
        "private_key",
        "the wallet you log in with: export it from your wallet; it signs for the Safe",
        wallet=True,
    ),
    Secret(
        "api_key", "opinion.trade, profile, API; or POST /auth/api-key signed by that wallet", rotates=True
    ),
    Secret(
        "safe",
        "the multi-signature wallet that holds the funds: the address on your profile, or GET /user/auth",
        secret=False,
    ),
)

VENUE = Venue(
    name=NAME,
    title="Opinion",
    collateral=COLLATERAL,
    hosts={
        "rest": "https://openapi.opinion.trade",
        "socket": "wss://ws.opinion.trade",
        "rpc": "https://bsc-dataseed.bnbchain.org",
    },
    secrets=_SECRETS,
    traits=Traits(),
    limits=Limits(
        # One subscription each; the venue's limit is not published, 100 a connection is assumed (card 4).
        listings_per_connection=100,
        silent_ms_max=30_000,
        # With a key 15 calls a second, without one 5 (card 4). Books are read with the key too: 10 and 5.
        paces=(Pace((Purpose.ACCOUNT, Purpose.ORDER), 10, 1_000), Pace((Purpose.DATA,), 5, 1_000)),
    ),
    feed=OpinionFeed,
    listings=OpinionListings(),
    orders=OpinionOrders(),
    fees=OpinionFees(),
    signer=OpinionSigner,
    simulator=OpinionSimulator,
    private=OpinionStream,
)

__all__ = ["VENUE"]
