"""The words of the command line: what each takes, and how its errors are shown."""

import sys
from collections.abc import Callable, Coroutine
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import uvloop
from rich.console import Console

from registry.text import RegistryError
from router.cli import book as book_view
from router.cli import client
from router.cli import demo as demo_run
from router.cli import doctor as doctor_run
from router.cli import halts as halts_file
from router.cli import keys as keys_commands
from router.cli import order as order_call
from router.cli import record as record_run
from router.cli import replay as replay_run
from router.cli import serve as server
from router.cli import sim as sim_run
from router.cli.scenario import NoScenario
from router.cli.scenario import names as scenarios
from router.cli.signals import INTERRUPTED, interrupted
from router.config import ConfigError
from router.core.halts import Scope
from router.runtime import logs
from router.runtime.accounts import CredentialError
from router.runtime.aside import Aside
from router.runtime.clock import SystemClock
from router.runtime.keys import digest, new_key
from router.runtime.store.protocol import StoreFault
from venues import discover


class Speed(Enum):
    """How fast recorded frames are driven."""

    FULL = "full"
    RECORDED = "recorded"


EXPECTED = (
    ConfigError,
    CredentialError,
    NoScenario,
    RegistryError,
    StoreFault,
    client.Unreachable,
    OSError,
)
"""Errors that a user can mend: shown as one line, without a traceback."""

app = typer.Typer(
    name="crossbook",
    help="A self-hosted smart order router for prediction markets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(keys_commands.app, name="keys")

ConfigFile = Annotated[Path, typer.Option("--config", help="The settings file (TOML).")]
redactor = logs.Redactor()
"""Knows the secrets of this process; every log line passes it."""

Seed = Annotated[int, typer.Option(help="The same seed gives the same accounts, ids and books.")]


def _run(work: Coroutine[Any, Any, int | None]) -> None:
    """Run to the end and leave with its exit code."""
    try:
        code = uvloop.run(work)
    except EXPECTED as error:
        sys.exit(f"crossbook: {error}")
    except KeyboardInterrupt:
        code = INTERRUPTED
    raise typer.Exit(code or 0)


@app.command()
def serve(config: ConfigFile = Path("crossbook.toml")) -> None:
    """Run the router from a settings file."""
    with closing(Aside(sys.stderr.fileno())) as errors:
        _run(server.serve(config, redactor, errors))


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Place one order, print it, end; 0 only on 201.")
    ] = False,
    no_order: Annotated[bool, typer.Option("--serve", help="Place no order; keep running.")] = False,
    port: Annotated[int, typer.Option(help="Where the router listens; 0 takes a free port.")] = 0,
    seed: Seed = 1,
    scenario: Annotated[
        str | None, typer.Option(help=f"Not all venues, but one of: {', '.join(scenarios())}.")
    ] = None,
) -> None:
    """Start a router with simulated venues and place one routed order through HTTP."""
    if once and no_order:
        sys.exit("crossbook: --once places an order and --serve places none: choose one")
    with closing(Aside(sys.stderr.fileno())) as errors:
        logs.configure(redactor, level="warning", stream=errors)
        run = demo_run.demo(
            *(redactor, typer.echo, errors),
            once=once,
            order=not no_order,
            port=port,
            seed=seed,
            scenario=scenario,
        )
        _run(run)


@app.command()
def order(
    side: Annotated[str, typer.Argument(help="buy or sell")],
    outcome: Annotated[str, typer.Argument(metavar="PREDEXON_ID")],
    quantity: Annotated[str, typer.Argument(help="Dollars to spend on a buy, shares of a sell.")],
    url: Annotated[str, typer.Option(envvar="CROSSBOOK_URL", help="The router.")] = "http://127.0.0.1:8080",
    key: Annotated[str, typer.Option(envvar="CROSSBOOK_API_KEY", help="The API key.")] = "",
    account: Annotated[str, typer.Option(envvar="CROSSBOOK_ACCOUNT", help="The account.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print the answer as received.")] = False,
) -> None:
    """Send one market order to a running router. Exit code 0 only on 201."""
    if not key or not account:
        sys.exit("crossbook: --key (CROSSBOOK_API_KEY) and --account (CROSSBOOK_ACCOUNT) are required")
    asked = {"predexonId": outcome, "side": side, "amount" if side == "buy" else "size": quantity}
    _run(order_call.place(url, (key, account), asked, raw=typer.echo if json else None))


@app.command()
def halt(
    kind: Annotated[str, typer.Argument(help="all, account, venue or market")],
    name: Annotated[str, typer.Argument(help="Which one; a market is an outcome's id or VENUE:BOOK.")] = "",
    why: Annotated[str, typer.Option(help="For those who find it halted.")] = "",
    config: ConfigFile = Path("crossbook.toml"),
) -> None:
    """Stop trading at once: nothing new is sent; cancels and look-ups go on. Survives restarts."""
    _file_of_halts(lambda scope: halts_file.halt(config, scope, why, emit=typer.echo), kind, name)


@app.command()
def resume(
    kind: Annotated[str, typer.Argument(help="all, account, venue or market")],
    name: Annotated[str, typer.Argument(help="Which one.")] = "",
    config: ConfigFile = Path("crossbook.toml"),
) -> None:
    """Lift what `halt` stopped."""
    _file_of_halts(lambda scope: halts_file.resume(config, scope, emit=typer.echo), kind, name)


def _file_of_halts(act: Callable[[Scope], int], kind: str, name: str) -> None:
    try:
        code = act(Scope(kind, name))
    except (*EXPECTED, ValueError) as error:
        sys.exit(f"crossbook: {error}")
    raise typer.Exit(code)


@app.command()
def book(
    outcome: Annotated[str, typer.Argument(metavar="PREDEXON_ID")],
    config: ConfigFile = Path("crossbook.toml"),
    once: Annotated[bool, typer.Option("--once", help="Print the book once and end.")] = False,
) -> None:
    """Show an outcome's merged book, live, with the venue and fee of every level."""
    logs.configure(redactor, level="error")
    _run(book_view.show(config, outcome, redactor, once=once))


@app.command()
def doctor(config: ConfigFile = Path("crossbook.toml")) -> None:
    """Check settings, registry, clocks, venues and credentials."""
    logs.configure(redactor, level="error")
    _run(doctor_run.examine(config, redactor))


@app.command()
def sim(
    venues: Annotated[
        list[str] | None, typer.Argument(metavar="[VENUE]...", help="All when none is named.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="First port, each venue takes the next one; free ones if not given.")
    ] = None,
    seed: Seed = 1,
) -> None:
    """Run venue simulators alone; prints one JSON line per venue."""
    logs.configure(redactor, level="warning")
    _run(_simulate(venues or [], port, seed))


async def _simulate(venues: list[str], port: int | None, seed: int) -> int:
    stop = interrupted()
    clock = SystemClock().now_ms
    await sim_run.run_simulators(venues, port=port, seed=seed, emit=typer.echo, clock=clock, stop=stop)
    return 0


@app.command()
def replay(
    paths: Annotated[list[Path], typer.Argument(help="Recordings: .jsonl or .jsonl.gz")],
    speed: Annotated[Speed, typer.Option(help="As fast as possible, or as recorded.")] = Speed.FULL,
    venue: Annotated[
        str | None, typer.Option(help="Whose frames they are; found by trying if not given.")
    ] = None,
    keep_numbers: Annotated[
        bool, typer.Option(help="Do not close the holes that cutting left in sequences.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per recording.")] = False,
) -> None:
    """Drive recorded frames through the books and compare with slow exact ones; 0 if none was wrong."""
    numbering: Literal["auto", "keep"] = "keep" if keep_numbers else "auto"
    try:
        reports = replay_run.replay(paths, discover(), speed=speed.value, venue=venue, numbering=numbering)
        code = replay_run.show(reports, Console(), json=typer.echo if json else None)
    except ValueError as error:
        sys.exit(f"crossbook: {error}")
    raise typer.Exit(code)


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(help="Where the recordings go.")],
    config: ConfigFile = Path("crossbook.toml"),
    seconds: Annotated[
        int | None, typer.Option(min=1, help="How long; until interrupted if not given.")
    ] = None,
) -> None:
    """Record every frame of the registry's books, in the format that replay reads."""
    logs.configure(redactor, level="warning")
    _run(record_run.record_live(config, folder, redactor, seconds=seconds, emit=typer.echo))


@app.command()
def key() -> None:
    """Make an API key: its text, shown once, and the digest that goes into the settings."""
    made = new_key()
    typer.echo(f'API key (shown once): {made}\n\n[keys.NAME]\nsha256 = "{digest(made)}"\naccounts = []')
