"""A caller of the router's own HTTP interface: for `order`, `demo` and anything else on this side of it."""

import asyncio

import aiohttp
import msgspec

CALL_S_MAX = 30
"""Longer than the router takes to answer any order."""


POLL_MS = 20
"""Between two looks at a router that is starting."""


class Unreachable(Exception):
    """The router did not answer."""


class Answered(msgspec.Struct, frozen=True):
    """Status and body as received."""

    status: int
    body: bytes


async def place(base_url: str, api_key: str, account_id: str, order: dict[str, str]) -> Answered:
    """`POST /api/accounts/{account_id}/router/orders`."""
    url = f"{base_url.rstrip('/')}/api/accounts/{account_id}/router/orders"
    if not base_url.startswith(("http://", "https://")):
        raise Unreachable(f"{base_url}: an address begins with http:// or https://; nothing was sent")
    timeout = aiohttp.ClientTimeout(total=CALL_S_MAX)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=order, headers={"x-api-key": api_key}) as response,
        ):
            return Answered(response.status, await response.read())
    except aiohttp.ClientConnectorCertificateError as error:
        trust = "SSL_CERT_FILE=PATH names the certificate to trust"
        raise Unreachable(f"{url}: its certificate is not trusted, nothing was sent; {trust}") from error
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
        raise Unreachable(f"{url} cannot be reached, nothing was sent: {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        doubt = "the order may have been placed: look at the venues before you send it again"
        raise Unreachable(f"no answer from {url} ({type(error).__name__}); {doubt}") from error


async def wait_until_ready(base_url: str, wait_ms: int) -> None:
    """Ask until the router takes orders and has its books. Unreachable says what was missing at the end."""
    missing = "no answer"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S_MAX)) as session:
        for _ in range(max(1, wait_ms // POLL_MS)):
            try:
                async with session.get(f"{base_url}/ready") as response:
                    if response.status == 200:
                        return
                    missing = (await response.read()).decode(errors="replace")
            except (aiohttp.ClientError, TimeoutError) as error:
                missing = type(error).__name__
            await asyncio.sleep(POLL_MS / 1000)
    raise Unreachable(f"{base_url} did not become ready within {wait_ms} ms: {missing}")
