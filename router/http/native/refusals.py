"""What the native surface calls each refusal, and with which status."""

from collections.abc import Mapping
from types import MappingProxyType

import structlog
from aiohttp import web

from router.http import table
from router.http.predexon.refusals import ACCESS_WORDS, BODY_WORDS
from router.http.responses import METRICS, DocsError, docs_error
from router.http.table import Reply
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
BODIES = tuple(word.code for word in BODY_WORDS.values())
"""What any body may be refused for."""

log = structlog.get_logger(__name__)


def refused(request: web.Request, error: Exception) -> web.Response:
    """The answer to one of WORDS, counted and logged."""
    word = next(word for kind, word in WORDS.items() if isinstance(error, kind))
    log.info("request.refused", path=request.path, status=word.status, code=word.code, why=str(error))
    request.app[METRICS].refusals.of(word.code).inc()
    return docs_error(request, word, str(error))


def replies(*codes: str) -> tuple[Reply, ...]:
    """These words, and those of whoever may not call."""
    access = {word.code for word in ACCESS_WORDS.values()}
    return tuple(each for each in table.refusals(WORDS, DocsError) if each.code in access | {*codes})
