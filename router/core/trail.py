"""The trail of what people changed while the router ran: who, when, what and why, row bound to row.

A row's hash covers its text and the hash before it. So a row that is edited, left out, put in or moved shows
when the trail is read. What cannot show by itself is an end that was cut off: the log has every row's hash.
"""

import hashlib
from collections.abc import Iterable

import msgspec

GENESIS = bytes(32)
"""Stands before the first row."""
WHY_LENGTH_MAX = 500
"""What somebody gives as a reason is cut to this."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody changed."""

    at_ms: int
    by: str
    """A key's name, a signal, a file."""
    what: str
    """In one word: `halted`, `resumed`, …"""
    subject: str
    """What it is about: `all`, `account:acct-1`, …"""
    why: str = ""
    value: str = ""
    """What it was changed to, where that takes more than a word."""


class Trail(msgspec.Struct, frozen=True):
    """All changes as read back, oldest first."""

    changes: tuple[Change, ...]
    broken: str | None
    """Where it is not what was written, and how that shows; None when it is whole."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Change)


def encode(change: Change) -> bytes:
    """A change as JSON."""
    return _encoder.encode(change)


def link(before: bytes, body: bytes) -> bytes:
    """The hash of a row from its text and the hash before it."""
    return hashlib.sha256(before + body).digest()


def check(rows: Iterable[tuple[int, bytes, bytes]]) -> Trail:
    """The trail of these rows (number, text, hash), by number. Rows that cannot be read are left out."""
    changes: list[Change] = []
    broken: str | None = None
    before, expected = GENESIS, 1
    for number, body, digest in rows:
        if broken is None and number != expected:
            broken = f"row {expected} is missing"
        if broken is None and link(before, body) != digest:
            broken = f"row {number} is not what was written"
        before, expected = digest, number + 1
        try:
            changes.append(_decoder.decode(body))
        except ValueError:
            broken = broken or f"row {number} cannot be read"
    return Trail(tuple(changes), broken)
