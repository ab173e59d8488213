"""What proof of identity costs: a signed Polymarket order with its headers, and a signed Kalshi request.

    python -m benchmarks.signing [--rounds 11]

Polymarket: from an order to the request that is sent: amounts, EIP-712 signature, body, L2 headers. Its floor
is the one ECDSA signature in it. Kalshi: RSA-PSS for one request, on the loop's thread and beside it.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import coincurve
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.record import microseconds, note, ratio, record, seconds
from router.runtime.transport import SIGNING_THREADS
from venues import discover
from venues.base.contract import Signer, Venue
from venues.base.http import Request
from venues.base.listing import Grid, Listing, Native
from venues.base.orders import Order, OrderId, Side
from venues.base.units import ONE, Cash, Price, Size

NOW_MS = 1_763_600_000_000
TOKEN = Native("71321045679252212594626385532706912750332728571942532289631379312455583992563")
SECRETS = {
    "private_key": "0x" + "4c" * 32,
    "api_key": "00000000-0000-0000-0000-000000000000",
    "api_secret": "c2VjcmV0IG9mIHRoZSBiZW5jaG1hcms=",
    "api_passphrase": "benchmark",
}
FUNDER = "0x" + "aa" * 20
KEY_BITS = 2048
TOGETHER = 16
"""Requests that want to be signed at once."""


def order(venue: str, native: Native) -> Order:
    """A buy of about a hundred shares."""
    listing = Listing(
        venue=venue, native=native, grid=Grid.uniform(10_000), lot=10_000, details={"neg_risk": "false"}
    )
    return Order(
        order_id=OrderId("6f1c1b0e-5c2b-4f7e-9a52-0d8f3b1c2a11"),
        listing=listing,
        side=Side.BUY,
        limit=Price(520_000),
        size=Size(100 * ONE),
        cash=Cash(52 * ONE),
        created_ms=NOW_MS,
        salt=479_249_096_354,
    )


def ready(venue: Venue, asked: Order, signer: Signer) -> Request:
    """The first request of placing an order, as it is sent."""
    return signer.sign(next(venue.orders.place(asked, signer)), NOW_MS)


def elliptic(rounds: int) -> dict[str, object]:
    """The wallet's signature: its own account, and a deposit wallet."""
    venue = discover()["polymarket"]
    own = venue.signer(SECRETS)
    deposit = venue.signer(SECRETS | {"signature_type": "3", "funder": FUNDER})
    asked = order(venue.name, TOKEN)
    key = coincurve.PrivateKey(bytes.fromhex(SECRETS["private_key"][2:]))
    unsigned = next(venue.orders.place(asked, own))
    candidates: dict[str, Callable[[], object]] = {
        "ecdsa": lambda: key.sign_recoverable(bytes(32), hasher=None),
        "own": lambda: ready(venue, asked, own),
        "deposit": lambda: ready(venue, asked, deposit),
        "headers": lambda: own.sign(unsigned, NOW_MS),
    }
    taken = seconds(candidates, rounds=rounds, times=200)
    return {
        "ecdsa_floor_us": microseconds(taken, "ecdsa"),
        "order_eoa_us": microseconds(taken, "own"),
        "ratio": ratio(taken, "own", "ecdsa"),
        "order_type3_us": microseconds(taken, "deposit"),
        "l2_headers_us": microseconds(taken, "headers"),
    }


async def beside(work: Callable[[], object], rounds: int) -> dict[str, object]:
    """In worker threads, as the transport does it: one at a time, many at once, and the loop's own share."""
    loop = asyncio.get_running_loop()
    alone: list[float] = []
    together: list[float] = []
    own: list[float] = []
    with ThreadPoolExecutor(SIGNING_THREADS) as pool:
        for _ in range(rounds * TOGETHER):
            start = time.perf_counter()
            await loop.run_in_executor(pool, work)
            alone.append(time.perf_counter() - start)
        for _ in range(rounds):
            start, busy = time.perf_counter(), time.thread_time()
            await asyncio.gather(*(loop.run_in_executor(pool, work) for _ in range(TOGETHER)))
            together.append((time.perf_counter() - start) / TOGETHER)
            own.append((time.thread_time() - busy) / TOGETHER)

    def middle(times: list[float]) -> float:
        return round(statistics.median(times) * 1e6, 1)

    return {
        "off_loop_us": middle(alone),
        "off_loop_16_at_once_us": middle(together),
        "off_loop_loop_thread_us": middle(own),
    }


def rsa(rounds: int) -> dict[str, object]:
    """The API key's signature."""
    venue = discover()["kalshi"]
    made = generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signer = venue.signer({"key_id": "benchmark", "private_key": pem})
    asked = order(venue.name, Native("KXBENCH-26NOV21"))
    request = next(venue.orders.place(asked, signer))
    work = partial(signer.sign, request, NOW_MS)
    taken = seconds({"sign": work, "order": lambda: ready(venue, asked, signer)}, rounds=rounds, times=30)
    figures: dict[str, object] = {
        "request_us": microseconds(taken, "sign"),
        "order_us": microseconds(taken, "order"),
    }
    return figures | asyncio.run(beside(work, rounds))


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    figures: dict[str, object] = {"polymarket": elliptic(rounds), "kalshi": rsa(rounds)}
    note(str(figures))
    record("signing", figures)


if __name__ == "__main__":
    main()
