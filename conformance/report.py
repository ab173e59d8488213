"""`docs/conformance.md`: which client did what on which day, and the verdict."""

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from conformance.clients import ROOT, Client
from conformance.judgement import DUTIES, Step

REPORT = ROOT / "docs" / "conformance.md"
NODE_S_MAX = 10
HEAD = """\
# Conformance

The venues' official clients, unchanged, on our simulators. `make conformance` writes this file: do not edit.

Each client is installed at the version below, by hash, in an environment of its own under `build/`. There it
trades on a fresh `crossbook sim` through its own functions: a marketable buy, a marketable sell, an order
that rests, is read, listed and cancelled, balances, positions, and the streams where it has them. What it
says is compared with the simulator's ledger. When it has ended, the ledger is judged once more without it:
a buy and a sell traded, an order was cancelled whole, nothing is left resting, the fills add up to the
orders, and positions and cash are what the fills explain. A client that reaches for another machine fails.

The scripts are `venues/<venue>/conformance/<client>/trade.*`: some hundred lines each, to be read.
"""


@dataclass(frozen=True)
class Trial:
    """One client, tried."""

    client: Client
    told: str
    steps: Sequence[Step]
    faults: Sequence[str]


def write(trials: Sequence[Trial], day: date, path: Path = REPORT) -> None:
    """The whole file, from these trials."""
    path.write_text(text(trials, day, f"Python {platform.python_version()}, Node {_node()}"))


def text(trials: Sequence[Trial], day: date, machines: str) -> str:
    """The whole file. The same trials give the same bytes."""
    rows = [
        f"| {trial.client.venue} | `{trial.client.package}` ({trial.client.registry}) "
        f"| {trial.client.version} | {day} | {_calls(trial)} | {_verdict(trial)} |"
        for trial in trials
    ]
    table = [
        "| venue | client | version | date | duties done by its own calls | verdict |",
        "|---|---|---|---|---|---|",
    ]
    parts = [HEAD, f"Run on {day} with {machines}.\n", "\n".join([*table, *rows]) + "\n"]
    return "\n".join([*parts, *(_section(trial) for trial in trials)])


def _section(trial: Trial) -> str:
    lines = [
        f"## {trial.client.package} {trial.client.version} ({trial.client.venue}, {trial.client.registry})",
        "",
    ]
    lines += [f"Told the address by: {trial.told or 'not said'}", ""]
    lines += [f"- {_cell(fault)}" for fault in trial.faults] + ([""] if trial.faults else [])
    lines += ["| duty | the client's calls | what came of it |", "|---|---|---|"]
    order = {duty: rank for rank, duty in enumerate(DUTIES)}
    for step in sorted(trial.steps, key=lambda step: order.get(step.duty, len(order))):
        call = f"`{step.call}`" if step.call else "none"
        lines.append(f"| {step.duty} | {call} | {_cell(step.saw)} |")
    return "\n".join(lines) + "\n"


def _calls(trial: Trial) -> str:
    done = sum(1 for step in trial.steps if step.call)
    without = [step.duty for step in trial.steps if not step.call]
    return f"{done} of {len(DUTIES)}" + (f"; it has no {', '.join(without)}" if without else "")


def _verdict(trial: Trial) -> str:
    if not trial.faults:
        return "passed"
    return f"**failed**: {len(trial.faults)} fault{'s' if len(trial.faults) > 1 else ''}, below"


def _cell(words: str) -> str:
    return " ".join(words.replace("|", "\\|").split())


def _node() -> str:
    try:
        done = subprocess.run(
            ["node", "--version"], capture_output=True, text=True, check=False, timeout=NODE_S_MAX
        )
    except FileNotFoundError:
        return "none"
    return done.stdout.strip().removeprefix("v")
