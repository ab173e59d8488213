"""Limitless's market metadata as listings: one YES book per market (card 3)."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from venues.base.contract import Page
from venues.base.http import Purpose, Reply, Request, Response, Talk, Unavailable
from venues.base.listing import Grid, Listing, Native
from venues.base.units import ONE
from venues.kit.eip712 import ADDRESS_BYTES, unhex
from venues.limitless import wire
from venues.limitless.feed import TICK
from venues.limitless.fees import COLLATERAL, LEGACY

NAME = "limitless"
LOT = 1_000
"""Sizes are multiples of a thousandth of a share."""
MINIMUM = ONE
"""One USDC; the smallest order is UNCONFIRMED, and this is what the card plans with."""
USDC = bytes.fromhex("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913")
PAGE_MARKETS = 25
"""As many as the venue gives at once."""
PAGES_MAX = 2_000
"""50,000 markets; beyond this a catalogue is not walked on."""
NOT_TAKING = frozenset({"post_only", "cancel_only", "disabled"})
"""Modes of a maintenance in which no order of ours would be taken."""

_market = msgspec.json.Decoder(wire.Market)
_active = msgspec.json.Decoder(wire.ActivePage | list[wire.Market])
_maintenance = msgspec.json.Decoder(wire.MaintenanceStatus)


class LimitlessListings:
    """Markets by slug; what may be traded now is also a matter of the venue's maintenance."""

    def fetch(self, natives: Sequence[Native]) -> Talk[list[Listing] | Unavailable]:
        """The listings of these books; one that the venue does not know is left out."""
        paused = yield from _maintained()
        found: list[Listing] = []
        for native in dict.fromkeys(natives):
            reply = yield _get(f"/markets/{quote(native, safe='')}")
            if _missing(reply):
                continue
            try:
                market = wire.read(reply, _market)
            except ValueError as error:
                return Unavailable(f"metadata of {native}: {error}")
            if market.slug != native:
                return Unavailable(f"metadata of {native}: the reply is about {market.slug!r}")
            found.append(_listing(market, paused))
        return found

    def discover(self, cursor: str) -> Talk[Page | Unavailable]:
        """One page of what is traded, groups as their legs; the cursor is the number of the page."""
        number = int(cursor) if cursor.isascii() and cursor.isdecimal() else 1
        query = (("page", str(number)), ("limit", str(PAGE_MARKETS)))
        reply = yield _get("/markets/active", *query)
        try:
            page = wire.read(reply, _active)
        except ValueError as error:
            return Unavailable(f"page {number} of the markets: {error}")
        markets = page if isinstance(page, list) else page.data
        more = bool(markets) and number < PAGES_MAX
        listings = (_listing(market, "") for market in _legs(markets))
        traded = tuple(listing for listing in listings if listing.tradable)
        return Page(traded, str(number + 1) if more else None)


def _get(path: str, *query: tuple[str, str]) -> Request:
    return Request(method="GET", path=path, query=query, purpose=Purpose.DATA)


def _missing(reply: Reply) -> bool:
    return isinstance(reply, Response) and reply.status == 404


def _maintained() -> Talk[str]:
    """Which mode keeps the venue from taking orders, or "". What cannot be read stops nothing: the venue
    refuses orders itself while it is maintained."""
    reply = yield _get("/maintenance/status")
    try:
        status = wire.read(reply, _maintenance)
    except ValueError:
        return ""
    modes = [effect.mode for effect in _effects(status.active) if effect.target in ("", "trading")]
    return next((mode for mode in modes if mode.lower().removesuffix("_mode") in NOT_TAKING), "")


def _effects(active: Iterable[wire.Maintenance]) -> Iterable[wire.Effect]:
    for entry in active:
        yield from entry.effects or (wire.Effect(entry.target, entry.mode),)


def _legs(markets: Iterable[wire.Market]) -> Iterable[wire.Market]:
    """Groups are replaced by what they hold; a leg has its group's contracts unless it names its own."""
    for market in markets:
        if not market.markets:
            yield market
        for leg in market.markets:
            yield msgspec.structs.replace(
                leg,
                title=" · ".join(filter(None, (market.title, leg.title))),
                trade_type=leg.trade_type or market.trade_type,
                venue=leg.venue or market.venue,
                collateral_token=leg.collateral_token or market.collateral_token,
            )


def _listing(market: wire.Market, paused: str) -> Listing:
    """A market that cannot be traded is listed and says why in `details`."""
    contracts = market.venue or wire.Contracts()
    tokens = market.tokens or wire.Tokens("", "")
    refused = _why_not(market, contracts) or (f"maintenance: {paused}" if paused else "")
    settings = market.settings or wire.Settings()
    return Listing(
        venue=NAME,
        native=Native(market.slug),
        title=market.title,
        grid=Grid.uniform(TICK),
        lot=LOT,
        minimum_cash=MINIMUM,
        minimum_sale_cash=MINIMUM,
        tradable=not refused,
        closes_ms=market.expiration_timestamp or None,
        details={
            "token_yes": tokens.yes,
            "token_no": tokens.no,
            "exchange": contracts.exchange,
            "adapter": contracts.adapter or "",
            "fee_module": contracts.fee_module or "",
            "fees": COLLATERAL if contracts.fee_module_type == "COLLATERAL" else LEGACY,
            "condition_id": market.condition_id or "",
            "taker_delay_ms": str(settings.taker_delay_ms or 0),
            "expires_ms": str(market.expiration_timestamp or 0),
            "refused": refused,
        },
    )


def _why_not(market: wire.Market, contracts: wire.Contracts) -> str:
    """What about this market keeps it from being traded, or ""."""
    if market.status != "FUNDED":
        return f"status: {market.status}"
    if market.trade_type != "clob":
        return f"trade type: {market.trade_type}"
    tokens = market.tokens
    if tokens is None or not (_is_token(tokens.yes) and _is_token(tokens.no)) or tokens.yes == tokens.no:
        return "its tokens are not two numbers"
    if not _is_address(contracts.exchange):
        return "no exchange contract"
    if contracts.fee_module_type not in (None, "", "COLLATERAL") or (
        contracts.fee_module and not contracts.fee_module_type
    ):
        return f"no known rule for the fees of module type {contracts.fee_module_type}"
    collateral = market.collateral_token or wire.Collateral()
    if not _is_address(collateral.address, USDC) or collateral.decimals != 6:
        return f"settles in {collateral.symbol or 'an unknown token'}"
    return ""


def _is_token(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 256


def _is_address(text: str, wanted: bytes | None = None) -> bool:
    try:
        address = unhex(text, ADDRESS_BYTES)
    except ValueError:
        return False
    return any(address) if wanted is None else address == wanted
