"""What may happen to JSON on its way: each mutation says what can still be learnt from it.

DAMAGE   it is no longer what the venue said: nothing may be concluded that the whole text does not say
GROWTH   the venue says the same and more: nothing changes
OTHERS   numbers and words are others, so that it may be a truth, only not this one: it must be readable
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

HUGE = 40_000
DEEP = 3_000
UNSEEN = "NEVER_SEEN"
ODD: tuple[object, ...] = (
    {},
    [],
    [[]],
    {"a": 1},
    True,
    "abc",
    "-",
    "1e400",
    "0x",
    "\x00",
    "٣",
    1e308,
    -1,
    2**70,
)
PAGES = (
    *(b"", b" ", b"{", b"null", b"true", b"0", b'"ok"', b"[", b"<html>busy</html>", b"OK", b"\xff\xfe\x00"),
    *(b'{"error":', b"NaN", b"{}", b'{"a":{"a":{"a":{}}}}'),
)
Path = tuple[str | int, ...]
Mutation = Callable[[random.Random, bytes], bytes]


def containers(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where objects and lists are."""
    if isinstance(value, dict | list):
        yield path
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from containers(inner, (*path, key))


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where everything else is."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def at(whole: Any, path: Path) -> Any:
    """What is there."""
    for key in path:
        whole = whole[key]
    return whole


def _changed(luck: random.Random, body: bytes, places: Callable[[Any], Iterator[Path]], how: Any) -> bytes:
    """The same JSON with one place changed; as it was where there is none."""
    try:
        whole = json.loads(body)
    except ValueError:
        return body
    found = [path for path in places(whole) if path]
    if found:
        path = luck.choice(found)
        how(at(whole, path[:-1]), path[-1])
    return json.dumps(whole, separators=(",", ":")).encode()


# --- damage ---


def torn(luck: random.Random, body: bytes) -> bytes:
    """It breaks off, before the last bracket."""
    return body[: luck.randrange(max(1, len(body.rstrip())))]


def holed(luck: random.Random, body: bytes) -> bytes:
    """Bytes that are no text, in the middle."""
    place = luck.randrange(len(body) + 1)
    return body[:place] + luck.choice((b"\xff", b"\xc3\x28", b"\x00", b"\xed\xa0\x80")) + body[place:]


def doubled(_: random.Random, body: bytes) -> bytes:
    """Twice, without anything between."""
    return body + body if body.strip() else b"{}{}"


def replaced(luck: random.Random, _: bytes) -> bytes:
    """A page of somebody in between."""
    return luck.choice(PAGES)


def nested(luck: random.Random, body: bytes) -> bytes:
    """Deeper than any reader wants to go."""
    opening, closing = luck.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opening * DEEP + body + closing * DEEP


def odd(luck: random.Random, body: bytes) -> bytes:
    """A value of another kind than the venue ever sends there."""

    def put(inner: Any, key: str | int) -> None:
        inner[key] = luck.choice([each for each in ODD if type(each) is not type(inner[key])])

    return _changed(luck, body, lambda whole: iter([*leaves(whole), *containers(whole)]), put)


def without(luck: random.Random, body: bytes) -> bytes:
    """A field is missing."""
    return _changed(luck, body, leaves, lambda inner, key: inner.pop(key))


# --- growth ---


def wider(luck: random.Random, body: bytes) -> bytes:
    """A field that nobody knows."""
    try:
        whole = json.loads(body)
    except ValueError:
        return body
    objects = [path for path in containers(whole) if isinstance(at(whole, path), dict)]
    if objects:
        inner = at(whole, luck.choice(objects))
        inner[f"zzNew{luck.randrange(99)}"] = luck.choice((None, 1, "x", [1], {"a": {"b": []}}, "y" * HUGE))
    return json.dumps(whole, separators=(",", ":")).encode()


def airy(luck: random.Random, body: bytes) -> bytes:
    """The same, with blanks between."""
    try:
        whole = json.loads(body)
    except ValueError:
        return body
    return b" " * luck.randrange(HUGE) + json.dumps(whole, indent=luck.randrange(4)).encode() + b"\n\n"


# --- others ---


def flipped(luck: random.Random, body: bytes) -> bytes:
    """One bit."""
    if not body:
        return body
    place = luck.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << luck.randrange(8))]) + body[place + 1 :]


def renamed(luck: random.Random, body: bytes) -> bytes:
    """A word that nobody knows, or another number."""

    def put(inner: Any, key: str | int) -> None:
        old = inner[key]
        inner[key] = UNSEEN if isinstance(old, str) else luck.choice((0, 77, -5, 10**15, 0.5))

    return _changed(luck, body, leaves, put)


def spliced(luck: random.Random, body: bytes) -> bytes:
    """A stretch of it comes again somewhere else."""
    one, two, to = (luck.randrange(len(body) + 1) for _ in range(3))
    return body[:to] + body[min(one, two) : max(one, two)] + body[to:]


DAMAGE: tuple[Mutation, ...] = (torn, holed, doubled, replaced, nested, odd, without)
GROWTH: tuple[Mutation, ...] = (wider, airy)
OTHERS: tuple[Mutation, ...] = (flipped, renamed, spliced)
