"""The Predexon routes: who may call, what they sent, what they are told."""

import asyncio

import msgspec
import structlog
from aiohttp import web

from router.core.errors import InProgress, Refusal
from router.core.idempotency import KEY
from router.core.model import Key, MarketOrder
from router.http import table
from router.http.access import Access
from router.http.body import BodyError, receive
from router.http.predexon import read, refusals, show_seed
from router.http.predexon.refusals import PARSE_ERROR
from router.http.responses import REQUEST_ID, json_response
from router.http.table import Parameter, Reply, Route
from router.http.words import Word
from router.runtime import logs
from router.runtime.accounts import Account
from router.runtime.keys import Denied, KeyRing, Scope
from router.runtime.metrics import Metrics
from router.service import Router

log = structlog.get_logger(__name__)
_encoder = msgspec.json.Encoder()

RETRY_AFTER_S = 1
"""When to ask again about an order under way: most are answered within this time."""


PLACING = """\
Split over the venues that the account uses, by price with fees. A buy names `amount`, a sell `size`. The
order goes on when its caller hangs up: ask again with the same `Idempotency-Key` and be told its answer. An
error other than 502 `all_venues_failed` says that this request sent nothing to any venue."""
ACCOUNT_ID = Parameter(
    name="accountId", place="path", text="One of the accounts that the key owns.", required=True
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    text="What the caller calls this order. For a week a repeat is told the first answer and trades nothing.",
    schema={"type": "string", "pattern": f"^(?:{KEY.pattern})$"},
)


class SeedError(msgspec.Struct, frozen=True, rename="camel"):
    """The seed dialect's error body."""

    error: str
    error_code: str
    router_order_id: str | msgspec.UnsetType = msgspec.UNSET
    """Of the order under way, where that is why."""


class Orders:
    """`POST /api/accounts/{account_id}/router/orders`.

    Nothing here keeps a route's task by name: a refusal, whose traceback has the frames that it went through,
    would then hold the task that holds it, and the request with them, until a collection of cycles.
    """

    def __init__(self, router: Router, keys: KeyRing, metrics: Metrics) -> None:
        self._router, self._access, self._metrics = router, Access(router, keys), metrics

    async def place(self, request: web.Request) -> web.Response:
        """Route one market order. The order goes on if the caller hangs up."""
        try:
            account = self._access.account(request, Scope.TRADE)
            asked = read.asked(await receive(request))
            key = read.key(request.headers.getall("idempotency-key", ()), asked.client_order_id)
            if key is not None:
                return await self._once(request, account, asked.order, key)
            report = await asyncio.shield(
                self._router.route(account, asked.order, request_id=request[REQUEST_ID])
            )
            logs.bind(route=report.route_id)
            status, body = show_seed.show(report)
        except Denied as denied:
            return self._turned(request, refusals.ACCESS_WORDS[type(denied)], str(denied))
        except BodyError as error:
            return self._turned(request, refusals.BODY_WORDS[type(error)], str(error))
        except read.ParseError as error:
            return self._turned(request, PARSE_ERROR, str(error))
        except InProgress as refusal:
            return self._under_way(request, refusal)
        except Refusal as refusal:
            return self._error(request, refusals.WORDS[type(refusal)], str(refusal))
        return json_response(status, body)

    async def _once(
        self, request: web.Request, account: Account, order: MarketOrder, key: Key
    ) -> web.Response:
        """What the first request with this key is told, or was told."""
        reply, replayed = await asyncio.shield(
            self._router.route_once(account, order, key, request_id=request[REQUEST_ID], show=show_seed.show)
        )
        logs.bind(route=reply.route_id)
        response = json_response(reply.status, reply.body.encode())
        if replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def _under_way(self, request: web.Request, refusal: InProgress) -> web.Response:
        word, order_id = refusals.WORDS[InProgress], refusal.route_id or msgspec.UNSET
        response = self._error(request, word, str(refusal), order_id)
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response

    def _turned(self, request: web.Request, word: Word, message: str) -> web.Response:
        """It did not get as far as the router, which logs what it refuses itself."""
        log.info("request.refused", path=request.path, status=word.status, code=word.code, why=message)
        return self._error(request, word, message)

    def _error(
        self,
        request: web.Request,
        word: Word,
        message: str,
        order_id: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> web.Response:
        self._metrics.refusals.of(word.code).inc()
        response = json_response(word.status, _encoder.encode(SeedError(message, word.code, order_id)))
        if "Expect" in request.headers and not request.content.is_eof():
            response.force_close()  # whether the body still comes is for the client to decide
        return response


def routes(router: Router, keys: KeyRing, metrics: Metrics) -> tuple[Route, ...]:
    """The surface's routes."""
    orders = Orders(router, keys, metrics)
    return (
        Route(
            method="POST",
            path="/api/accounts/{account_id}/router/orders",
            handler=orders.place,
            name="placeOrder",
            title="Place a market order",
            text=PLACING,
            surface="Orders (Predexon's seed dialect)",
            scope=Scope.TRADE,
            body=read.SeedRequest,
            example={"predexonId": "px-k3v7q2mzt5wd", "side": "buy", "amount": "25.00"},
            parameters=(ACCOUNT_ID, IDEMPOTENCY_KEY),
            replies=(
                Reply(
                    status=201,
                    body=show_seed.SeedOrder,
                    when="Something was filled or may still be; `fills` has each venue order.",
                    headers=("Idempotent-Replayed",),
                ),
                Reply(
                    status=502,
                    body=show_seed.SeedOrder,
                    code=show_seed.ALL_VENUES_FAILED,
                    when="Every venue order failed, each with the venue's proof that nothing was done.",
                    headers=("Idempotent-Replayed",),
                ),
                Reply(
                    status=PARSE_ERROR.status,
                    code=PARSE_ERROR.code,
                    body=SeedError,
                    when="A field is missing or breaks its rule: `error` names both.",
                ),
                *table.refusals(refusals.ACCESS_WORDS, SeedError),
                *table.refusals(refusals.BODY_WORDS, SeedError),
                *table.refusals(refusals.WORDS, SeedError, headers={InProgress: ("Retry-After",)}),
            ),
        ),
    )
