"""`crossbook serve`: a router from a settings file, until it is told to stop."""

import asyncio
import gc
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import structlog

from registry.text import RegistryError
from router.assembly import Instance
from router.cli.signals import interrupted
from router.config import ConfigError, load
from router.runtime.aside import Aside
from router.runtime.logs import Redactor, configure
from router.runtime.registry_file import read_registry
from router.runtime.store.protocol import StoreLost
from venues import discover

log = structlog.get_logger(__name__)


async def serve(path: Path, redactor: Redactor, errors: Aside) -> None:
    """Run until SIGINT or SIGTERM. SIGHUP reads registry and certificate anew, each whole or not at all.

    SIGUSR1 halts all trading.

    Raises StoreLost when another process has taken over: then this one has ended too.
    """
    venues = discover()
    config = load(path, venues)
    configure(redactor, level=config.log.level, stream=errors)
    instance = Instance(config, venues, redactor)
    errors.count_dropped(instance.market.metrics.log_lines_dropped.inc)
    stop, changed = interrupted(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, changed.set)
    loop.add_signal_handler(signal.SIGUSR1, instance.switch.signalled)
    try:
        if await _ended(instance.start(), stop):
            settle_memory()
            reloading = asyncio.create_task(_reload(instance, changed))
            await _ended(instance.lost.wait(), stop)
            reloading.cancel()
    finally:
        await instance.stop()
    if instance.lost.is_set():
        raise StoreLost("another process has taken over the store; this one has ended")


async def _ended(work: Coroutine[Any, Any, object], stop: asyncio.Event) -> bool:
    """Whether the work ended before this process was told to stop; raises what it raised."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return False
    working.result()
    return True


def settle_memory() -> None:
    """What was made at the start stays: the collector need not look at it again, nor come often.

    One routed leg costs the loop about an eighth less this way (`python -m benchmarks http`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


async def _reload(instance: Instance, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        renew(instance)
        await reload(instance)


def renew(instance: Instance) -> None:
    """Show a changed certificate from now on; a broken one leaves the old in force."""
    try:
        instance.listener.renew()
    except ConfigError as error:
        log.warning("tls.refused", reason=str(error))


async def reload(instance: Instance) -> None:
    """Put a changed registry file in force, whole or not at all. Orders go on while it is read."""
    file = Path(instance.config.registry.file)
    try:
        registry = await asyncio.to_thread(read_registry, file, instance.venues)
    except RegistryError as error:
        log.warning("registry.refused", reason=str(error))
        return
    instance.market.follow(registry)
    instance.router.use(registry)
    log.info("registry.loaded", outcomes=len(registry))
