"""`/native/limits/{accountId}`: what an account may do, for keys with the scope admin."""

from typing import Annotated

import msgspec
from aiohttp import web

from router.core.controls import AccountLimits, CashLimits
from router.core.model import AccountId
from router.core.trail import WHY_LENGTH_MAX
from router.http.access import Access
from router.http.body import Malformed, receive, text_of
from router.http.native.refusals import BODIES, WORDS, refused, replies
from router.http.responses import json_response
from router.http.table import Parameter, Reply, Route
from router.runtime import wording
from router.runtime.control_settings import AccountControls
from router.runtime.keys import KeyRing, Scope
from router.service import Router
from venues.base.units import decimal

SURFACE = "Limits"
PATH = "/native/limits/{account_id}"
ACCOUNT_ID = Parameter(
    name="accountId", place="path", text="One of the accounts that the key owns.", required=True
)

_encoder = msgspec.json.Encoder()


class NewLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an admin sets for an account, whole: what is left out is as the settings say."""

    limits: AccountControls
    why: Annotated[str, msgspec.Meta(description="For the trail.", max_length=WHY_LENGTH_MAX)] = ""


class Money(msgspec.Struct, frozen=True):
    """Dollars, fees included."""

    order: str
    minute: str
    open: str


class LimitsShown(msgspec.Struct, frozen=True):
    """What an account may do now."""

    account: str
    cash: Money
    at: dict[str, Money]
    """By venue, where it is not the account's own."""
    override: AccountControls
    """What an admin has set of it."""


_decoder = msgspec.json.Decoder(NewLimits)


class LimitRoutes:
    """The handlers."""

    def __init__(self, router: Router, keys: KeyRing) -> None:
        self._router, self._access = router, Access(router, keys)

    async def show(self, request: web.Request) -> web.Response:
        """What the account may do."""
        try:
            account = self._access.account(request, Scope.ADMIN)
        except tuple(WORDS) as error:
            return refused(request, error)
        return self._shown(account.account_id)

    async def change(self, request: web.Request) -> web.Response:
        """In force once it is on the trail."""
        try:
            key = self._access.caller(request, Scope.ADMIN)
            account = self._access.account(request, Scope.ADMIN)
            asked = _asked(await receive(request))
            if unused := sorted(asked.limits.venues.keys() - account.venues):
                raise Malformed(f"limits.venues.{unused[0]}: the account does not use this venue")
            controls = self._router.controls
            by = f"key {key.name}"
            await controls.override(account.account_id, asked.limits, by=by, why=asked.why)
        except tuple(WORDS) as error:
            return refused(request, error)
        return self._shown(account.account_id)

    def _shown(self, account_id: AccountId) -> web.Response:
        controls = self._router.controls
        limits: AccountLimits = controls.limits(account_id)
        shown = LimitsShown(
            account_id,
            _money(limits.cash),
            {venue: _money(cash) for venue, cash in limits.at.items()},
            controls.overrides.get(account_id, AccountControls()),
        )
        return json_response(200, _encoder.encode(shown))


def _asked(body: bytes) -> NewLimits:
    try:
        return _decoder.decode(text_of(body))
    except msgspec.DecodeError as error:
        raise Malformed(wording.told(str(error), NewLimits)) from error


def _money(cash: CashLimits) -> Money:
    return Money(decimal(cash.order), decimal(cash.minute), decimal(cash.open))


def routes(router: Router, keys: KeyRing) -> tuple[Route, ...]:
    """The surface's routes."""
    limits = LimitRoutes(router, keys)
    return (
        Route(
            method="GET",
            path=PATH,
            handler=limits.show,
            name="getLimits",
            title="What an account may do",
            text="Its limits of money, and what an admin has set of all its limits.",
            surface=SURFACE,
            scope=Scope.ADMIN,
            parameters=(ACCOUNT_ID,),
            replies=(Reply(status=200, body=LimitsShown, when="The limits in force."), *replies()),
        ),
        Route(
            method="PUT",
            path=PATH,
            handler=limits.change,
            name="setLimits",
            title="Change what an account may do",
            text="Stands over the settings until it is set anew, over restarts too. `{}` takes it back.",
            surface=SURFACE,
            scope=Scope.ADMIN,
            body=NewLimits,
            example={"limits": {"order_usd": "250", "depth_percent": 80}, "why": "ticket 12"},
            parameters=(ACCOUNT_ID,),
            replies=(
                Reply(status=200, body=LimitsShown, when="They are in force, and on the trail."),
                *replies("parse_error", "store_unavailable", *BODIES),
            ),
        ),
    )
