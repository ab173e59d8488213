"""What the simulated venue checks and charges: price grids, signatures and fees.

Written from the card alone (sections 2 to 4). It shares no code with the client side, so that each side
finds the other's mistakes.
"""

from base64 import b64decode
from fractions import Fraction
from functools import lru_cache
from math import ceil

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from venues.base.listing import Band, Grid
from venues.base.units import ONE, Price, floor_to

STEPS = {"whole": 10_000, "half": 5_000, "quint": 2_000, "deci": 1_000, "centi": 100}
TAKER = Fraction(7, 100)
MAKER = {"quadratic": Fraction(0), "quadratic_with_maker_fees": Fraction(7, 400),
         "quadratic_with_combo_maker_fees": Fraction(7, 200)}  # fmt: skip
"""Fee rates by `fee_type` (section 4); `flat` has no public amount and costs nothing here."""
FEE_TYPES = frozenset({*MAKER, "flat"})
CLOCK_PAST_MS_MAX = 30_000
"""Older signatures are refused. Measured: 10 s pass, 60 s do not; the future passes (section 2)."""

KEYS_REMEMBERED_MAX = 64
"""Checking a key takes tens of milliseconds, and tests open many accounts with few keys."""
THROW_AWAY_PRIMES = tuple(
    (int(p, 16), int(q, 16))
    for p, q in (
        (
            "f5b4ffa521fabab1568424ff0d240f7836a9c0aea746713f24dccba9af54756c20abce448215f9af8effdf1ed9f02d6d"
            "8258cbffb0b7dc236cd5b2702969e1f03b4266ac8572865ba57e64d67b4ce6db6ed158ca0bdb620d70083619bd921d22"
            "541d4149010f9d3ff0c6979ab8ded3c63e4ddc810ef6b0b3650a6d293d3670f3",
            "cc9dce02054e89fb21a07950ce1fc24c8d4ba99ecc4f458e17c74210aa8f45a02374d72e0b0969ff6f0d525e4b30c7f2"
            "8f26e5b687189d0040aae9792e7fe7cd80d72ef9c75745d4bb310f6f1f372cbfdbd980bac082525981cb90cd70de2d8e"
            "7453070ae8573da07a9312850ec311d2106c95e4ba19df181560204feda80eab",
        ),
        (
            "f77e25a4b4f7331ed9649b78b5e84fa2ed969cbdd8b6a25548f586a9441be36bb564f1d4837e0728bbd7c42bbd0ae608"
            "a6496b89caa3437ba6ae00805a78e59ade6008a41ac72265717581dce1804cd2fcae2bae47560c78a2930538f2b424de"
            "a7a83e906b8d902cb22d284b750fa8615fcd40e47332c3017c8996eeccafbf09",
            "bc60302d34bce685489dcb88fef1d4d7ab81b5135f0dfd174467084382ac6c325670a37f3de40a8503010085d76da06c"
            "54185e54c8d6a843653537ce638c2407f82cb569f15c49e5856345180f7f7512131f455f5194783ebc1a4da1114be851"
            "3bbb155a44d9b53b388a0743fb0442e0302d021839a85fa4ccd5a8c4805e9451",
        ),
    )
)
"""Of the published test keys in the golden vectors. They guard nothing: this venue's money is play money."""


def grid_of(structure: str) -> Grid:
    """The price ranges of a `price_level_structure`; ValueError if the card has none of that name."""
    low, high = 100_000, 900_000
    match structure.split("_"):
        case ["linear", "cent"]:
            middle = edge = STEPS["whole"]
        case ["deci", "cent"]:
            middle = edge = STEPS["deci"]
        case ["tapered", "deci", "cent"]:
            middle, edge = STEPS["whole"], STEPS["deci"]
        case ["center", x, "edge", y, "cent"] if x in STEPS and y in STEPS:
            middle, edge = STEPS[x], STEPS[y]
            if (x, y) == ("deci", "centi"):
                low, high = 10_000, 990_000
        case _:
            raise ValueError(f"structure: the card names no price_level_structure {structure!r}")
    cuts = [(0, ONE, edge)] if middle == edge else [(0, low, edge), (low, high, middle), (high, ONE, edge)]
    return Grid(tuple(Band(Price(start), Price(end), Price(step)) for start, end, step in cuts))


@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def private_key(number: int) -> str:
    """One of the throw-away keys, as PEM. Making fresh ones would be slow and needs luck."""
    p, q = THROW_AWAY_PRIMES[number % len(THROW_AWAY_PRIMES)]
    d = pow(65_537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65_537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    plain = serialization.NoEncryption()
    return (
        numbers.private_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        .decode()
    )


@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def public_key(pem: str) -> rsa.RSAPublicKey:
    """What verifies the signatures made with a private key. ValueError if it is not an RSA key."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("credentials.private_key: takes an RSA key as PEM")  # noqa: TRY004
    return key.public_key()


def verifies(key: rsa.RSAPublicKey, signature: str, message: str) -> bool:
    """Whether this is the key's RSA-PSS signature: SHA-256, MGF1 with SHA-256, 32 bytes of salt."""
    try:
        padded = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        key.verify(b64decode(signature, validate=True), message.encode(), padded, hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def trade_fee(rate: tuple[str, str], price: int, size: int, *, taker: bool) -> int:
    """The model fee of one fill in millionths, rounded up."""
    kind, multiplier = rate
    factor = (TAKER if taker else MAKER[kind]) if kind in MAKER else Fraction(0)
    fee = (
        Fraction(multiplier)
        * factor
        * Fraction(size, ONE)
        * Fraction(price, ONE)
        * Fraction(ONE - price, ONE)
    )
    return ceil(fee * ONE)


def charge(revenue: int, trade: int, *, step: int, carry: int) -> tuple[int, int]:
    """The fee of one fill, and what its order carries over (section 4).

    The balance moves in whole steps; what that costs gathers per order and comes back in whole steps,
    but never more than the fee of the fill: the rest of it waits for the next.
    """
    change = revenue - trade
    rounding = change % step
    gross = trade + rounding
    carry += rounding
    rebate = floor_to(min(carry, gross), step)
    return gross - rebate, carry - rebate
