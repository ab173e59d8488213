"""One client before one simulator: a process each, started here and ended here."""

import json
import os
import select
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.clients import ROOT, Client
from conformance.environment import command
from conformance.judgement import Evidence, Step
from conformance.scene import MARK

SEED = 7
"""Any; the same one, so that a run can be repeated."""
START_S_MAX = 30
TRIAL_S_MAX = 180
"""The slowest client waits for settlements some ten times, a few seconds each."""
STOP_S_MAX = 10
COMPLAINT_MAX = 1_500
"""Characters of a script's last words: the end of a traceback."""


class NoSimulator(Exception):
    """`crossbook sim` did not start."""


def try_client(client: Client, home: Path) -> Evidence:
    """Run the client's script on a fresh simulator of its venue."""
    with _simulator(client.venue) as line:
        done = _run(client, home, line)
        with urllib.request.urlopen(f"{json.loads(line)['control']}/ledger", timeout=START_S_MAX) as reply:
            ledger = json.load(reply)
    said = [json.loads(text.removeprefix(MARK)) for text in done.stdout.splitlines() if text.startswith(MARK)]
    strangers = [entry["reached"] for entry in said if "reached" in entry]
    complaint = (
        done.stderr.strip()[-COMPLAINT_MAX:] or f"exit code {done.returncode}" if done.returncode else ""
    )
    if strangers:
        complaint = f"reached for {', '.join(sorted(set(strangers)))} {complaint}".strip()
    steps = [
        Step(entry["duty"], entry.get("call", ""), entry.get("saw") or entry["lacks"])
        for entry in said
        if "duty" in entry
    ]
    return Evidence(next((entry["told"] for entry in said if "told" in entry), ""), steps, complaint, ledger)


def _run(client: Client, home: Path, line: str) -> subprocess.CompletedProcess[str]:
    """The script, with no more of this machine's environment than it needs to run."""
    needed = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    arguments = command(client, home)
    try:
        return subprocess.run(
            arguments,
            input=line,
            env=needed,
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            timeout=TRIAL_S_MAX,
        )
    except subprocess.TimeoutExpired as late:
        out = late.stdout.decode() if isinstance(late.stdout, bytes) else ""
        return subprocess.CompletedProcess(arguments, 1, out, f"not done after {TRIAL_S_MAX} s")


@contextmanager
def _simulator(venue: str) -> Iterator[str]:
    """A running simulator; gives the JSON line that `crossbook sim` prints for it."""
    arguments = [str(Path(sys.executable).with_name("crossbook")), "sim", venue, "--seed", str(SEED)]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready, _, _ = select.select([process.stdout], [], [], START_S_MAX)
            line = process.stdout.readline() if ready else ""
            if not line:
                raise NoSimulator(f"{venue}: `crossbook sim` printed nothing within {START_S_MAX} s")
            yield line
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
