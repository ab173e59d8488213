"""The entry point of the `crossbook` command."""

import signal
import sys

from router.runtime.dumps import forbid_dumps


def main() -> None:
    """Run the command line. Refuses to start without assertions: they are part of the design."""
    if not __debug__:
        sys.exit("crossbook: assertions are part of the program; run it without -O and PYTHONOPTIMIZE")
    forbid_dumps()
    try:
        from router.cli.app import app  # noqa: PLC0415  reading it takes a while, and Ctrl-C may come then
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    app()


if __name__ == "__main__":
    main()
