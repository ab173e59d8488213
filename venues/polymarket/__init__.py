"""Polymarket (international, Polygon): CLOB V2 with pUSD. The card; exports VENUE."""

from venues.base.contract import Limits, Pace, Secret, Traits, Venue
from venues.base.http import Purpose
from venues.polymarket.amounts import CENT
from venues.polymarket.feed import PolymarketFeed
from venues.polymarket.fees import PolymarketFees
from venues.polymarket.listings import NAME, PolymarketListings
from venues.polymarket.orders import PolymarketOrders
from venues.polymarket.private import PolymarketPrivate
from venues.polymarket.refusals import PHASES, SHUT
from venues.polymarket.signer import PolymarketSigner
from venues.polymarket.sim import PolymarketSimulator
from venues.polymarket.trades import COLLATERAL

_SECRETS = (
    Secret("private_key", "the wallet that signs: export it from there or from polymarket.com", wallet=True),
    Secret("api_key", "made by that wallet, e.g. by the official create_or_derive_api_key", rotates=True),
    Secret("api_secret", "comes with the API key", rotates=True),
    Secret("api_passphrase", "comes with the API key", rotates=True),
    Secret(
        "signature_type",
        "0 the key's own wallet (default), 1 e-mail account, 2 browser-wallet account, 3 deposit wallet",
        required=False,
        secret=False,
    ),
    Secret("funder", "types 1-3: the address shown on your profile page", required=False, secret=False),
    Secret("chain_id", "137 Polygon (default), 80002 Amoy", required=False, secret=False),
)

VENUE = Venue(
    name=NAME,
    title="Polymarket",
    collateral=COLLATERAL,
    hosts={
        "rest": "https://clob.polymarket.com",
        "gamma": "https://gamma-api.polymarket.com",
        "socket": "wss://ws-subscriptions-clob.polymarket.com",
    },
    secrets=_SECRETS,
    traits=Traits(buys_in_cash=True, cash_lot=CENT, restarts_425=True, shut_codes=SHUT, phase_codes=PHASES),
    limits=Limits(
        # Not published: above 500 assets initial snapshots fail, 200 are safe.
        listings_per_connection=200,
        # A PING every 10 s is answered; after three without an answer the connection is dead.
        silent_ms_max=30_000,
        paces=(
            # 40 orders a second for one address; cancellations have more, and count here all the same.
            Pace((Purpose.ORDER,), 40, 1_000),
            # All else is counted by the caller's address (card 10): orders 120,000 in 10 minutes.
            Pace((Purpose.ORDER,), 2_000, 10_000, per_address=True),
            # Balances 200 in 10 s; orders and trades may be read more often.
            Pace((Purpose.ACCOUNT,), 200, 10_000, per_address=True),
            # Books 1,500 in 10 s. The catalogue has 300: its pages are asked for one after another.
            Pace((Purpose.DATA,), 1_500, 10_000, per_address=True),
        ),
    ),
    feed=PolymarketFeed,
    listings=PolymarketListings(),
    orders=PolymarketOrders(),
    fees=PolymarketFees(),
    signer=PolymarketSigner,
    simulator=PolymarketSimulator,
    private=PolymarketPrivate,
)

__all__ = ["VENUE"]
