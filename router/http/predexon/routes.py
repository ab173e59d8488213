"""The Predexon routes: who may call, what they sent, what they are told."""

import asyncio

import msgspec
from aiohttp import web

from router.core.errors import Refusal
from router.core.model import AccountId
from router.http.body import BodyError, receive
from router.http.predexon import read, refusals, show_seed
from router.http.predexon.refusals import Word
from router.http.responses import REQUEST_ID, expectation, json_response
from router.runtime.accounts import Account
from router.runtime.keys import KeyRing
from router.service import Router

_encoder = msgspec.json.Encoder()


class SeedError(msgspec.Struct, frozen=True, rename="camel"):
    """The seed dialect's error body."""

    error: str
    error_code: str


class _Turned(Exception):
    """The request was turned away with this word."""

    def __init__(self, word: Word, message: str) -> None:
        super().__init__(message)
        self.word, self.message = word, message


class Orders:
    """`POST /api/accounts/{account_id}/router/orders`."""

    def __init__(self, router: Router, keys: KeyRing) -> None:
        self._router, self._keys = router, keys

    async def place(self, request: web.Request) -> web.Response:
        """Route one market order. The order goes on if the caller hangs up."""
        try:
            account = self._account(request)
            asked = read.market_order(await receive(request))
            route = self._router.route(account, asked, request_id=request[REQUEST_ID])
            status, body = show_seed.show(await asyncio.shield(route))
        except _Turned as turned:
            return _error(request, turned.word, turned.message)
        except BodyError as error:
            return _error(request, refusals.BODY_WORDS[type(error)], str(error))
        except read.ParseError as error:
            return _error(request, refusals.PARSE_ERROR, str(error))
        except Refusal as refusal:
            return _error(request, refusals.WORDS[type(refusal)], str(refusal))
        return json_response(status, body)

    def _account(self, request: web.Request) -> Account:
        """The account of the path, if the caller's key owns it."""
        given = request.headers.get("x-api-key")
        if given is None:
            raise _Turned(refusals.UNAUTHORIZED, "header x-api-key is required")
        key = self._keys.identify(given)
        if key is None:
            raise _Turned(refusals.INVALID_API_KEY, "x-api-key is not a valid key")
        account_id = AccountId(request.match_info["account_id"])
        account = self._router.account(account_id)
        if account is None:
            raise _Turned(refusals.ACCOUNT_NOT_FOUND, f"there is no account {account_id}")
        if not self._keys.owns(key, account_id):
            raise _Turned(refusals.ACCOUNT_NOT_OWNED, f"this key does not own account {account_id}")
        return account


def _error(request: web.Request, word: Word, message: str) -> web.Response:
    response = json_response(word.status, _encoder.encode(SeedError(message, word.code)))
    if "Expect" in request.headers and not request.content.is_eof():
        response.force_close()  # whether the body still comes is for the client to decide
    return response


def add(app: web.Application, router: Router, keys: KeyRing) -> None:
    """Put the surface's routes on the application."""
    orders = Orders(router, keys)
    app.router.add_post("/api/accounts/{account_id}/router/orders", orders.place, expect_handler=expectation)
