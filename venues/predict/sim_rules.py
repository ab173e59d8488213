"""What the simulated venue demands of an order, in the card's words and order (sections 4, 5, 6, 8 and 9).

Written from the card alone. It shares no code with the client side.
"""

from dataclasses import dataclass
from typing import Any

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
NUMBER_DIGITS = 78
"""Of the largest number of the signed struct, 2**256 - 1."""
POLICIES = ("REJECT_MARKET_ORDER", "SKIP_RESERVED_BALANCE_CHECKS")
PREVENTIONS = ("CANCEL_MAKER", "CANCEL_TAKER", "CANCEL_BOTH")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A signed order and what came with it, field for field, with numbers read. Amounts are in wei."""

    claimed_hash: bytes
    salt: int
    maker: str
    signer: str
    taker: str
    token: str
    maker_amount: int
    taker_amount: int
    expiration_s: int
    nonce: int
    fee_bps: int
    side: Side
    signature_type: int
    signature: bytes
    price_wei: int
    market: bool
    """Strategy MARKET, not LIMIT."""
    slippage_bps: int | None
    fill_or_kill: bool
    min_amount_out: bool
    post_only: bool
    policy: str
    prevention: str
    amount: int | None

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
        return self.market and self.min_amount_out and self.side is Side.BUY

    @property
    def skips_reserves(self) -> bool:
        """Whether it may take collateral that resting orders have promised."""
        return self.market and self.policy == POLICIES[1]

    def digest(self, terms: Terms, chain_id: int) -> bytes:
        """The order's hash in the domain of this market's exchange."""
        domain = proofs.order_domain(chain_id, neg_risk=terms.neg_risk, yield_bearing=terms.yield_bearing)
        numbers = (int(self.token), self.maker_amount, self.taker_amount, self.expiration_s, self.nonce)
        side = 0 if self.side is Side.BUY else 1
        addresses = (self.maker, self.signer, self.taker)
        struct = proofs.order_struct(
            addresses, self.salt, (*numbers, self.fee_bps, side, self.signature_type)
        )
        return proofs.typed_digest(domain, struct)


def read_ticket(payload: Any) -> Ticket:
    """The body of POST /v1/orders; RefusedError names the first field that is missing or wrong.

    Unknown fields are ignored and numeric texts are taken for numbers, but not for `side` (section 4).
    """
    data = _field(payload, "data", dict)
    order = _field(data, "order", dict)
    side = order.get("side")
    if type(side) is not int or side not in (0, 1):
        raise bad_request("order.side: must be 0 or 1")
    strategy = data.get("strategy")
    if strategy not in ("LIMIT", "MARKET"):
        raise bad_request("strategy: must be LIMIT or MARKET")
    return Ticket(
        claimed_hash=_bytes(order, "hash", 32),
        **{name: _address(order, name) for name in ("maker", "signer", "taker")},
        salt=_number(order, "salt"),
        token=str(_number(order, "tokenId")),
        maker_amount=_number(order, "makerAmount"),
        taker_amount=_number(order, "takerAmount"),
        expiration_s=_number(order, "expiration"),
        nonce=_number(order, "nonce"),
        fee_bps=_number(order, "feeRateBps"),
        side=Side.SELL if side else Side.BUY,
        signature_type=_number(order, "signatureType"),
        signature=_bytes(order, "signature", None),
        price_wei=_number(data, "pricePerShare"),
        market=strategy == "MARKET",
        slippage_bps=None if data.get("slippageBps") is None else _number(data, "slippageBps"),
        fill_or_kill=_flag(data, "isFillOrKill"),
        min_amount_out=_flag(data, "isMinAmountOut"),
        post_only=_flag(data, "isPostOnly"),
        policy=_word(data, "reservedBalancePolicy", POLICIES, POLICIES[0]),
        prevention=_word(data, "selfTradePrevention", PREVENTIONS, PREVENTIONS[1]),
        amount=None if data.get("amount") is None else _number(data, "amount"),
    )


def check_form(ticket: Ticket) -> None:
    """What can be said about an order without knowing its market and its maker."""
    if ticket.fill_or_kill and not ticket.market:
        raise not_created("fill_or_kill_not_supported", "Fill or kill is only supported for MARKET orders")
    if ticket.post_only and ticket.market:
        raise bad_request("isPostOnly: only for LIMIT orders")
    if ticket.signature_type or ticket.nonce or ticket.taker != ZERO_ADDRESS:
        raise bad_request("order.signatureType, order.nonce, order.taker: must be zero")
    if ticket.signer != ticket.maker:
        raise bad_request("order.signer: must be the maker")


def read_amounts(ticket: Ticket, terms: Terms) -> tuple[Price, Size, Cash | None]:
    """The limit, the shares and, for a market buy in cash, what it may spend; or RefusedError."""
    if ticket.price_wei == 0:
        raise not_created("price_field_zero", "pricePerShare must be greater than 0")
    if ticket.price_wei >= WEI:
        raise not_created("price_out_of_range", "The price must be between 0 and 1")
    price = _market_price(ticket, terms) if ticket.market else _limit_price(ticket, terms)
    size, cash = Size(ticket.shares_wei // STEP), None
    value = ticket.price_wei * ticket.shares_wei // WEI
    if ticket.in_cash:
        cash, value = Cash(ticket.maker_amount // STEP), ticket.maker_amount
        bound = cash * ONE // terms.tick if ticket.amount is None else ticket.amount // STEP
        size = Size(bound)
    if value < ORDER_VALUE_MIN * STEP or size <= 0:
        raise not_created("min_order_value_not_met", "The order value must be at least 0.9 USD")
    return price, size, cash


def _limit_price(ticket: Ticket, terms: Terms) -> Price:
    if ticket.price_wei % (terms.tick * STEP):
        text = f"The price has more than {terms.precision} decimals"
        raise not_created("invalid_decimal_value", text)
    if ticket.cash_wei != ticket.price_wei * ticket.shares_wei // WEI:
        raise bad_request("pricePerShare: does not match makerAmount and takerAmount")
    return Price(ticket.price_wei // STEP)


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


def _field(values: Any, name: str, kind: type) -> Any:
    if not isinstance(values, dict) or not isinstance(values.get(name), kind):
        raise bad_request(f"{name}: must be an object")
    return values[name]


def _number(values: dict[str, Any], name: str) -> int:
    """A whole number, also as text."""
    value = values.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= NUMBER_DIGITS:
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**256:
        raise bad_request(f"{name}: must be a whole number")
    return value


def _bytes(values: dict[str, Any], name: str, size: int | None) -> bytes:
    try:
        return proofs.unhex(values.get(name), size)
    except ValueError as error:
        raise bad_request(f"order.{name}: {error}") from None


def _address(values: dict[str, Any], name: str) -> str:
    return proofs.checksummed(_bytes(values, name, 20))


def _flag(values: dict[str, Any], name: str) -> bool:
    value = values.get(name)
    if value is not None and type(value) is not bool:
        raise bad_request(f"{name}: must be true or false")
    return bool(value)


def _word(values: dict[str, Any], name: str, words: tuple[str, ...], default: str) -> str:
    value = values.get(name)
    if value is None:
        return default
    if value not in words:
        raise bad_request(f"{name}: one of {', '.join(words)}")
    return str(value)
