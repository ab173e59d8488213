"""Structured logs: one JSON object per line on standard error, and no secret in any of them."""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Protocol, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from router.runtime.keys import PREFIX

HIDDEN = "[hidden]"
SECRET_LENGTH_MIN = 6
"""Shorter values are not searched for: they would be found everywhere. Their key names still hide them."""
DEPTH_MAX = 6
"""How deep a logged value is searched; what lies deeper is not logged."""

GRAM = 10
"""A text is searched in pieces of this length: a secret of at least 2 * GRAM - 1 characters covers one of
them whole, wherever it stands. Shorter ones are searched for one by one; no venue's keys are as short."""

MEMO_MAX = 2_000
MEMO_TEXT_MAX = 32
"""Texts that are remembered as they are shown, and the longest of them: words, not ids."""
NAMES_MAX = 1_000
"""Field names whose judgement is remembered; a program has a few hundred."""

TEXT_MAX = 8_000
"""Characters of one logged text: a traceback fits, a venue's page of HTML need not."""

_SECRET_NAMES = (
    *("secret", "password", "passphrase", "passwd", "private", "credential", "authorization"),
    *("signature", "api_key", "apikey", "api-key", "mnemonic", "cookie", "token_secret", "bearer"),
)
_OUR_KEYS = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+")
_QUIET = {"aiohttp.access": logging.WARNING, "asyncio": logging.WARNING}
"""Loggers whose daily noise says nothing: one line per request is the router's own."""


class Redactor:
    """Hides secrets by the name they are logged under, and the registered ones wherever they turn up."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] = ()
        self._grams: set[str] = set()
        """Every stretch of GRAM characters of the known secrets that are long enough to be found by one."""
        self._short: tuple[str, ...] = ()
        """The others."""
        self._names: dict[str, tuple[str, bool]] = {}
        """Field names as they are shown, and whether the name alone hides the value."""
        self._memo: dict[str, str] = {}
        """Short texts as they are shown."""

    def register(self, secret: str) -> None:
        """From now on hide this text, and each line of it if it has several (PEM keys)."""
        found = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
        new = {text for text in found if len(text) >= SECRET_LENGTH_MIN and not text.startswith("-----")}
        # Longest first, so that one secret that contains another is hidden whole; every run hides alike.
        self._known = tuple(sorted(new | set(self._known), key=lambda text: (-len(text), text)))
        self._short = tuple(text for text in self._known if len(text) < 2 * GRAM - 1)
        for text in new.difference(self._short):
            self._grams.update(text[at : at + GRAM] for at in range(len(text) - GRAM + 1))
        self._names.clear()
        self._memo.clear()

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """A structlog processor; it must come after exceptions were made text."""
        return self._fields(event.items(), DEPTH_MAX)

    def _fields(self, fields: Iterable[tuple[object, object]], depth: int) -> dict[str, object]:
        shown: dict[str, object] = {}
        names, memo = self._names, self._memo
        for key, value in fields:
            text = key if type(key) is str else str(key)
            name, hidden = names.get(text) or self._judged(text)
            if hidden:
                shown[name] = HIDDEN
            elif type(value) is str:
                shown[name] = memo.get(value) or self._text(value)
            else:
                shown[name] = self._value(value, depth)
        return shown

    def _judged(self, name: str) -> tuple[str, bool]:
        plain = name.lower()
        judged = self._text(name), any(word in plain for word in _SECRET_NAMES)
        if len(self._names) < NAMES_MAX:
            self._names[name] = judged
        return judged

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
        """Short texts come again and again: venues, listings, words."""
        if len(text) > MEMO_TEXT_MAX:
            return self._searched(text)
        shown = self._memo.get(text)
        if shown is None:
            if len(self._memo) >= MEMO_MAX:
                self._memo.clear()
            shown = self._memo[text] = self._searched(text)
        return shown

    def _searched(self, text: str) -> str:
        """What it takes does not grow with the number of secrets while none is found, but for short ones."""
        if PREFIX in text:  # one of our own keys, wherever a caller put it: nobody knows them but the caller
            text = _OUR_KEYS.sub(HIDDEN, text)
        pieces = [text[at : at + GRAM] for at in range(0, len(text), GRAM)]
        if not self._grams.isdisjoint(pieces) or (
            self._short and any(secret in text for secret in self._short)
        ):
            for secret in self._known:
                if secret in text:
                    text = text.replace(secret, HIDDEN)
        return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}[cut]"


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
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, redactor, _stamp, _render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", target)),  # it writes and flushes only
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redactor,
                _stamp,
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


def _stamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The time, as a value that the renderer writes: it is no text to be searched."""
    event["at"] = datetime.now(UTC)
    return event


def _render(_: WrappedLogger, __: str, event: MutableMapping[str, object]) -> str:
    """One line of JSON. Line breaks inside values are escaped: nobody can forge a second line."""
    try:
        return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()
    except TypeError:  # half a surrogate pair or a number beyond 64 bits, from outside
        return json.dumps(event, default=datetime.isoformat)
