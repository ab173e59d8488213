"""Secrets that must turn up nowhere, in every form in which they could."""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from venues.base.contract import Venue

LENGTH_MIN = 8
"""Shorter texts are found by chance."""


def secrets_of(venue: Venue, credentials: Mapping[str, str]) -> list[str]:
    """The values that the venue's card calls secret."""
    names = {secret.name for secret in venue.secrets if secret.secret}
    return [value for name, value in credentials.items() if name in names and len(value) >= LENGTH_MIN]


def forms(secret: str) -> frozenset[bytes]:
    """The secret as text, each long line of it, what it means, and all of that in hex, base64 and URLs."""
    texts = {secret, *(line for line in secret.splitlines() if len(line) > 2 * LENGTH_MIN)}
    texts = {text for text in texts if not text.startswith("-----")}
    raws = {text.encode() for text in texts} | {raw for text in texts for raw in _meant(text)}
    found = {form for raw in raws for form in _encoded(raw)}
    for text in texts:
        urls = quote(text, safe=""), quote(text), quote_plus(text), quote_plus(text, safe="/")
        found |= {form.encode() for form in (*urls, json.dumps(text)[1:-1])}
    return frozenset(form for form in found if len(form) >= LENGTH_MIN)


def _meant(text: str) -> Iterator[bytes]:
    """The bytes that a text of hex or base64 digits stands for."""
    digits = text.removeprefix("0x")
    try:
        yield bytes.fromhex(digits)
        yield str(int(digits, 16)).encode()
    except ValueError:
        try:
            yield base64.b64decode(text, altchars=b"-_" if {"-", "_"} & set(text) else None, validate=True)
        except binascii.Error:
            return


def _encoded(raw: bytes) -> Iterator[bytes]:
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for shift in range(3):  # wherever it stands in a longer text
        encoded = base64.b64encode(bytes(shift) + raw)[4 if shift else 0 : -4]
        yield encoded
        yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def leaks(secrets: Mapping[str, Iterable[bytes]], places: Mapping[str, bytes]) -> list[str]:
    """Which secret stands where: names only."""
    return [
        f"{name} in {place}"
        for name, wanted in secrets.items()
        for place, text in places.items()
        if any(form in text for form in wanted)
    ]
