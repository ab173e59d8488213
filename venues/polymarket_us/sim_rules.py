"""What the simulated venue checks and charges: keys, signatures, fees, times, ids.

Written from the card alone (sections 2 to 5). It shares no code with the client side, so that each side
finds the other's mistakes.
"""

from base64 import b64decode, b64encode
from calendar import timegm
from decimal import ROUND_HALF_EVEN, Decimal
from email.utils import formatdate, parsedate
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from venues.base.orders import Side, TimeInForce
from venues.base.units import DIGITS, ONE

MAKER = Decimal("-0.0125")
"""The rebate of whoever rested (section 4)."""
CENT = Decimal("0.01")
WINDOW_MS = 30_000
"""How far a signature's time may be from ours, either way (section 2)."""
INTENTS = {
    "ORDER_INTENT_BUY_LONG": (Side.BUY, 0),
    "ORDER_INTENT_SELL_LONG": (Side.SELL, 0),
    "ORDER_INTENT_BUY_SHORT": (Side.BUY, 1),
    "ORDER_INTENT_SELL_SHORT": (Side.SELL, 1),
}
"""Side and outcome; the short outcome is the second one of the book."""
TIMES = {
    "TIME_IN_FORCE_GOOD_TILL_CANCEL": TimeInForce.GTC,
    "TIME_IN_FORCE_GOOD_TILL_DATE": TimeInForce.GTD,
    "TIME_IN_FORCE_IMMEDIATE_OR_CANCEL": TimeInForce.IOC,
    "TIME_IN_FORCE_FILL_OR_KILL": TimeInForce.FOK,
}
STATES = frozenset(
    {"OPEN", "PREOPEN", "SUSPENDED", "HALTED", "CLOSED", "EXPIRED", "TERMINATED", "MATCH_AND_CLOSE_AUCTION"}
)
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def secret_of(seed: int, number: int) -> str:
    """The secret key of an account that was opened without one: play money needs no luck."""
    return b64encode(sha256(f"{seed}:secret:{number}".encode()).digest()).decode()


def public_key(secret: str) -> Ed25519PublicKey:
    """What verifies the signatures made with a secret of 32 or 64 bytes in base64."""
    seed = b64decode(secret, validate=True)
    if len(seed) not in (32, 64):
        raise ValueError("credentials.secret_key: takes 32 or 64 bytes in base64")
    return Ed25519PrivateKey.from_private_bytes(seed[:32]).public_key()


def verifies(key: Ed25519PublicKey, signature: str, text: str) -> bool:
    """Whether this is the key's signature of the text."""
    try:
        key.verify(b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def fee_of(coefficient: Decimal, price: int, size: int) -> int:
    """The fee of one execution in millionths, rounded half to even to the cent; a rebate is below zero."""
    p = Decimal(price).scaleb(-DIGITS)
    exact = coefficient * Decimal(size).scaleb(-DIGITS) * p * (1 - p)
    return int(exact.quantize(CENT, ROUND_HALF_EVEN).scaleb(DIGITS))


def uuid_of(*parts: object) -> str:
    """An id that depends on nothing but these."""
    digits = sha256(":".join(map(str, parts)).encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def ulid_of(*parts: object) -> str:
    """An id of the exchange's kind: 26 letters and digits."""
    number = int.from_bytes(sha256(":".join(map(str, parts)).encode()).digest()[:15])
    return "01" + "".join(_LETTERS[(number >> (5 * place)) & 31] for place in range(24))


def moment(at_ms: int, nanos: int = 0) -> str:
    """2026-11-20T15:04:00.651000111Z; `nanos` tells moments of one millisecond apart."""
    parts = parsedate(formatdate(at_ms // 1_000, usegmt=True))
    assert parts is not None
    year, month, day, hour, minute, second = parts[:6]
    date = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    return f"{date}.{at_ms % 1_000:03}{nanos % ONE:06}Z"


def read_moment(text: str) -> int:
    """Unix milliseconds of 2026-12-01T18:30:00Z, with or without a fraction. ValueError if it is none."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    date, _, time = whole.partition("T")
    try:
        year, month, day, hour, minute, second = (int(part) for part in (*date.split("-"), *time.split(":")))
        millis = int(fraction[:3].ljust(3, "0"))
    except ValueError as error:
        raise ValueError(f"takes a time like 2026-12-01T18:30:00Z, was {text!r}") from error
    return timegm((year, month, day, hour, minute, second)) * 1_000 + millis
