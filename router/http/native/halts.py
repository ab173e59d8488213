"""`/native/halts`: the kill switch for keys with the scope admin."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from router.core.halts import Scope
from router.core.trail import WHY_LENGTH_MAX, Change
from router.http.access import Access
from router.http.body import Malformed, receive, text_of
from router.http.native.refusals import BODIES, WORDS, BadScope, HeldByFile, NoHalt, refused, replies
from router.http.responses import json_response
from router.http.table import Parameter, Reply, Route
from router.runtime import keys as key_ring
from router.runtime import wording
from router.runtime.cancel_all import Tried, Unread
from router.runtime.keys import KeyRing
from router.service import Router

SURFACE = "Halting"
PATH = "/native/halts"
Kind = Literal["all", "account", "venue", "market"]
Name = Annotated[
    str, msgspec.Meta(description="Which one: an account, a venue, a predexonId, or venue:book; not for all.")
]
Why = Annotated[str, msgspec.Meta(description="For those who find it halted.", max_length=WHY_LENGTH_MAX)]

_encoder = msgspec.json.Encoder()


class HaltRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to stop."""

    scope: Kind
    name: Name = ""
    why: Why = ""
    cancel: Annotated[bool, msgspec.Meta(description="Take what rests there off the books as well.")] = False


class Halt(msgspec.Struct, frozen=True):
    """One halt that stands."""

    scope: str
    name: str
    by: str
    why: str
    at: int
    """Unix milliseconds."""
    file: bool
    """Whether the halt file holds it."""


class Halting(msgspec.Struct, frozen=True, rename="camel"):
    """What was done."""

    halt: Halt
    recorded: bool
    """False: it is in force, and will be written as soon as the disk works again."""
    cancels: list[Tried]
    unread: list[Unread]


class Halts(msgspec.Struct, frozen=True):
    """Everything that is halted."""

    halts: list[Halt]


class Resumed(msgspec.Struct, frozen=True):
    """What trades again, as far as nothing else halts it."""

    scope: str
    name: str


_decoder = msgspec.json.Decoder(HaltRequest)


class HaltRoutes:
    """The handlers."""

    def __init__(self, router: Router, keys: KeyRing) -> None:
        self._router, self._access = router, Access(router, keys)

    async def halt(self, request: web.Request) -> web.Response:
        """In force before anything else is done, also before the answer."""
        try:
            key = self._access.caller(request, key_ring.Scope.ADMIN)
            asked = _asked(await receive(request))
            scope = _scope(asked.scope, asked.name)
            self._check_known(scope)
            recorded = await self._router.halt(scope, by=f"key {key.name}", why=asked.why)
            change = self._router.switch.halts.standing[scope]  # another may lift it during the cancels
            done = await self._router.cancel_all(scope) if asked.cancel else None
        except tuple(WORDS) as error:
            return refused(request, error)
        orders, unread = (list(done.orders), list(done.unread)) if done else ([], [])
        body = Halting(_shown(scope, change, file=False), recorded, orders, unread)
        return json_response(201, _encoder.encode(body))

    def _check_known(self, scope: Scope) -> None:
        """A slip in a name would halt nothing. A market may be halted before it is in the registry."""
        known = self._router.names(scope.kind)
        if known is not None and scope.name not in known:
            raise BadScope(f"name: no {scope.kind} of this router is called {scope.name}; nothing is halted")

    async def halts(self, request: web.Request) -> web.Response:
        """Those by command and those of the file."""
        try:
            self._access.caller(request, key_ring.Scope.ADMIN)
        except tuple(WORDS) as error:
            return refused(request, error)
        standing = self._router.switch.halts
        rows = [_shown(scope, change, file=False) for scope, change in standing.by_command.items()]
        rows += [_shown(scope, change, file=True) for scope, change in standing.by_file.items()]
        return json_response(200, _encoder.encode(Halts(rows)))

    async def resume(self, request: web.Request) -> web.Response:
        """Lift one halt by command."""
        try:
            key = self._access.caller(request, key_ring.Scope.ADMIN)
            query = request.query
            scope = _scope(query.get("scope", ""), query.get("name", ""))
            switch, why = self._router.switch, query.get("why", "")
            if not await switch.resume(scope, by=f"key {key.name}", why=why):
                if scope in switch.halts.by_file:
                    raise HeldByFile(f"the halt file halts {scope}: take it out there")
                raise NoHalt(f"{scope} is not halted")
        except tuple(WORDS) as error:
            return refused(request, error)
        return json_response(200, _encoder.encode(Resumed(scope.kind, scope.name)))


def _asked(body: bytes) -> HaltRequest:
    try:
        return _decoder.decode(text_of(body))
    except msgspec.DecodeError as error:
        raise Malformed(wording.told(str(error), HaltRequest)) from error


def _scope(kind: str, name: str) -> Scope:
    try:
        return Scope(kind, name)
    except ValueError as error:
        raise BadScope(f"scope: {error}") from error


def _shown(scope: Scope, change: Change, *, file: bool) -> Halt:
    return Halt(scope.kind, scope.name, change.by, change.why, change.at_ms, file)


def routes(router: Router, keys: KeyRing) -> tuple[Route, ...]:
    """The surface's routes."""
    halts = HaltRoutes(router, keys)
    return (
        Route(
            method="POST",
            path=PATH,
            handler=halts.halt,
            name="halt",
            title="Stop trading",
            text="Nothing of the scope is sent from now on; cancels and look-ups go on. Survives restarts.",
            surface=SURFACE,
            scope=key_ring.Scope.ADMIN,
            body=HaltRequest,
            example={"scope": "all", "why": "odd fills", "cancel": True},
            replies=(
                Reply(status=201, body=Halting, when="It is halted; `cancels` has each order tried."),
                *replies("parse_error", "too_many_halts", *BODIES),
            ),
        ),
        Route(
            method="GET",
            path=PATH,
            handler=halts.halts,
            name="listHalts",
            title="What is halted",
            text="Every halt that stands, who halted and why.",
            surface=SURFACE,
            scope=key_ring.Scope.ADMIN,
            replies=(Reply(status=200, body=Halts, when="The halts."), *replies()),
        ),
        _resuming(halts),
    )


def _resuming(halts: HaltRoutes) -> Route:
    kinds = {"type": "string", "enum": ["all", "account", "venue", "market"]}
    return Route(
        method="DELETE",
        path=PATH,
        handler=halts.resume,
        name="resume",
        title="Trade again",
        text="Lifts one halt by key or signal. What the halt file halts it alone lifts.",
        surface=SURFACE,
        scope=key_ring.Scope.ADMIN,
        parameters=(
            Parameter(name="scope", place="query", text="What was halted.", schema=kinds, required=True),
            Parameter(name="name", place="query", text="Which one; not for all."),
            Parameter(name="why", place="query", text="For the trail."),
        ),
        replies=(
            Reply(status=200, body=Resumed, when="It is lifted."),
            *replies("parse_error", "halt_not_found", "halted_by_file", "store_unavailable"),
        ),
    )
