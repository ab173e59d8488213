"""What an account is and has at the venue, and what time it is there (card 6)."""

from collections.abc import Mapping, Sequence
from email.utils import formatdate, mktime_tz, parsedate_tz

import msgspec

from venues.base.contract import Signer
from venues.base.http import Purpose, Request, Response, Talk, Unavailable
from venues.base.listing import Listing, ListingKey
from venues.base.units import Cash, Size, floor_to
from venues.kit import erc20
from venues.limitless import wire
from venues.limitless.listings import LOT, USDC
from venues.limitless.reads import get, own
from venues.limitless.signer import LimitlessSigner, Profile

_profile = msgspec.json.Decoder(wire.Profile)
_portfolio = msgspec.json.Decoder(wire.Portfolio)


def profile(signer: LimitlessSigner) -> Talk[Profile | Unavailable]:
    """The account's id and fee rate: read once, and kept by its signer."""
    if signer.profile is None:
        reply = yield get(f"/profiles/{signer.address}")
        try:
            said = wire.read(reply, _profile)
        except ValueError as error:
            return Unavailable(f"profile: {error}")
        if said.id <= 0 or said.rank.fee_rate_bps < 0:
            return Unavailable(f"profile: id {said.id}, fee rate {said.rank.fee_rate_bps}")
        signer.profile = Profile(said.id, said.rank.fee_rate_bps)
    return signer.profile


def funds(signer: Signer) -> Talk[Mapping[str, Cash] | Unavailable]:
    """The wallet's USDC on the chain, less what open orders keep aside.

    Asked in this order a fill in between counts twice rather than not at all.
    """
    held = yield from _positions(own(signer))
    if isinstance(held, Unavailable):
        return held
    reply = yield erc20.balance_request(USDC, own(signer).owner)
    if not isinstance(reply, Response):
        return Unavailable(f"USDC on the chain: {reply.reason}")
    try:
        balance = erc20.read_balance(reply)
        locked = sum(wire.units(row.orders.total_collateral_locked) for row in held if row.orders)
    except ValueError as error:
        return Unavailable(f"funds: {error}")
    return {"": Cash(max(0, balance - locked))}


def holdings(signer: Signer, listings: Sequence[Listing]) -> Talk[Mapping[ListingKey, Size] | Unavailable]:
    """Whole lots of each listing's own token. What open orders offer is not taken off by the venue."""
    rows = yield from _positions(own(signer))
    if isinstance(rows, Unavailable):
        return rows
    held: dict[tuple[str, bool], int] = {}
    try:
        for row in rows:
            for inverted, balance in ((False, row.tokens_balance.yes), (True, row.tokens_balance.no)):
                key = row.market.slug, inverted
                held[key] = held.get(key, 0) + wire.units(balance)
    except ValueError as error:
        return Unavailable(f"positions: {error}")
    return {
        listing.key: Size(floor_to(held.get((listing.native, listing.inverted), 0), LOT))
        for listing in listings
    }


def clock() -> Talk[int | Unavailable]:
    """The middle of the second in the `Date` header: right to half a second, the best the venue offers."""
    reply = yield Request(method="GET", path="/maintenance/status", purpose=Purpose.DATA)
    if not isinstance(reply, Response):
        return Unavailable(reply.reason)
    text = reply.headers.get("date", "")
    try:
        parsed = parsedate_tz(text)
        seconds = mktime_tz(parsed) if parsed else 0
    except (ValueError, OverflowError) as error:
        return Unavailable(f"Date header: {error}")
    if formatdate(seconds, usegmt=True) != text:
        return Unavailable("Date header: not a date of HTTP")
    return seconds * 1000 + 500


def _positions(signer: LimitlessSigner) -> Talk[list[wire.Position] | Unavailable]:
    """Those of the wallet that signs; what another wallet of the profile has it cannot trade."""
    reply = yield get("/portfolio/positions")
    try:
        rows = wire.read(reply, _portfolio).clob
    except ValueError as error:
        return Unavailable(f"positions: {error}")
    wallets = ("", signer.address.lower())
    return [row for row in rows if row.maker_address.lower() in wallets]
