"""Keys and signatures of one account: the API key, and the EOA that signs for the Safe (card 3, 9)."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from venues.base.http import Request
from venues.base.orders import Order, Side
from venues.base.units import plain
from venues.kit import ctf_order
from venues.kit.ctf_order import CtfOrder
from venues.kit.eip712 import (
    ADDRESS_BYTES,
    Key,
    checksummed,
    digest,
    domain_separator,
    keccak,
    padded,
    unhex,
)
from venues.opinion import wire
from venues.opinion.amounts import Amounts, limit_amounts

CHAIN_ID = int(wire.CHAIN_ID)
EXCHANGE_NAME = "OPINION CTF Exchange"
GNOSIS_SAFE = 2
"""The signature type of every account: a Safe holds the funds, an EOA that owns it signs."""
LIMIT = 2
"""The trading method of every order we send: a market order has no price protection (card 9)."""
KEYED_HOSTS = frozenset({"rest", "socket"})
"""The API key goes to the venue and nowhere else: not to the chain's node."""
_KEY_KIND = keccak(b"OpinionApiKeyAuth(address walletAddress,string action,string timestamp)")
_ZERO = bytes(ADDRESS_BYTES)
_SIDES = {Side.BUY: ctf_order.BUY, Side.SELL: ctf_order.SELL}


class OpinionSigner:
    """One API key, one wallet, its Safe. Secrets never show in its `repr` or in errors."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Parse and check every credential; ValueError names the secret and the rule."""
        self._key = _named("private_key", secrets, Key)
        self._api_key = _named("api_key", secrets, _text)
        safe = _named("safe", secrets, lambda text: unhex(text, ADDRESS_BYTES))
        if safe == self._key.address:
            raise ValueError("safe: is the key's own address; it must be that of its multi-signature wallet")
        self._safe = safe
        self.address, self.safe = checksummed(self._key.address), checksummed(safe)
        self._key_domain = domain_separator("Opinion OpenAPI", "1", CHAIN_ID)

    def __repr__(self) -> str:
        return f"OpinionSigner({self.address}, safe={self.safe})"

    def sign(self, request: Request, now_ms: int) -> Request:
        """The request with the API key: a header, and for the socket a part of the query (card 3)."""
        assert request.host in KEYED_HOSTS, "the key is the venue's alone"
        if request.host == "socket":
            return msgspec.structs.replace(request, query=(*request.query, ("apikey", self._api_key)))
        return msgspec.structs.replace(request, headers={**request.headers, "apikey": self._api_key})

    def key_headers(self, action: str, now_s: int) -> dict[str, str]:
        """The headers that `create`, `get` or `delete` the API key at /auth/api-key; good for 5 minutes."""
        struct = _KEY_KIND + padded(self._key.address) + _hashed(action) + _hashed(str(now_s))
        return {
            "OPINION_ADDRESS": self.address,
            "OPINION_SIGNATURE": "0x" + self._key.sign(digest(self._key_domain, keccak(struct))).hex(),
            "OPINION_TIMESTAMP": str(now_s),
        }

    def draft(self, *, token: str, side: Side, amounts: Amounts, salt: int) -> CtfOrder:
        """The struct to sign: of the Safe, for anybody, without expiration or fee rate (card 9)."""
        return CtfOrder(
            salt=salt,
            maker=self._safe,
            signer=self._key.address,
            token_id=int(token),
            maker_amount=amounts.maker,
            taker_amount=amounts.taker,
            side=_SIDES[side],
            signature_type=GNOSIS_SAFE,
        )

    def signature(self, draft: CtfOrder, exchange: str) -> str:
        """Over the struct in the domain of the quote token's exchange contract."""
        contract = unhex(exchange, ADDRESS_BYTES)
        separator = domain_separator(EXCHANGE_NAME, "1", CHAIN_ID, contract)
        return "0x" + self._key.sign(digest(separator, ctf_order.struct_hash(draft))).hex()

    def signed(self, order: Order) -> wire.SignedOrder:
        """The body of POST /order. The same order makes the same bytes."""
        listing = order.listing
        salt = int.from_bytes(_hashed(f"{order.order_id}:{order.salt}"), "big")
        draft = self.draft(
            token=listing.details["no_token" if listing.inverted else "yes_token"],
            side=order.side,
            amounts=limit_amounts(order),
            salt=salt,
        )
        return self.body(
            draft,
            signature=self.signature(draft, listing.details["exchange"]),
            topic_id=int(listing.native),
            timestamp_s=order.created_ms // 1000,
            currency=listing.details["quote_token"],
            price=plain(order.limit),
            post_only=order.post_only,
        )

    def body(
        self,
        draft: CtfOrder,
        *,
        signature: str,
        topic_id: int,
        timestamp_s: int,
        currency: str,
        price: str,
        post_only: bool,
    ) -> wire.SignedOrder:
        """A signed struct with what the venue wants beside it. `price` is the limit as text."""
        return wire.SignedOrder(
            topic_id=topic_id,
            trading_method=LIMIT,
            timestamp=timestamp_s,
            salt=str(draft.salt),
            token_id=str(draft.token_id),
            maker=self.safe,
            signer=self.address,
            taker=checksummed(_ZERO),
            maker_amount=str(draft.maker_amount),
            taker_amount=str(draft.taker_amount),
            side=str(draft.side),
            signature_type=str(draft.signature_type),
            signature=signature,
            sign=signature,
            currency_address=currency,
            price=price,
            post_only=post_only or msgspec.UNSET,
        )


T = TypeVar("T")


def _hashed(text: str) -> bytes:
    return keccak(text.encode())


def _named(name: str, secrets: Mapping[str, str], parse: Callable[[str], T]) -> T:
    try:
        return parse(secrets.get(name, "").strip())
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _text(value: str) -> str:
    if not (value and value.isascii() and value.isprintable() and " " not in value):
        raise ValueError("must be printable ASCII without spaces, and not empty")
    return value
