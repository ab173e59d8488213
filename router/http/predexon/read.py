"""What a Predexon client sends, checked field by field, as a market order."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from registry.model import OUTCOME_ID, OutcomeId
from router.core.idempotency import KEY
from router.core.model import Key, MarketOrder
from router.http.body import Malformed, text_of
from router.runtime import wording
from venues.base.orders import Side
from venues.base.units import DIGITS, ONE, Cash, Price, Size, micros

PLAIN = r"[0-9]{1,18}(\.[0-9]{1,18})?"
DECIMAL = re.compile(PLAIN)
"""The grammar of amounts and sizes: no sign, exponent, blank or NaN."""

SCOPE = "router/orders"
"""Where the keys of these orders count: the endpoint's path below the account."""

Json = msgspec.Raw | msgspec.UnsetType
"""A field that is read by hand and need not be there."""


class ParseError(Exception):
    """The body cannot be an order. The message names the field and the rule."""


def _raw(text: str, *schemas: Mapping[str, object]) -> Meta:
    """A field that is read by hand and may be null: what it is for, and what it may be."""
    return Meta(description=text, extra_json_schema={"anyOf": [*schemas, {"type": "null"}]})


_NUMBER = ({"type": "string", "pattern": f"^{PLAIN}$"}, {"type": "number", "exclusiveMinimum": 0})


class SeedRequest(msgspec.Struct, rename="camel"):
    """A market order. The keys we read; others are ignored, as the contract has it."""

    predexon_id: Annotated[
        str, Meta(description="The outcome.", extra_json_schema={"pattern": f"^{OUTCOME_ID.pattern}$"})
    ]
    side: Annotated[str, Meta(extra_json_schema={"enum": ["buy", "sell"]})]
    amount: Annotated[Json, _raw("Dollars to spend, fees included; on a buy only.", *_NUMBER)] = UNSET
    size: Annotated[Json, _raw("Shares to sell; on a sell only.", *_NUMBER)] = UNSET
    type: Annotated[Json, _raw("Other types are refused.", {"const": "market"})] = UNSET
    price: Annotated[Json, _raw("Refused: it would be a limit order.")] = UNSET
    bridge_enabled: Annotated[Json, _raw("Refused where it is true.", {"const": False})] = UNSET
    client_order_id: Annotated[
        Json,
        _raw("Does what `Idempotency-Key` does.", {"type": "string", "pattern": f"^(?:{KEY.pattern})$"}),
    ] = UNSET
    max_price: Annotated[Json, _raw("The worst price accepted, below 1; on a buy only.", *_NUMBER)] = UNSET
    min_price: Annotated[Json, _raw("The worst price accepted, below 1; on a sell only.", *_NUMBER)] = UNSET
    max_slippage_bps: Annotated[
        Json,
        _raw(
            "How much worse than the best price may be paid.",
            {"type": "integer", "minimum": 0, "maximum": 9_999},
        ),
    ] = UNSET
    confirm: Annotated[Json, _raw("Meant, however unusual it looks.", {"type": "boolean"})] = UNSET


class Asked(msgspec.Struct, frozen=True):
    """One order, and what its caller calls it."""

    order: MarketOrder
    client_order_id: str | None


_KEY_RULE = "must be 1 to 255 visible ASCII characters, without blanks"
_decoder = msgspec.json.Decoder(SeedRequest)


def asked(body: bytes) -> Asked:
    """A request body as an order. Decimal strings and JSON numbers are both read exactly. Or ParseError."""
    seen = _seen(body)
    return Asked(_market_order(seen), _client_order_id(seen.client_order_id))


def key(headers: Sequence[str], client_order_id: str | None) -> Key | None:
    """What makes a repeat of the request known: the header, or the id in the body. Or ParseError.

    `headers` are the values of all headers `idempotency-key`.
    """
    if len(headers) > 1:
        raise ParseError("idempotency-key: given more than once")
    if headers and not KEY.fullmatch(headers[0]):
        raise ParseError(f"idempotency-key: {_KEY_RULE}")
    if headers and client_order_id not in (None, headers[0]):
        raise ParseError("clientOrderId: must equal the header idempotency-key where both are given")
    text = headers[0] if headers else client_order_id
    return None if text is None else Key(SCOPE, text)


def _client_order_id(raw: Json) -> str | None:
    said = _said(raw)
    if said is None:
        return None
    if not said.startswith('"'):
        raise ParseError("clientOrderId: must be a string")
    text = msgspec.json.decode(said, type=str)
    if not KEY.fullmatch(text):
        raise ParseError(f"clientOrderId: {_KEY_RULE}")
    return text


def _seen(body: bytes) -> SeedRequest:
    try:
        return _decoder.decode(text_of(body))
    except Malformed as error:
        raise ParseError(str(error)) from error
    except msgspec.DecodeError as error:
        raise ParseError(wording.told(str(error), SeedRequest)) from error


def _market_order(seen: SeedRequest) -> MarketOrder:
    _refuse_other_orders(seen)
    if not OUTCOME_ID.fullmatch(seen.predexon_id):
        raise ParseError("predexonId: must be px- followed by 8 to 32 characters of a-z and 0-9")
    outcome = OutcomeId(seen.predexon_id)
    price, slippage, confirm = _worst(seen), _slippage(seen.max_slippage_bps), _confirm(seen.confirm)
    if seen.side == "buy":
        if _said(seen.size) is not None:
            raise ParseError("size: not allowed on a buy; a buy names `amount`")
        value, text = _decimal("amount", seen.amount)
        side, amount, size = Side.BUY, Cash(value), Size(0)
    elif seen.side == "sell":
        if _said(seen.amount) is not None:
            raise ParseError("amount: not allowed on a sell; a sell names `size`")
        value, text = _decimal("size", seen.size)
        side, amount, size = Side.SELL, Cash(0), Size(value)
    else:
        raise ParseError("side: must be buy or sell")
    return MarketOrder(
        outcome=outcome,
        side=side,
        amount=amount,
        size=size,
        requested=text,
        max_price=price,
        max_slippage_bps=slippage,
        confirm=confirm,
    )


def _worst(seen: SeedRequest) -> Price | None:
    """The worst price the caller accepts; it only ever narrows what the controls allow."""
    field, raw = ("maxPrice", seen.max_price) if seen.side == "buy" else ("minPrice", seen.min_price)
    if _said(seen.min_price if seen.side == "buy" else seen.max_price) is not None:
        other = "minPrice" if seen.side == "buy" else "maxPrice"
        raise ParseError(f"{other}: not allowed on a {seen.side}; a {seen.side} names `{field}`")
    if _said(raw) is None:
        return None
    value, _ = _decimal(field, raw)
    if value >= ONE:
        raise ParseError(f"{field}: must be less than 1")
    return Price(value)


def _slippage(raw: Json) -> int | None:
    said = _said(raw)
    if said is None:
        return None
    if not re.fullmatch(r"\d{1,4}", said, re.ASCII):
        raise ParseError("maxSlippageBps: must be a whole number from 0 to 9999")
    return int(said)


def _confirm(raw: Json) -> bool:
    said = _said(raw)
    if said not in (None, "true", "false"):
        raise ParseError("confirm: must be true or false")
    return said == "true"


def _refuse_other_orders(seen: SeedRequest) -> None:
    """A limit order must never be traded as a market order because its key was ignored."""
    if _said(seen.type) not in (None, '"market"'):
        raise ParseError("type: only market orders are accepted here")
    if _said(seen.price) is not None:
        raise ParseError("price: not allowed on a market order")
    if _said(seen.bridge_enabled) not in (None, "false"):
        raise ParseError("bridgeEnabled: must be false; this router moves no funds between venues")


def _said(raw: Json) -> str | None:
    """What the field holds, as JSON; None where it is null or not there."""
    if raw is UNSET:
        return None
    text = bytes(raw).decode()
    return None if text == "null" else text


def _decimal(field: str, raw: Json) -> tuple[int, str]:
    """The value in millionths, fractions of a millionth dropped, and the number as answers echo it."""
    text = _said(raw)
    if text is None:
        raise ParseError(f"{field}: required")
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)
    if not DECIMAL.fullmatch(text):
        raise ParseError(
            f"{field}: must be a positive decimal like 10.00, at most 18 digits before and after the dot"
        )
    whole, _, fraction = text.partition(".")
    value = micros(f"{whole}.{fraction[:DIGITS]}")
    if value == 0:
        rule = (
            "must be greater than zero" if not (whole + fraction).strip("0") else "must be at least 0.000001"
        )
        raise ParseError(f"{field}: {rule}")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    return value, f"{whole}.{fraction}" if fraction else whole
