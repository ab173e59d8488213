"""What the simulated venue checks before it believes a call or an order: proofs, amounts and fees.

Written from the card alone (sections 2, 4, 6 and 7); it shares no code with the client side, so that each
side finds the other's mistakes.
"""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import msgspec

from venues.base.orders import Charge, Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, down
from venues.kit.ctf_order import CtfOrder, struct_hash
from venues.kit.eip712 import checksummed, digest, domain_separator, unhex
from venues.sim.model import Market, SimOrder, notional
from venues.sim.wallet import signed_by

CHAIN_ID = 8453
TICK = 1_000
"""Prices are multiples of 0.001, sizes multiples of 0.001 shares (card 3)."""
BPS = 10_000
DEFAULT_FEE_BPS = 300
RECV_WINDOW_MS = 5_000
"""For a request that names a timestamp only; the longest is twice that."""
CLIENT_ID_CHARS_MAX = 128
NUMBER_MAX = 2**53 - 1
"""A larger JSON number has lost digits when a JavaScript venue reads it; as text it is welcome."""
UINT_MAX = 2**256 - 1
EOA = 0
ZERO_ADDRESS = "0x" + "0" * 40
DOMAIN_NAME = "Limitless CTF Exchange"
LIFETIMES = {"GTC": TimeInForce.GTC, "FAK": TimeInForce.IOC, "FOK": TimeInForce.FOK}
STP_POLICIES = ("cancel_maker", "cancel_taker", "cancel_both")

Curve = tuple[tuple[int, int], ...]
"""Price in millionths and rate in bps, ascending; between two points the rate is on the line between them,
beyond the ends it is that of the end."""
BUY_BPS: Curve = (
    (500_000, 300), (550_000, 252), (600_000, 213), (650_000, 180), (700_000, 151), (750_000, 126),
    (800_000, 105), (850_000, 85), (900_000, 68), (950_000, 53), (990_000, 42), (999_000, 40),
)  # fmt: skip
SELL_BPS: Curve = (
    (10_000, 42), (50_000, 60), (100_000, 78), (200_000, 111), (300_000, 132), (400_000, 144), (500_000, 150),
    (600_000, 144), (700_000, 132), (800_000, 111), (900_000, 78), (950_000, 60), (990_000, 45),
    (999_000, 42),
)  # fmt: skip


class RefusedError(Exception):
    """The venue says no: an HTTP status, the text and, where it has one, the code of section 7."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code


@dataclass(slots=True)
class Terms:
    """What the venue knows about one of its markets beyond its book."""

    market: Market
    number: int
    title: str
    tokens: tuple[str, str]
    condition: str
    exchange: str
    """The contract that orders are signed for, checksummed."""
    adapter: str | None
    """Of NegRisk markets."""
    fee_module: str | None
    """Of markets whose fee is paid in USDC on top."""
    group: str | None
    delay_ms: int
    minimum: int
    """Smallest notional of an order, in millionths; 0 for none."""
    amm: bool
    expires_ms: int
    winner: int | None = None
    last: Price | None = None
    """Of the latest trade, in YES terms."""

    @property
    def slug(self) -> str:
        """The name of the market and of its book."""
        return self.market.market_id

    @property
    def status(self) -> str:
        """In the words of section 3."""
        if self.winner is not None:
            return "RESOLVED"
        return "FUNDED" if self.market.trading else "LOCKED"

    def charge(self, order: SimOrder, fills: list[tuple[Price, Size]], at_limit: bool) -> Charge:
        """What a taker pays for these fills together: one rate for all, from their average price."""
        gross = sum(size for _, size in fills)
        value = sum(notional(order.side, price, size) for price, size in fills)
        if not gross:
            return Charge()
        over, under = (order.price * gross, gross) if at_limit else (value * ONE, gross)
        rate, scale = rate_at(BUY_BPS if order.side is Side.BUY else SELL_BPS, over, under)
        if order.side is Side.BUY and self.fee_module is None:
            return Charge(shares=Size(down(gross * rate, BPS * scale)))
        return Charge(Cash(down(value * rate, BPS * scale)))


def rate_at(curve: Curve, over: int, under: int) -> tuple[int, int]:
    """The rate in bps at the price over/under (millionths), exactly, as a fraction."""
    if over <= curve[0][0] * under:
        return curve[0][1], 1
    for (low, low_bps), (high, high_bps) in pairwise(curve):
        if over <= high * under:
            width = (high - low) * under
            return low_bps * width + (high_bps - low_bps) * (over - low * under), width
    return curve[-1][1], 1


# --- orders ---

Count = int | str
"""The clients send whole numbers as JSON numbers or as digits."""


class SignedOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The `order` of POST /orders, field for field."""

    salt: Count
    maker: str
    signer: str
    taker: str = ZERO_ADDRESS
    token_id: str
    maker_amount: Count
    taker_amount: Count
    expiration: Count = 0
    nonce: Count = 0
    fee_rate_bps: int
    side: int
    signature_type: int
    price: Decimal | None = None
    signature: str


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of POST /orders."""

    order: SignedOrder
    owner_id: int
    order_type: str
    market_slug: str
    post_only: bool | None = None
    client_order_id: str | None = None
    on_behalf_of: int | None = None
    timestamp: int | None = None
    recv_window: int | None = None
    stp_policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as the venue has read it."""

    body: NewOrder
    side: Side
    lifetime: TimeInForce
    given: int
    wanted: int
    price: Price
    size: Size
    cash: Cash | None
    """What an all-or-nothing buy spends."""
    post_only: bool
    hash: bytes = field(repr=False)
    """The EIP-712 digest: what is signed, and the name the venue knows the order by (section 7)."""

    @property
    def client_id(self) -> str:
        """ "" where the client named none."""
        return self.body.client_order_id or ""


def read_ticket(body: NewOrder, terms: Terms) -> Ticket:
    """The order in the venue's terms. RefusedError 400 names the field and the rule (sections 4 and 6)."""
    order = body.order
    _check(order.expiration in (0, "0") and order.nonce in (0, "0"), "expiration and nonce must be 0")
    _check(order.side in (0, 1), "side must be 0 or 1")
    _check(order.signature_type == EOA, "signatureType does not match the wallet")
    _check(order.taker == ZERO_ADDRESS, "taker must be the zero address")
    _check(body.order_type in LIFETIMES, f"orderType must be one of {sorted(LIFETIMES)}")
    _check(len(body.client_order_id or "x") <= CLIENT_ID_CHARS_MAX, "clientOrderId is too long")
    _check(body.stp_policy in (None, *STP_POLICIES), f"stpPolicy must be one of {list(STP_POLICIES)}")
    _check(isinstance(order.salt, str) or order.salt <= NUMBER_MAX, "salt must be a safe integer or text")
    given, wanted = count("makerAmount", order.maker_amount), count("takerAmount", order.taker_amount)
    _check(given > 0 and wanted > 0, "makerAmount and takerAmount must be positive")
    lifetime = LIFETIMES[body.order_type]
    _check(not body.post_only or body.order_type == "GTC", "postOnly is for GTC orders only")
    side = Side.BUY if order.side == 0 else Side.SELL
    if lifetime is TimeInForce.FOK:
        price, size, cash = _whole(order, side, given, wanted)
    else:
        price, size = _priced(order, side, given, wanted)
        cash = None
    return Ticket(
        body=body, side=side, lifetime=lifetime, given=given, wanted=wanted, price=price, size=size,
        cash=cash, post_only=bool(body.post_only), hash=order_hash(order, terms.exchange),
    )  # fmt: skip


def _priced(order: SignedOrder, side: Side, given: int, wanted: int) -> tuple[Price, Size]:
    """Price and size of a GTC or FAK order, from its amounts; its `price` must say the same."""
    size, cash = (wanted, given) if side is Side.BUY else (given, wanted)
    _check(size % TICK == 0, "amounts: the shares must be a multiple of 1000")
    price, rest = divmod(cash * ONE, size)
    _check(not rest and price % TICK == 0 and 0 < price < ONE, "price must be a multiple of 0.001 below 1")
    _check(order.price is not None and order.price * ONE == price, "price does not match the amounts")
    return Price(price), Size(size)


def _whole(order: SignedOrder, side: Side, given: int, wanted: int) -> tuple[Price, Size, Cash | None]:
    """An all-or-nothing order has no price: makerAmount is money to spend, or shares to sell."""
    _check(wanted == 1, "takerAmount must be 1 for FOK orders")
    _check(order.price is None, "price is not allowed for FOK orders")
    if side is Side.BUY:
        return Price(ONE - TICK), Size(down(given * ONE, TICK)), Cash(given)
    _check(given % TICK == 0, "amounts: the shares must be a multiple of 1000")
    return Price(TICK), Size(given), None


def count(name: str, value: Count) -> int:
    """A whole number in either form, or the venue's 400."""
    if isinstance(value, str):
        _check(
            value.isascii() and value.isdecimal() and len(value) <= len(str(UINT_MAX)), f"{name}: no number"
        )
        value = int(value)
    _check(0 <= value <= UINT_MAX, f"{name} is out of range")
    return value


def _check(holds: bool, text: str) -> None:
    if not holds:
        raise RefusedError(400, text)


# --- proofs ---


def order_hash(order: SignedOrder, exchange: str) -> bytes:
    """The EIP-712 digest of the order in the domain of its market's exchange; RefusedError if it has none."""
    signed = CtfOrder(
        salt=count("salt", order.salt),
        maker=_address("maker", order.maker),
        signer=_address("signer", order.signer),
        token_id=count("tokenId", order.token_id),
        maker_amount=count("makerAmount", order.maker_amount),
        taker_amount=count("takerAmount", order.taker_amount),
        fee_rate_bps=count("feeRateBps", order.fee_rate_bps),
        side=order.side,
    )
    separator = domain_separator(DOMAIN_NAME, "1", CHAIN_ID, unhex(exchange, 20))
    return digest(separator, struct_hash(signed))


def _address(name: str, text: str) -> bytes:
    """A checksummed address (section 6)."""
    try:
        raw = unhex(text, 20)
    except ValueError:
        raise RefusedError(400, f"{name} must be an Ethereum address") from None
    _check(checksummed(raw) == text, f"{name} must be a checksummed address")
    return raw


def signer_of(ticket: Ticket) -> str | None:
    """The address of the wallet that signed; None when the signature is not one."""
    try:
        signer = signed_by(ticket.hash, unhex(ticket.body.order.signature, 65))
    except ValueError:
        return None
    return checksummed(signer) if signer else None


def request_signature(secret: bytes, stamp: str, target: str, body: bytes) -> str:
    """The HMAC of a request; `target` is "METHOD\\npath?query" (section 2)."""
    message = f"{stamp}\n{target}\n".encode() + body
    return b64encode(hmac.digest(secret, message, hashlib.sha256)).decode()
