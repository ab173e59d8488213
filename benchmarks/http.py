"""POST of a market order with 1 and with 6 legs, against bare aiohttp servers that do only the I/O.

    python -m benchmarks.http [--rounds 5] [--seconds 2] [--connections 1,16,64]

The router runs as in production: intent on disk before an order leaves, lanes, balances, metrics, logs. The
bare server decodes the same body, posts as many orders to the same instant venue and encodes an equal answer;
it stores, plans, signs and logs nothing. The durable one is the bare one whose intents and answers are on the
disk, by the router's own store, and whose orders leave over the router's own connections: what is left to the
router is all that it decides. Rounds are interleaved; ratios are medians over the rounds.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks.http_load import Load, drive, once
from benchmarks.http_servers import OUTCOMES
from benchmarks.processes import CLIENT_CPU, FOLDER, pin, running
from benchmarks.record import note, record

AMOUNTS = {1: "5.00", 6: "50.00"}
"""By legs: what only so many of the best levels can fill."""
WARM_S = 0.5
SERVERS = "benchmarks.http_servers"


def request(path: str, legs: int, key: str = "") -> bytes:
    """A whole HTTP request."""
    body = json.dumps({"predexonId": OUTCOMES[legs], "side": "buy", "amount": AMOUNTS[legs]}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nx-api-key: {key}\r\n"
    )
    return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def to_router(facts: Mapping[str, Any], legs: int) -> list[bytes]:
    """One request per account."""
    paths = [f"/api/accounts/{account}/router/orders" for account in facts["accounts"]]
    return [request(path, legs, facts["key"]) for path in paths]


async def answer_to(facts: Mapping[str, Any], legs: int) -> object:
    """The router's answer, checked: as many venues as it is about, all filled."""
    answer = json.loads(await once(facts["port"], to_router(facts, legs)[0]))
    assert [fill["status"] for fill in answer["fills"]] == ["filled"] * legs, answer
    return answer


class Loads(NamedTuple):
    """What each server did in one round of one case."""

    bare: Load
    durable: Load
    router: Load


async def measure(servers: Sequence[Mapping[str, Any]], asked: argparse.Namespace) -> dict[str, list[Loads]]:
    """The rounds, by case. The servers are the bare one, the durable one and the router."""
    bare, durable, router = servers
    found: dict[str, list[Loads]] = {}
    for turn in range(asked.rounds + 1):
        for legs in OUTCOMES:
            for connections in asked.connections:
                seconds = asked.seconds if turn else WARM_S
                plain = [request(f"/{legs}", legs)] * connections
                loads = Loads(
                    await drive(bare["port"], plain, connections, seconds),
                    await drive(durable["port"], plain, connections, seconds),
                    await drive(router["port"], to_router(router, legs), connections, seconds),
                )
                if turn:
                    found.setdefault(f"legs={legs} c={connections}", []).append(loads)
    return found


def row(rounds: Sequence[Loads]) -> dict[str, float]:
    """The medians of one case."""

    def middle(of: Callable[[Loads], float], digits: int = 0) -> float:
        return round(statistics.median(of(loads) for loads in rounds), digits or None)

    return {
        "bare_per_s": middle(lambda each: each.bare.per_s),
        "durable_per_s": middle(lambda each: each.durable.per_s),
        "router_per_s": middle(lambda each: each.router.per_s),
        "throughput_ratio": middle(lambda each: each.router.per_s / each.bare.per_s, 2),
        "throughput_ratio_durable": middle(lambda each: each.router.per_s / each.durable.per_s, 2),
        "bare_p50_us": middle(lambda each: each.bare.p50_us),
        "durable_p50_us": middle(lambda each: each.durable.p50_us),
        "router_p50_us": middle(lambda each: each.router.p50_us),
        "p50_ratio": middle(lambda each: each.router.p50_us / each.bare.p50_us, 2),
        "p50_ratio_durable": middle(lambda each: each.router.p50_us / each.durable.p50_us, 2),
        "router_p99_us": middle(lambda each: each.router.p99_us),
    }


async def run(asked: argparse.Namespace) -> dict[str, object]:
    """Start everything, measure, end everything."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-http-", dir=FOLDER))

        def start(*words: str) -> Mapping[str, Any]:
            return stack.enter_context(running(Path(folder) / "errors.log", *words))

        venue = start("benchmarks.stand_in_server")
        router = start(SERVERS, "router", json.dumps(venue), folder)
        answers = {legs: await answer_to(router, legs) for legs in OUTCOMES}
        facts = json.dumps(venue), json.dumps(answers)
        floors = [start(SERVERS, kind, *facts) for kind in ("bare", "durable")]
        found = await measure([*floors, router], asked)
    return {case: row(rounds) for case, rounds in found.items()}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument(
        "--connections", type=lambda text: [int(c) for c in text.split(",")], default=[1, 16, 64]
    )
    parser.add_argument("--dry", action="store_true", help="print only")
    asked = parser.parse_args()
    pin(CLIENT_CPU)
    figures = uvloop.run(run(asked))
    for case, values in figures.items():
        note(f"{case:12} {values}")
    if not asked.dry:
        record("http", figures)


if __name__ == "__main__":
    main()
