"""The machine codes of errors: what the front door says itself, before or around any dialect."""

from typing import NamedTuple


class Word(NamedTuple):
    """An HTTP status and the machine code that goes with it."""

    status: int
    code: str


INVALID_REQUEST = Word(400, "invalid_request")
ORIGIN_NOT_ALLOWED = Word(403, "origin_not_allowed")
ENDPOINT_NOT_FOUND = Word(404, "endpoint_not_found")
METHOD_NOT_ALLOWED = Word(405, "method_not_allowed")
PAYLOAD_TOO_LARGE = Word(413, "payload_too_large")
EXPECTATION_FAILED = Word(417, "expectation_failed")
HOST_NOT_ALLOWED = Word(421, "host_not_allowed")
INTERNAL_ERROR = Word(500, "internal_error")

ANYWHERE = (
    (INVALID_REQUEST, "The request is not one of HTTP/1.1, or does not name its `Host` exactly once."),
    (ORIGIN_NOT_ALLOWED, "It comes from a web page of another origin (`server.allowed_origins`)."),
    (EXPECTATION_FAILED, "`Expect` asks for something other than `100-continue`."),
    (HOST_NOT_ALLOWED, "`Host` is none of the router's names (`server.allowed_hosts`)."),
    (INTERNAL_ERROR, "A bug of ours; it is logged with the request id."),
)
"""What any route may answer, and when. In the docs envelope, whatever the route's dialect."""
NOWHERE = (
    (ENDPOINT_NOT_FOUND, "There is nothing at this path."),
    (METHOD_NOT_ALLOWED, "The path has other methods, which `Allow` lists."),
)
"""What is answered where there is no route."""
