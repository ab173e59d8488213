"""Whether HTTP can carry a request as a venue wrote it."""

import re

from venues.base.http import Request

_TARGET = re.compile(r"(?:/[\x21-\x7e]*)?")
"""Empty is the base URL itself: a chain's endpoint has a path of its own, or none."""
_METHOD = re.compile(r"[A-Z]+")
_HEADER_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*")
_HEADER_TEXTS = re.compile(r"[\t\x20-\x7e]*")
"""Of all fields together: what may stand in one may stand anywhere in it."""


def fault(request: Request) -> str | None:
    """What of this request HTTP cannot carry, or None. A stray line break would be a second request."""
    if not _METHOD.fullmatch(request.method):
        return "method"
    target = request.target
    if not _TARGET.fullmatch(target) or "#" in target:
        return "target"
    names, texts = "".join(request.headers), "".join(request.headers.values())
    if "" in request.headers or not (_HEADER_NAMES.fullmatch(names) and _HEADER_TEXTS.fullmatch(texts)):
        return "header"
    return None
