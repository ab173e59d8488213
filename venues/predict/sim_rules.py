"""What the simulated venue demands of an order, in the card's words and order (sections 4, 5, 6, 8 and 9).

Written from the card alone. It shares no code with the client side.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from venues.base.orders import Charge, Side
from venues.base.units import ONE, Cash, Price, Size, ceil_to, down, floor_to, up
from venues.predict import sim_proofs as proofs
from venues.sim.model import Market, SimOrder

WEI = 10**18
"""Wei of one dollar or one share; amounts on the wire are counted in it."""
STEP = WEI // ONE
"""Wei of one millionth, in which the ledger counts."""
BPS = 10_000
ORDER_VALUE_MIN = 900_000
"""Ninety cents: the live text says "at least 0.9 USD" (section 5)."""
ZERO_ADDRESS = "0x" + "00" * 20
Number = Annotated[int, Meta(ge=0)]
SIGNED = (
    "hash", "salt", "maker", "signer", "taker", "tokenId", "makerAmount", "takerAmount", "expiration",
    "nonce", "feeRateBps", "side", "signatureType", "signature",
)  # fmt: skip
"""Fields of `order`; all others stand beside it."""


class RefusedError(Exception):
    """The venue says no: an HTTP status, the slug of section 4 and a text for people."""

    def __init__(self, status: int, slug: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.slug = slug
        self.text = text


def bad_request(text: str) -> RefusedError:
    """The request itself is wrong."""
    return RefusedError(400, "bad_request", text)


def not_created(slug: str, text: str) -> RefusedError:
    """An order that is understood and refused."""
    return RefusedError(400, f"create_order_{slug}", text)


@dataclass(slots=True)
class Terms:
    """What the venue knows about one of its markets beyond its book."""

    market: Market
    title: str
    tokens: tuple[str, str]
    names: tuple[str, str]
    condition_id: str
    category: str
    precision: int
    """Decimals of a price: 2 or 3."""
    fee_bps: int
    neg_risk: bool
    yield_bearing: bool
    updated_ms: int = 0
    """When the book last changed."""
    last_settled: Any = None
    winner: int | None = None

    @property
    def market_id(self) -> int:
        """The number that paths and topics name."""
        return int(self.market.market_id)

    @property
    def tick(self) -> int:
        """Distance of two prices, in millionths."""
        return int(10 ** (6 - self.precision))

    def fee_wei(self, side: Side, price: Price, size: Size) -> int:
        """The taker's fee for one fill: shares of a buy, collateral of a sale (section 6)."""
        p, shares = price * STEP, size * STEP
        least = min(p, WEI - p)
        if side is Side.BUY:
            return self.fee_bps * least * shares // (p * BPS)
        return self.fee_bps * least * shares // (BPS * WEI)


def charge(terms: Terms, order: SimOrder, price: Price, size: Size, *, discount: int) -> Charge:
    """The fee of one more fill of a taker, in whole millionths.

    The order's fees so far, in wei, are rounded up together and not fill by fill, so that the ledger
    never holds more than a millionth above the published formula. `discount` is in percent.
    """
    so_far = order.notes.get("fee_wei", 0)
    assert isinstance(so_far, int)
    full = terms.fee_wei(order.side, price, size)
    total = so_far + full - down(full * discount, 100)
    order.notes["fee_wei"] = total
    fee = up(total, STEP) - up(so_far, STEP)
    return Charge(shares=Size(fee)) if order.side is Side.BUY else Charge(cash=Cash(fee))


class Ticket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A signed order and what came with it, in the venue's own names. Amounts are in wei."""

    hash: str
    salt: Number
    maker: str
    signer: str
    taker: str
    token_id: Number
    maker_amount: Number
    taker_amount: Number
    expiration: Number
    """Unix seconds."""
    nonce: Number
    fee_rate_bps: Number
    side_number: Literal[0, 1] = msgspec.field(name="side")
    signature_type: Number
    signature: str
    price_per_share: Number
    strategy: Literal["LIMIT", "MARKET"]
    slippage_bps: Number | None = None
    is_fill_or_kill: bool = False
    is_min_amount_out: bool = False
    is_post_only: bool = False
    reserved_balance_policy: Literal["REJECT_MARKET_ORDER", "SKIP_RESERVED_BALANCE_CHECKS"] | None = None
    self_trade_prevention: Literal["CANCEL_MAKER", "CANCEL_TAKER", "CANCEL_BOTH"] = "CANCEL_TAKER"
    amount: Number | None = None
    sent: dict[str, Any]
    """The signed order as it came, to be shown again."""

    def __post_init__(self) -> None:
        """ValueError for a number that fits in no word of the signed struct."""
        if any(type(value) is int and value >= 2**256 for value in msgspec.structs.astuple(self)):
            raise ValueError("numbers: must be below 2**256")

    @property
    def side(self) -> Side:
        """Which way it trades."""
        return Side.SELL if self.side_number else Side.BUY

    @property
    def market(self) -> bool:
        """Strategy MARKET, not LIMIT."""
        return self.strategy == "MARKET"

    @property
    def proof(self) -> bytes:
        """The signature."""
        return proofs.unhex(self.signature)

    @property
    def shares_wei(self) -> int:
        """The side of the deal that is shares, as signed."""
        return self.taker_amount if self.side is Side.BUY else self.maker_amount

    @property
    def cash_wei(self) -> int:
        """The side of the deal that is collateral, as signed."""
        return self.maker_amount if self.side is Side.BUY else self.taker_amount

    @property
    def in_cash(self) -> bool:
        """A market buy that names what to spend."""
        return self.market and self.is_min_amount_out and self.side is Side.BUY

    @property
    def skips_reserves(self) -> bool:
        """Whether it may take collateral that resting orders have promised."""
        return self.market and self.reserved_balance_policy == "SKIP_RESERVED_BALANCE_CHECKS"

    def digest(self, terms: Terms, chain_id: int) -> bytes:
        """The order's hash for this market's exchange."""
        exchange = proofs.EXCHANGES[chain_id][terms.neg_risk, terms.yield_bearing]
        addresses = (bytes.fromhex(text[2:]) for text in (self.maker, self.signer, self.taker))
        amounts = (self.token_id, self.maker_amount, self.taker_amount, self.expiration, self.nonce)
        kinds = (self.fee_rate_bps, self.side_number, self.signature_type)
        words: tuple[bytes | int, ...] = (self.salt, *addresses, *amounts, *kinds)
        return proofs.order_digest(chain_id, exchange, words)


def read_ticket(payload: Any) -> Ticket:
    """The body of POST /v1/orders; RefusedError names the first field that is missing or wrong.

    Unknown fields are ignored and numeric texts are taken for numbers, but not for `side` (section 4).
    """
    data = payload.get("data") if isinstance(payload, dict) else None
    order = data.get("order") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(order, dict) or type(order.get("side")) is not int:
        raise bad_request("data, data.order: must be objects; order.side: must be 0 or 1")
    sent = {name: order.get(name) for name in SIGNED}
    beside = {name: value for name, value in data.items() if name not in SIGNED and value is not None}
    try:
        proofs.unhex(sent["hash"], 32)
        proofs.unhex(sent["signature"])
        wallets = {name: proofs.address(sent[name]) for name in ("maker", "signer", "taker")}
        return msgspec.convert({**beside, **sent, **wallets, "sent": sent}, Ticket, strict=False)
    except ValueError as error:
        raise bad_request(str(error)) from None


def check_form(ticket: Ticket) -> None:
    """What can be said about an order without knowing its market and its maker."""
    if ticket.is_fill_or_kill and not ticket.market:
        raise not_created("fill_or_kill_not_supported", "Fill or kill is only supported for MARKET orders")
    if ticket.is_post_only and ticket.market:
        raise bad_request("isPostOnly: only for LIMIT orders")
    if ticket.signature_type or ticket.nonce or ticket.taker != ZERO_ADDRESS:
        raise bad_request("order.signatureType, order.nonce, order.taker: must be zero")
    if ticket.signer != ticket.maker:
        raise bad_request("order.signer: must be the maker")


def read_amounts(ticket: Ticket, terms: Terms) -> tuple[Price, Size, Cash | None]:
    """The limit, the shares and, for a market buy in cash, what it may spend; or RefusedError."""
    if ticket.price_per_share == 0:
        raise not_created("price_field_zero", "pricePerShare must be greater than 0")
    if ticket.price_per_share >= WEI:
        raise not_created("price_out_of_range", "The price must be between 0 and 1")
    price = _market_price(ticket, terms) if ticket.market else _limit_price(ticket, terms)
    size, cash = Size(ticket.shares_wei // STEP), None
    value = ticket.price_per_share * ticket.shares_wei // WEI
    if ticket.in_cash:
        cash, value = Cash(ticket.maker_amount // STEP), ticket.maker_amount
        bound = cash * ONE // terms.tick if ticket.amount is None else ticket.amount // STEP
        size = Size(bound)
    if value < ORDER_VALUE_MIN * STEP or size <= 0:
        raise not_created("min_order_value_not_met", "The order value must be at least 0.9 USD")
    return price, size, cash


def _limit_price(ticket: Ticket, terms: Terms) -> Price:
    if ticket.price_per_share % (terms.tick * STEP):
        text = f"The price has more than {terms.precision} decimals"
        raise not_created("invalid_decimal_value", text)
    if ticket.cash_wei != ticket.price_per_share * ticket.shares_wei // WEI:
        raise bad_request("pricePerShare: does not match makerAmount and takerAmount")
    return Price(ticket.price_per_share // STEP)


def _market_price(ticket: Ticket, terms: Terms) -> Price:
    """The worst price the signed amounts allow, on the grid. They are whole wei: up to two were cut off."""
    if ticket.slippage_bps is not None and not _slippage_fits(ticket, terms, ticket.slippage_bps):
        raise bad_request("slippageBps: does not match makerAmount and takerAmount")
    shares, most = ticket.shares_wei, ONE - terms.tick
    if not shares or ticket.cash_wei > shares:
        raise not_created("price_out_of_range", "The price must be between 0 and 1")
    slack = WEI // shares + 1
    exact = ticket.cash_wei * WEI // shares
    if ticket.side is Side.BUY:
        price = floor_to(down(exact + slack, STEP), terms.tick)
    else:
        price = ceil_to(up(max(0, exact - slack), STEP), terms.tick)
    if ticket.side is Side.BUY and price <= 0:
        raise not_created("price_out_of_range", "The price must be between 0 and 1")
    return Price(min(max(price, terms.tick), most))


def _slippage_fits(ticket: Ticket, terms: Terms, bps: int) -> bool:
    """Whether the price before slippage was one of the grid (section 8), up to the wei that were cut off."""
    cash, shares = ticket.cash_wei, ticket.shares_wei
    if bps == 0 or not shares or not cash or ticket.cash_wei == shares:
        return bps < BPS
    if ticket.in_cash or ticket.side is Side.SELL:
        kept = BPS - bps
        before = (
            cash * kept * WEI // (shares * BPS) if ticket.in_cash else cash * BPS * WEI // (shares * kept)
        )
    else:
        before = cash * BPS * WEI // (shares * (BPS + bps))
    unit = terms.tick * STEP
    off = min(before % unit, -before % unit)
    return off <= 4 * (WEI // min(cash, shares) + 1)
