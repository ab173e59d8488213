"""What the simulated venue checks before it believes an order: its form, its signature, its amounts.

Written from the card alone (sections 2, 3, 4, 5 and 9). It shares nothing with the client side but the
arithmetic of `venues.kit.eip712`, so that each side finds the other's mistakes.
"""

from dataclasses import dataclass
from typing import Any

import coincurve
import msgspec

from venues.base.orders import Side
from venues.base.units import ONE, Cash, Price, Size, down, micros, plain
from venues.kit.eip712 import checksummed, digest, domain_separator, keccak, padded, word

CHAIN_ID = 56
EXCHANGE = "0x5F45344126D6488025B0b84A3A8189F2487a7246"
USDT = "0x55d398326f99059fF775485246999027B3197955"
CONDITIONAL_TOKENS = "0xAD1a38cEc043e70E83a3eC30443dB285ED10D774"
FEE_MANAGER = "0xC9063Dc52dEEfb518E5b6634A6b8D624bc5d7c36"
ZERO_ADDRESS = "0x" + "00" * 20
DOMAIN_NAME = "OPINION CTF Exchange"
KEY_DOMAIN_NAME = "Opinion OpenAPI"
ORDER_TYPE = (
    b"Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,"
    b"uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)"
)
KEY_TYPE = b"OpinionApiKeyAuth(address walletAddress,string action,string timestamp)"
DECIMALS = 18
WEI = 10**12
"""Base units of money and of shares, both with 18 decimals, in a millionth."""
GNOSIS_SAFE = 2
MARKET, LIMIT = 1, 2
"""Values of `tradingMethod`."""
WORD_DIGITS = 78
"""Of the largest number of the signed struct, 2**256 - 1."""
PRICE_CHARS_MAX = 32
HALF_CURVE = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""A signature with a larger s is refused on chain: the same order must not have two signatures."""
ECDSA_BYTES = 65

UNKNOWN_MARKET = 10200
NOT_ENOUGH_DEPTH = 10605
UNKNOWN_ORDER = 10607
POST_ONLY_MARKET = 10610
WRONG_KEY = 11002
WALLET_NOT_REGISTERED, KEY_EXISTS, NO_KEY = 11005, 11009, 11010
BAD_SIGNATURE, SIGNATURE_EXPIRED, SIGNATURE_USED = 11011, 11012, 11013
UNPUBLISHED = 10999
"""Stands for the codes that the venue has and does not publish: no client may depend on the number."""
NO_FUNDS = "insufficient token balance"
TOO_SMALL = "order value is below the minimum value"
NOT_THE_SAFE = "maker is not the wallet's current multi-signature wallet"


class RefusedError(Exception):
    """The venue says no, in a well-formed envelope under HTTP 200 (section 4)."""

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(text)
        self.errno = errno
        self.text = text


class OrderBody(msgspec.Struct, frozen=True, rename="camel"):
    """POST /order, field for field (section 9)."""

    topic_id: int
    trading_method: int
    timestamp: int
    salt: str
    token_id: str
    maker_amount: str
    taker_amount: str
    expiration: str
    nonce: str
    fee_rate_bps: str
    side: str
    signature_type: str
    maker: str
    signer: str
    taker: str
    signature: str
    sign: str
    contract_address: str
    currency_address: str
    price: str
    safe_rate: str
    order_exp_time: str
    post_only: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A signed order with its numbers read. Amounts are base units with 18 decimals."""

    market_id: int
    by_market: bool
    """Whether it takes whatever price there is."""
    salt: int
    maker: str
    signer: str
    token: str
    maker_amount: int
    taker_amount: int
    side: Side
    price: Price | None
    """Of a limit order."""
    price_text: str
    signature: bytes
    currency: str
    post_only: bool

    @property
    def shares_wei(self) -> int:
        """Shares it names; 0 for a market buy."""
        return self._wanted if self.side is Side.BUY else self.maker_amount

    @property
    def cash_wei(self) -> int:
        """Money it names; 0 for a market sell."""
        return self.maker_amount if self.side is Side.BUY else self._wanted

    @property
    def _wanted(self) -> int:
        """What a market order names here, from a reference price or 0, binds nobody (section 9)."""
        return 0 if self.by_market else self.taker_amount

    @property
    def shares(self) -> Size:
        """Shares in whole millionths; what is finer is not traded."""
        return Size(down(self.shares_wei, WEI))

    @property
    def cash(self) -> Cash:
        """Money in whole millionths, never more than was signed."""
        return Cash(down(self.cash_wei, WEI))


def invalid(field: str, rule: str) -> RefusedError:
    """A field breaks a rule of the venue's."""
    return RefusedError(UNPUBLISHED, f"invalid params: {field}: {rule}")


def read_ticket(body: bytes) -> Ticket:
    """The body of POST /order; `RefusedError` when a field is missing, of a wrong type, or not as fixed."""
    try:
        order = msgspec.json.decode(body, type=OrderBody)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RefusedError(UNPUBLISHED, f"invalid params: {error}") from None
    fixed = {
        "expiration": (order.expiration, "0"),
        "nonce": (order.nonce, "0"),
        "feeRateBps": (order.fee_rate_bps, "0"),
        "signatureType": (order.signature_type, str(GNOSIS_SAFE)),
        "orderExpTime": (order.order_exp_time, "0"),
        "taker": (order.taker.lower(), ZERO_ADDRESS),
    }
    for field, (given, value) in fixed.items():
        if given != value:
            raise invalid(field, f"must be {value}")
    if order.trading_method not in (MARKET, LIMIT):
        raise invalid("tradingMethod", "1 or 2")
    if order.side not in ("0", "1"):
        raise invalid("side", "0 or 1")
    signature = _hex("signature", order.signature, ECDSA_BYTES)
    if order.sign not in (order.signature, order.signature[2:66]):
        raise invalid("sign", "must repeat the signature")
    by_market = order.trading_method == MARKET
    if by_market and order.post_only:
        raise RefusedError(POST_ONLY_MARKET, "postOnly is only supported for limit orders")
    return Ticket(
        market_id=order.topic_id,
        by_market=by_market,
        salt=_number("salt", order.salt),
        maker=_address("maker", order.maker),
        signer=_address("signer", order.signer),
        token=str(_number("tokenId", order.token_id)),
        maker_amount=_number("makerAmount", order.maker_amount),
        taker_amount=_number("takerAmount", order.taker_amount),
        side=Side.BUY if order.side == "0" else Side.SELL,
        price=_price(order.price, by_market=by_market),
        price_text=order.price,
        signature=signature,
        currency=order.currency_address,
        post_only=bool(order.post_only),
    )


def check_amounts(ticket: Ticket) -> None:
    """The two amounts agree with the price, exactly (section 9); `RefusedError` otherwise."""
    if ticket.price is not None and ticket.cash_wei * ONE != ticket.price * ticket.shares_wei:
        raise invalid("makerAmount, takerAmount", f"are not in the ratio of the price {ticket.price_text}")
    if not (ticket.shares or (ticket.by_market and ticket.cash)):
        raise invalid("makerAmount, takerAmount", "less than a millionth")


def order_hash(ticket: Ticket, exchange: str = EXCHANGE) -> bytes:
    """What is signed: the EIP-712 digest of the order in the exchange's domain (section 9)."""
    domain = domain_separator(DOMAIN_NAME, "1", CHAIN_ID, _raw(exchange))
    side = 0 if ticket.side is Side.BUY else 1
    numbers = (int(ticket.token), ticket.maker_amount, ticket.taker_amount, 0, 0, 0, side, GNOSIS_SAFE)
    parties = b"".join(padded(_raw(who)) for who in (ticket.maker, ticket.signer, ZERO_ADDRESS))
    words = word(ticket.salt) + parties + b"".join(map(word, numbers))
    return digest(domain, keccak(keccak(ORDER_TYPE) + words))


def key_hash(address: str, action: str, timestamp: str) -> bytes:
    """What is signed to make, read or delete an API key (section 3)."""
    words = padded(_raw(address)) + keccak(action.encode()) + keccak(timestamp.encode())
    return digest(domain_separator(KEY_DOMAIN_NAME, "1", CHAIN_ID), keccak(keccak(KEY_TYPE) + words))


def recover(hashed: bytes, signature: bytes) -> str | None:
    """The address whose key made this 65-byte signature (r, s, v with v 27 or 28)."""
    if len(signature) != ECDSA_BYTES or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > HALF_CURVE:
        return None
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        return address_of(coincurve.PublicKey.from_signature_and_message(compact, hashed, hasher=None))
    except ValueError:
        return None


def address_of(key: coincurve.PublicKey) -> str:
    """The checksummed address of a public key."""
    return checksummed(keccak(key.format(compressed=False)[1:])[12:])


def coins(wei: int) -> str:
    """Base units with 18 decimals as decimal text without trailing zeros."""
    whole, fraction = divmod(wei, 10**DECIMALS)
    return f"{whole}.{fraction:018d}".rstrip("0").rstrip(".")


def _price(text: str, *, by_market: bool) -> Price | None:
    """The limit price; None for a market order, whose price is "0"."""
    try:
        price = micros(text) if len(text) <= PRICE_CHARS_MAX else -1
    except ValueError:
        price = -1
    if by_market:
        if price != 0:
            raise invalid("price", 'must be "0" for a market order')
        return None
    if not 0 < price < ONE:
        raise invalid("price", f"a decimal above 0 and below {plain(ONE)} with up to 6 decimals")
    return Price(price)


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= WORD_DIGITS) or int(text) >= 2**256:
        raise invalid(field, "a uint256 in decimal digits")
    return int(text)


def _address(field: str, text: str) -> str:
    return checksummed(_hex(field, text, 20))


def _hex(field: str, text: str, size: int) -> bytes:
    digits: Any = text[2:] if text.startswith("0x") else ""
    if len(digits) != 2 * size or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise invalid(field, f"0x and {2 * size} hexadecimal digits")
    return bytes.fromhex(digits)


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])
