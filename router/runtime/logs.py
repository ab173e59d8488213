"""Structured logs: one JSON object per line on standard error, and no secret in any of them."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from router.runtime.keys import PREFIX

HIDDEN = "[hidden]"
SECRET_LENGTH_MIN = 6
"""Shorter values are not searched for: they would be found everywhere. Their key names still hide them."""
DEPTH_MAX = 6
"""How deep a logged value is searched; what lies deeper is not logged."""

GRAM = 10
"""A text is searched in pieces of this length, as far apart as the shortest secret allows: one of them lies
within it wherever it stands. Secrets below 2 * GRAM - 1 characters are searched for one by one; no venue's
keys are as short."""

NAMES_MAX = 1_000
"""Field names that are remembered as harmless; a program has a few hundred."""

TEXT_MAX = 8_000
"""Characters of one logged text: a traceback fits, a venue's page of HTML need not."""

_SECRET_NAMES = (
    *("secret", "password", "passphrase", "passwd", "private", "credential", "authorization"),
    *("signature", "api_key", "apikey", "api-key", "mnemonic", "cookie", "token_secret", "bearer"),
)
_NUMBERS = (int, bool, float, type(None))
_OUR_KEYS = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+")
_QUIET = {"aiohttp.access": logging.WARNING, "asyncio": logging.WARNING}
"""Loggers whose daily noise says nothing: one line per request is the router's own."""


_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))
"""What the lines of this task carry beside what they say themselves."""


def bind(**fields: object) -> None:
    """From now on every line of this task, and of the tasks that it starts, carries these fields."""
    _bound.set({**_bound.get(), **fields})


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """The same, until the end of the block."""
    before = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(before)


def merged(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A structlog processor: adds what was bound. What a line says itself counts for more."""
    for name, value in _bound.get().items():
        event.setdefault(name, value)
    return event


class Redactor:
    """Hides secrets by the name they are logged under, and the registered ones wherever they turn up."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] = ()
        self._grams: set[str] = set()
        """Every stretch of GRAM characters of the known secrets that are long enough to be found by one."""
        self._stride = TEXT_MAX
        """From the beginning of one piece of a text that is looked for to that of the next."""
        self._short: tuple[str, ...] = ()
        """The other secrets."""
        self._harmless: set[str] = set()
        """Field names that are shown as they are, with their values."""

    def register(self, secret: str) -> None:
        """From now on hide this text, and each line of it if it has several (PEM keys)."""
        found = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
        new = {text for text in found if len(text) >= SECRET_LENGTH_MIN and not text.startswith("-----")}
        # Longest first, so that one secret that contains another is hidden whole; every run hides alike.
        self._known = tuple(sorted(new | set(self._known), key=lambda text: (-len(text), text)))
        self._short = tuple(text for text in self._known if len(text) < 2 * GRAM - 1)
        for text in new.difference(self._short):
            places = len(text) - GRAM + 1
            self._grams.update(text[at : at + GRAM] for at in range(places))
            self._stride = min(self._stride, places)
        self._harmless.clear()

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """A structlog processor; it must come after exceptions were made text.

        The texts of a line are searched as one: nearly every line is shown as it is.
        """
        texts = _texts(event) if self._harmless.issuperset(event) else None
        if texts is None or len(texts) > TEXT_MAX or PREFIX in texts or self._suspect(texts):
            return self._fields(event.items(), DEPTH_MAX)
        return event

    def _fields(self, fields: Iterable[tuple[object, object]], depth: int) -> dict[str, object]:
        shown: dict[str, object] = {}
        for key, value in fields:
            name = str(key)
            if name in self._harmless or self._is_harmless(name):
                shown[name] = self._value(value, depth)
            else:
                shown[self._text(name)] = HIDDEN if _is_telling(name) else self._value(value, depth)
        return shown

    def _is_harmless(self, name: str) -> bool:
        harmless = not _is_telling(name) and self._text(name) == name
        if harmless and len(self._harmless) < NAMES_MAX:
            self._harmless.add(name)
        return harmless

    def _value(self, value: object, depth: int) -> object:
        match value:
            case str():
                return self._text(value)
            case bool() | int() | float() | None:
                return value
            case _ if depth == 0:
                return HIDDEN
            case Mapping():
                return self._fields(value.items(), depth - 1)
            case list() | tuple() | set() | frozenset():
                return [self._value(inner, depth - 1) for inner in value]
            case _:
                return self._text(repr(value))

    def _text(self, text: str) -> str:
        if PREFIX in text:  # one of our own keys, wherever a caller put it: nobody knows them but the caller
            text = _OUR_KEYS.sub(HIDDEN, text)
        if self._suspect(text):
            for secret in self._known:
                text = text.replace(secret, HIDDEN)
        return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}[cut]"

    def _suspect(self, text: str) -> bool:
        """Whether it may hold a known secret. Their number does not matter, but that of short ones."""
        pieces = [text[at : at + GRAM] for at in range(0, len(text), self._stride)]
        if not self._grams.isdisjoint(pieces):
            return True
        return bool(self._short) and any(secret in text for secret in self._short)


def _texts(event: EventDict) -> str | None:
    """All texts of a line, one after the other; None where it holds more than texts and numbers."""
    texts: list[str] = []
    for value in event.values():
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif kind is list and set(map(type, value)) <= {str}:
            texts += value
        elif kind not in _NUMBERS:
            return None
    return "\n".join(texts)


def _is_telling(name: str) -> bool:
    """Whether what a field of this name holds is hidden, whatever it is."""
    plain = name.lower()
    return any(word in plain for word in _SECRET_NAMES)


class Stream(Protocol):
    """Where lines go; each is written whole."""

    def write(self, line: str, /) -> object:
        """Take a line."""
        ...

    def flush(self) -> None:
        """Do not keep it longer than needed."""
        ...


def configure(redactor: Redactor, *, level: str = "info", stream: Stream | None = None) -> None:
    """Route every log line of the process, ours and the libraries', through the redactor to `stream`.

    `level` is debug, info, warning or error. `stream` is standard error by default.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    target: Stream = stream if stream is not None else sys.stderr
    structlog.configure(
        processors=[merged, _complete, redactor, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", target)),  # it writes and flushes only
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[merged, _complete],
            processors=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redactor,
                _render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, threshold))
    logging.captureWarnings(capture=True)


def _complete(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """How grave it is, and an exception as text."""
    event["level"] = level
    return structlog.processors.format_exc_info(None, level, event) if "exc_info" in event else event


def _render(_: WrappedLogger, __: str, event: MutableMapping[str, object]) -> str:
    """One line of JSON, with the time. Line breaks inside values are escaped: nobody can forge a line."""
    event["at"] = datetime.now(UTC)
    try:
        return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()
    except TypeError:  # half a surrogate pair or a number beyond 64 bits, from outside
        return json.dumps(event, default=datetime.isoformat)
