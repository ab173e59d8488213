"""What an account has at the venue, and what time it is there (card 2 and 5.7)."""

from collections.abc import Mapping, Sequence

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.units import ONE, Cash, Size, micros
from venues.polymarket import wire
from venues.polymarket.reads import get, own, token_of
from venues.polymarket.signer import PolymarketSigner, is_protocol_v2
from venues.polymarket.trades import COLLATERAL

_time = msgspec.json.Decoder(int)
_balances = msgspec.json.Decoder(wire.Balance)


def funds(signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
    """The wallet's pUSD. What open orders of other programs reserve is not subtracted by the venue."""
    balance = yield from _balance(own(signer), "COLLATERAL", "")
    return balance if isinstance(balance, Unavailable) else {"": Cash(balance)}


def holdings(signer: Signer, listings: Sequence[Listing]) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
    """Settled shares of each listing's own token: for an inverted listing those of the sibling.

    Shares of a trade that is not mined yet are not among them.
    """
    held: dict[ListingKey, Size] = {}
    for listing in listings:
        token = token_of(listing)
        kind = "CONDITIONAL-V2" if is_protocol_v2(token) else "CONDITIONAL"
        balance = yield from _balance(own(signer), kind, token)
        if isinstance(balance, Unavailable):
            return balance
        held[listing.key] = Size(balance)
    return held


def clock() -> Talk[int | Unavailable]:
    """GET /time has whole seconds."""
    try:
        return wire.read((yield Request(method="GET", path="/time", purpose=Purpose.DATA)), _time) * 1000
    except ValueError as error:
        return Unavailable(f"clock: {error}")


def _balance(signer: PolymarketSigner, kind: str, token: str) -> Talk[int | Unavailable]:
    """A balance in millionths, as the venue's cache of the chain has it."""
    of_token = [("token_id", token)] if token else []
    query = [("signature_type", str(signer.signature_type)), ("asset_type", kind), *of_token]
    reply = yield get("/balance-allowance", *query)
    try:
        return micros(wire.read(reply, _balances).balance) // ONE
    except ValueError as error:
        return Unavailable(f"balance of {token or COLLATERAL}: {error}")
