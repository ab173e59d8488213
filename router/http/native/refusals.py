"""What the native surface calls each refusal, and with which status."""

from collections.abc import Mapping
from types import MappingProxyType

from router.http.predexon.refusals import ACCESS_WORDS, BODY_WORDS
from router.http.words import Word
from router.runtime.store.protocol import StoreDown
from router.runtime.switch import TooManyHalts


class BadScope(Exception):
    """What is to be halted or resumed is none of the scopes, or has no good name."""


class NoHalt(Exception):
    """No halt by command stands for this scope."""


class HeldByFile(Exception):
    """The halt file halts this scope, and it alone lifts that."""


_shared: list[tuple[type[Exception], Word]] = [*ACCESS_WORDS.items(), *BODY_WORDS.items()]
WORDS: Mapping[type[Exception], Word] = MappingProxyType(
    {
        BadScope: Word(400, "parse_error"),
        NoHalt: Word(404, "halt_not_found"),
        HeldByFile: Word(409, "halted_by_file"),
        TooManyHalts: Word(429, "too_many_halts"),
        StoreDown: Word(503, "store_unavailable"),
        **dict(_shared),
    }
)
