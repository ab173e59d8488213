"""Being told to stop."""

import asyncio
import signal

INTERRUPTED = 130
"""The exit code of a command that was told to stop before it had done its work."""


def interrupted() -> asyncio.Event:
    """Set when the process gets SIGINT or SIGTERM. Needs a running loop."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
