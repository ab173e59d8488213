"""What the simulated venue checks before it believes an order: signatures, wallets, amounts and fees.

Written from the card alone (sections 2, 4 and 5). It shares no code with the client side but
the arithmetic of EIP-712, so that each side finds the other's mistakes.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import coincurve

from venues.base.orders import Side, TimeInForce
from venues.base.units import ONE, Cash, Price, Size, down, floor_to, plain
from venues.kit.eip712 import checksummed, create2, digest, domain_separator, keccak, padded, unhex, word
from venues.sim.model import Market

NAME = "Polymarket CTF Exchange"
EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3 = {
    137: "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
    80002: "0x9fE6e61422AdB6F610d8597F9684b16912D50C3D",
}
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
WRAPPED_TYPE = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    b"address verifyingContract,bytes32 salt)" + ORDER_TYPE
)
LOGIN_TYPE = b"ClobAuth(address address,string timestamp,uint256 nonce,string message)"
LOGIN_TEXT = b"This message attests that I control the given wallet"
HALF_CURVE = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""A signature with a larger s is refused on chain: the same order must not have two signatures."""
SALT_MAX = 2**53 - 1
WORD_DIGITS = 78
"""Of the largest number of the signed struct, 2**256 - 1."""
CENT = 10_000
FEE_STEP = 10
"""Fees are charged in whole hundred-thousandths of a dollar (section 4)."""
EXPIRY_AHEAD_S = 180
EXPIRY_EARLY_S = 60
"""A GTD order names a time at least this far ahead, and ends this much before it (section 5.5)."""
LIFETIMES = {
    "FAK": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTC": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
}
TICKS = (100_000, 10_000, 5_000, 2_500, 1_000, 100)

PROXY_FACTORY = "aB45c5A4B0c941a2F231C04C3f49182e1A254052"
SAFE_FACTORY = "aacFeEa03eb1561C4e67d661e40682Bd20E3541b"
DEPOSIT_FACTORY = "00000000000Fb5C9ADea0298D729A0CB3823Cc07"
PROXY_CODE = bytes.fromhex(
    "3d3d606380380380913d393d73" + PROXY_FACTORY + "5af4602a57600080fd5b602d8060366000396000f3"
    "363d3d373d3d3d363d7344e999d5c2f66ef0861317f9a4805ac2e90aeb4f5af43d82803e903d91602b57fd5bf352e831dd"
    + f"{32:064x}{0:064x}"
)
SAFE_CODE_HASH = bytes.fromhex("2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf")
BEACON_CODE = bytes.fromhex(
    "6100923d8160233d39737a18edfe055488a3128f01f563e5b479d92ffc3a60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)


class RefusedError(Exception):
    """The venue says no: an HTTP status and the text of section 9."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(slots=True)
class Terms:
    """What the venue knows about one of its markets beyond its book."""

    market: Market
    title: str
    tick: int
    neg_risk: bool
    fee_rate: int
    """Millionths."""
    fee_exponent: int
    minimum: int
    """Smallest resting order in millionths of a share."""
    delay_ms: int
    """How long a marketable order is held before it matches."""
    last: Price | None = None
    """Of the latest trade, in the terms of the first outcome."""
    winner: int | None = None
    top: tuple[str, str] = ("0", "1")

    @property
    def amount_unit(self) -> int:
        """The finest step of a computed amount: two decimals more than prices have."""
        decimals = len(plain(self.tick).partition(".")[2])
        return int(10 ** (4 - decimals))

    def fee(self, price: Price, size: Size) -> Cash:
        """What a taker pays for one fill, rounded down to five decimals."""
        power = int((price * (ONE - price)) ** self.fee_exponent)
        exact = down(size * self.fee_rate * power, int(ONE ** (1 + 2 * self.fee_exponent)))
        return Cash(floor_to(exact, FEE_STEP))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A signed order as it came over the wire, field for field, with numbers read."""

    salt: int
    maker: str
    signer: str
    token: str
    maker_amount: int
    taker_amount: int
    side: Side
    signature_type: int
    timestamp: int
    metadata: bytes
    builder: bytes
    signature: bytes
    expiration: int
    owner: str
    lifetime: str
    post_only: bool

    @property
    def shares(self) -> Size:
        """The side of the deal that is shares."""
        return Size(self.taker_amount if self.side is Side.BUY else self.maker_amount)

    @property
    def cash(self) -> Cash:
        """The side of the deal that is money."""
        return Cash(self.maker_amount if self.side is Side.BUY else self.taker_amount)


def read_ticket(payload: Any) -> Ticket:
    """One object of POST /order. RefusedError when a field is missing or of a wrong type (section 5.5)."""
    try:
        order = payload["order"]
        ticket = Ticket(
            salt=_number(order["salt"]),
            maker=_hex(order["maker"], 20),
            signer=_hex(order["signer"], 20),
            token=str(_digits(order["tokenId"])),
            maker_amount=_digits(order["makerAmount"]),
            taker_amount=_digits(order["takerAmount"]),
            side={"BUY": Side.BUY, "SELL": Side.SELL}[order["side"]],
            signature_type=_number(order["signatureType"]),
            timestamp=_digits(order["timestamp"]),
            metadata=bytes.fromhex(_hex(order["metadata"], 32)[2:]),
            builder=bytes.fromhex(_hex(order["builder"], 32)[2:]),
            signature=bytes.fromhex(_hex(order["signature"], None)[2:]),
            expiration=_digits(order["expiration"]),
            owner=str(payload["owner"]),
            lifetime=str(payload["orderType"]),
            post_only=payload.get("postOnly", False) is True,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise RefusedError(400, "Invalid order payload") from None
    if not 0 <= ticket.salt <= SALT_MAX or ticket.lifetime not in LIFETIMES:
        raise RefusedError(400, "Invalid order payload")
    return ticket


def read_amounts(ticket: Ticket, terms: Terms, now_ms: int) -> tuple[Price, Cash | None]:
    """Its price on the grid and, for a buy denominated in cash, what it may spend; or RefusedError."""
    given, wanted = ticket.maker_amount, ticket.taker_amount
    at_once = ticket.lifetime in ("FAK", "FOK")
    if given <= 0 or wanted <= 0:
        raise RefusedError(400, "invalid amounts, maker and taker amount have to be positive")
    if at_once and (given % CENT or wanted % terms.amount_unit):
        decimals = len(plain(terms.amount_unit).partition(".")[2])
        side = ticket.side.value
        text = f"the market {side} orders maker amount supports a max accuracy of 2 decimals"
        raise RefusedError(400, f"invalid amounts, {text}, taker amount a max of {decimals} decimals")
    price = _grid_price(ticket, terms)
    if not at_once and ticket.shares < terms.minimum:
        size, least = plain(ticket.shares), plain(terms.minimum)
        raise RefusedError(400, f"invalid order. Size ({size}) lower than the minimum: {least}")
    if ticket.post_only and at_once:
        raise RefusedError(400, "invalid post-only order: only GTC and GTD orders can be post-only")
    soon = down(now_ms, 1_000) + EXPIRY_AHEAD_S
    if ticket.expiration < soon if ticket.lifetime == "GTD" else ticket.expiration != 0:
        raise RefusedError(400, "invalid expiration")
    return price, Cash(given) if at_once and ticket.side is Side.BUY else None


def _grid_price(ticket: Ticket, terms: Terms) -> Price:
    """The price the amounts were made from. A share amount may have been cut by less than two steps."""
    exact, shares = ticket.cash * ONE, ticket.shares
    price = floor_to(down(exact, shares), terms.tick)
    honest = exact == price * shares
    if not honest and ticket.side is Side.BUY and price > 0:
        coarser = [unit for unit in (1, 10, 100, 1_000) if unit >= terms.amount_unit]
        cut = any(0 <= floor_to(down(exact, price), u) - shares < 2 * u for u in coarser)
        honest = cut and shares % terms.amount_unit == 0
    if not honest or not terms.tick <= price <= ONE - terms.tick:
        shown = plain(down(exact, shares))
        raise RefusedError(
            400, f"invalid order. Price ({shown}) breaks minimum tick size rule: {plain(terms.tick)}"
        )
    return Price(price)


def order_hash(ticket: Ticket, terms: Terms, chain_id: int) -> bytes:
    """The order's id: its EIP-712 digest in the exchange's domain."""
    return digest(order_domain(ticket, terms, chain_id), order_struct(ticket))


def order_domain(ticket: Ticket, terms: Terms, chain_id: int) -> bytes:
    """Separator of the domain this asset must be signed for (section 5.3)."""
    version, contract = "2", NEG_RISK_EXCHANGE if terms.neg_risk else EXCHANGE
    if protocol_v2(ticket.token):
        version, contract = "3", EXCHANGE_V3[chain_id]
    return domain_separator(NAME, version, chain_id, unhex(contract, 20))


def protocol_v2(token: str) -> bool:
    """Whether the asset id is a position of Exchange V3."""
    return int(token) & (((1 << 64) - 1) << 40) == 0


def order_struct(ticket: Ticket) -> bytes:
    """Hash of the signed struct."""
    side = 0 if ticket.side is Side.BUY else 1
    numbers = (int(ticket.token), ticket.maker_amount, ticket.taker_amount, side, ticket.signature_type)
    return keccak(
        keccak(ORDER_TYPE)
        + word(ticket.salt)
        + _padded(ticket.maker)
        + _padded(ticket.signer)
        + b"".join(word(number) for number in (*numbers, ticket.timestamp))
        + ticket.metadata
        + ticket.builder
    )


def order_signer(ticket: Ticket, terms: Terms, chain_id: int) -> str | None:
    """Who signed it, whatever it says; None when the signature is not one."""
    domain, struct = order_domain(ticket, terms, chain_id), order_struct(ticket)
    if ticket.signature_type != 3:
        return recover(digest(domain, struct), ticket.signature)
    wallet = keccak(b"DepositWallet") + keccak(b"1") + word(chain_id) + _padded(ticket.signer) + word(0)
    tail = domain + struct + ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")
    if ticket.signature[65:] != tail:
        return None
    return recover(digest(domain, keccak(keccak(WRAPPED_TYPE) + struct + wallet)), ticket.signature[:65])


def login_signer(address: str, timestamp: str, nonce: int, *, chain_id: int, signature: str) -> str | None:
    """Who signed the L1 headers; None when the signature is not one."""
    try:
        words = (_padded(_hex(address, 20)), keccak(timestamp.encode()), word(nonce), keccak(LOGIN_TEXT))
        proof = bytes.fromhex(_hex(signature, 65)[2:])
    except (ValueError, TypeError, OverflowError):
        return None
    domain = domain_separator("ClobAuthDomain", "1", chain_id)
    return recover(digest(domain, keccak(keccak(LOGIN_TYPE) + b"".join(words))), proof)


def request_signature(secret: str, timestamp: str, request: bytes) -> str:
    """The L2 signature over timestamp, method, path and body."""
    key = base64.urlsafe_b64decode(secret)
    return base64.urlsafe_b64encode(hmac.digest(key, timestamp.encode() + request, hashlib.sha256)).decode()


def wallet_of(address: str, signature_type: int) -> str:
    """The wallet that this key owns under a signature type: itself, proxy, Safe, deposit wallet (CREATE2)."""
    owner = unhex(address, 20)
    arguments = _padded(DEPOSIT_FACTORY) + padded(owner)
    factory, salt, code_hash = {
        0: ("", b"", b""),
        1: (PROXY_FACTORY, keccak(owner), keccak(PROXY_CODE)),
        2: (SAFE_FACTORY, keccak(padded(owner)), SAFE_CODE_HASH),
        3: (DEPOSIT_FACTORY, keccak(arguments), keccak(BEACON_CODE + arguments)),
    }[signature_type]
    return checksummed(create2(unhex(factory, 20), salt, code_hash)) if factory else address


def address_of(key: coincurve.PublicKey) -> str:
    """The checksummed address of a public key."""
    return checksummed(keccak(key.format(compressed=False)[1:])[12:])


def recover(hashed: bytes, signature: bytes) -> str | None:
    """The address whose key made this 65-byte signature (r, s, v with v 27 or 28)."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > HALF_CURVE:
        return None
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        return address_of(coincurve.PublicKey.from_signature_and_message(compact, hashed, hasher=None))
    except ValueError:
        return None


def _padded(address: str) -> bytes:
    return padded(unhex(address, 20))


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**256:
        raise TypeError(value)
    return value


def _digits(value: Any) -> int:
    if type(value) is not str or not (value.isascii() and value.isdecimal() and len(value) <= WORD_DIGITS):
        raise TypeError(value)
    return _number(int(value))


def _hex(value: Any, size: int | None) -> str:
    """0x-prefixed hexadecimal text of this many bytes, as it came."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise TypeError(value)
    if size is not None and len(value) != 2 + 2 * size:
        raise ValueError(value)
    bytes.fromhex(value[2:])
    return value
