"""A crash leaves no image of the process: its memory holds the accounts' keys."""

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4
"""From `linux/prctl.h`. It also keeps other processes of the same user from reading our memory."""


def forbid_dumps() -> None:
    """From now on, for this process; the limit also for those it starts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a dump that is piped to a collector does not ask for the limit
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
