"""`crossbook record`: what the venues send, kept as it came, in the format that `crossbook replay` reads."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from router.assembly import MarketData, data_signers, open_accounts
from router.cli.recordings import BUFFER_BYTES_MAX, ROTATE_BYTES, Writer
from router.config import load
from router.runtime.clock import Clock
from router.runtime.logs import Redactor
from router.runtime.registry_file import read_registry
from router.runtime.session import Hooks
from venues import discover

FLUSH_S = 0.5
"""How often what came is brought to disk; a crash loses about this much."""


class DiskTooSlow(OSError):
    """Frames came faster than the disk took them. What is on disk is complete up to its last line."""


async def record(
    hooks: Hooks, folder: Path, clock: Clock, *, stop: asyncio.Event, rotate_bytes: int = ROTATE_BYTES
) -> list[Writer]:
    """Write every frame to files in `folder`, one series per venue, until `stop` is set.

    Returns what was written per venue. However it ends, files are complete and durable. Raises OSError when
    the disk fails or is too slow: a recording has no hole that is not its end.
    """
    writers: dict[str, Writer] = {}

    def heard(venue: str, connection: int, frame: str | bytes, now_ms: int) -> None:
        writer = writers.get(venue)
        if writer is None:
            writer = writers[venue] = Writer(folder, venue, rotate_bytes=rotate_bytes)
        writer.add(now_ms, connection, frame)

    hooks.on_frame = heard
    try:
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), FLUSH_S)
            except TimeoutError:
                await _flush(writers, clock)
    finally:
        hooks.on_frame = None
        try:
            await _flush(writers, clock)
        finally:
            for writer in writers.values():
                await asyncio.to_thread(writer.close)
    return list(writers.values())


async def _flush(writers: dict[str, Writer], clock: Clock) -> None:
    """Everything that waits, to disk, off the loop."""
    for writer in list(writers.values()):
        lines = writer.take()
        if lines:
            await asyncio.to_thread(writer.write, lines, clock.now_ms() // 1_000)
        if writer.overflowed:
            raise DiskTooSlow(f"more than {BUFFER_BYTES_MAX} bytes waited for the disk: recording ended")


async def record_live(
    config_file: Path,
    folder: Path,
    redactor: Redactor,
    *,
    seconds: int | None,
    emit: Callable[[str], None],
) -> int:
    """Record every book of the settings' registry, for so many seconds or until interrupted."""
    venues = discover()
    config = load(config_file, venues)
    market = MarketData(config, venues, data_signers(config, open_accounts(config, venues, redactor)))
    registry = read_registry(Path(config.registry.file), venues)
    stop = asyncio.Event()
    if seconds is not None:
        asyncio.get_running_loop().call_later(seconds, stop.set)
    recording = asyncio.create_task(record(market.feeds, folder, market.clock, stop=stop))
    try:
        await market.start(registry)
        written = await recording
    finally:
        stop.set()
        await asyncio.gather(recording, return_exceptions=True)
        await market.stop()
    for writer in written:
        emit(f"{writer.frames} frames in {', '.join(map(str, writer.paths))}")
    return 0 if written else 1
