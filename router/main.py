"""The entry point of the `crossbook` command."""

import sys

from router.cli.app import app


def main() -> None:
    """Run the command line. Refuses to start without assertions: they are part of the design."""
    if not __debug__:
        sys.exit("crossbook: assertions are part of the program; run it without -O and PYTHONOPTIMIZE")
    app()
