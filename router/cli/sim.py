"""`crossbook sim`: venue simulators alone, for anyone's own integration tests against a venue's client."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from router.config import ConfigError
from venues import discover
from venues.base.contract import Venue
from venues.sim.model import Market
from venues.sim.server import SimServer, start_simulator

BALANCE = "10000"
"""Dollars of the ready-made account: enough for an afternoon of trying, and round."""
PORT_MAX = 65_535
TITLES = ("Will it rain in London tomorrow?", "Will the launch happen this month?")
"""One market each. Two, so that a mixed-up subscription shows."""


class SimListing(msgspec.Struct, frozen=True):
    """One book that can be traded."""

    native: str
    title: str


class SimFacts(msgspec.Struct, frozen=True):
    """One line of output: everything needed to point a venue's client at its simulator."""

    venue: str
    rest: str
    """What the venue's client takes for its REST base URL, path included."""
    ws: str
    """The market-data WebSocket."""
    rpc: str | None
    control: str
    hosts: Mapping[str, str]
    """What `[venues.<name>.hosts]` of Crossbook's own settings takes."""
    credentials: Mapping[str, str]
    listings: list[SimListing]


async def run_simulators(
    names: Sequence[str],
    *,
    port: int | None,
    seed: int,
    emit: Callable[[str], None],
    clock: Callable[[], int],
    stop: asyncio.Event,
) -> None:
    """Run these venues, or all when none is named, until `stop`; emits one JSON line for each.

    With a port, venues take consecutive ones in the order of the lines; 0 and None take free ones.
    ConfigError names an unknown venue and a port that there is not, OSError a taken one.
    """
    chosen = _choose(names)
    _check_ports(port or 0, len(chosen))
    servers: list[SimServer] = []
    try:
        for n, venue in enumerate(chosen):
            simulator = venue.simulator(seed)
            wishes = [{"title": title} for title in TITLES]
            at = port + n if port else 0
            server = await start_simulator(simulator, wishes, clock=clock, seed=seed, port=at)
            servers.append(server)
            emit(msgspec.json.encode(_facts(server)).decode())
        await stop.wait()
    finally:
        for server in servers:
            await server.stop()


def _choose(names: Sequence[str]) -> list[Venue]:
    found = discover()
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ConfigError(f"sim: no venue called {', '.join(unknown)}; there are {', '.join(sorted(found))}")
    return [found[name] for name in dict.fromkeys(names or sorted(found))]


def _check_ports(port: int, count: int) -> None:
    """The system would wrap a port that is too large and listen elsewhere."""
    if not 0 <= port <= PORT_MAX + 1 - count:
        raise ConfigError(f"--port: {count} ports from {port} on are asked for, and {PORT_MAX} is the last")


def _facts(server: SimServer) -> SimFacts:
    """The server's addresses, and a new account on it."""
    credentials = server.simulator.open_account({"balance": BALANCE}, server.clock.now())
    hosts = server.hosts
    return SimFacts(
        venue=server.simulator.name,
        rest=server.origin + server.simulator.prefix,
        ws=server.socket_origin + server.simulator.socket_path,
        rpc=hosts.get("rpc"),
        control=f"{server.origin}/_sim",
        hosts=hosts,
        credentials=credentials,
        listings=[
            listing
            for title, market in zip(TITLES, server.simulator.exchange.markets.values(), strict=True)
            for listing in _listings(title, market)
        ],
    )


def _listings(title: str, market: Market) -> list[SimListing]:
    """A market's books; a second book is that of the opposite outcome."""
    labels = ("", " (no)")
    return [
        SimListing(native, f"{title}{label}") for native, label in zip(market.natives, labels, strict=False)
    ]
