"""Try the official clients: `python -m conformance [NAME]...`, a client's or a venue's; all without a name.

Only a run of all of them writes docs/conformance.md. The exit code says whether all passed.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date

from conformance.clients import Client, chosen, clients
from conformance.environment import NotInstalled, prepare
from conformance.judgement import faults
from conformance.report import REPORT, Trial, write
from conformance.trial import NoSimulator, try_client


def main(arguments: Sequence[str]) -> int:
    """One client after the other; one that fails does not stop the rest."""
    parser = argparse.ArgumentParser(prog="python -m conformance")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a client or a venue")
    names = parser.parse_args(arguments).names
    known = clients()
    try:
        picked = chosen(names, known)
    except ValueError as error:
        parser.error(str(error))
    trials = [attempt(client) for client in picked]
    if picked == known:
        write(trials, date.today())
        print(f"written: {REPORT}")
    failed = [trial.client.name for trial in trials if trial.faults]
    print(f"{len(trials) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not trials else 0


def attempt(client: Client) -> Trial:
    """Install, run, judge and show one client."""
    print(f"{client.venue}: {client.package} {client.version} ({client.registry})", flush=True)
    try:
        evidence = try_client(client, prepare(client))
    except (NotInstalled, NoSimulator) as error:
        trial = Trial(client, "", (), [str(error)])
    else:
        trial = Trial(client, evidence.told, evidence.steps, faults(evidence))
    for step in trial.steps:
        print(f"  {step.duty:15} {step.call or '-'}: {step.saw}")
    for fault in trial.faults:
        print(f"  FAULT {fault}")
    return trial


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
