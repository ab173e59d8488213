"""Recordings: what came is what is read back, whatever it was and however the writing ended."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli import recordings
from router.cli.record import DiskTooSlow, record
from router.cli.recordings import Damaged, Frame, Writer, read
from router.runtime.clock import SystemClock
from router.runtime.session import Hooks

FRAMES = [
    '{"a": 1.10, "b": [1, 2]}',
    '[{"a":\n"é"}]',
    "PONG",
    '"PONG"',
    "{broken",
    "",
    '{"n": 1e400}',
    "a\nb",
]


def said(number: int, name: str = "n") -> str:
    return json.dumps({name: number})


def texts(path: Path) -> list[str]:
    return [line.text.decode() for line in read(path) if isinstance(line, Frame)]


def test_every_frame_is_read_back_as_it_came(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "new", "acme")
    for number, frame in enumerate(FRAMES):
        writer.add(1_000 + number, number % 2 + 1, frame if number % 3 else frame.encode())
    writer.write(writer.take(), 1_790_000_000)
    writer.close()
    [path] = writer.paths
    assert path.name == "acme-20260921T141320Z-001.jsonl.gz"
    assert [text.replace("\n", " ") for text in texts(path)] == [frame.replace("\n", " ") for frame in FRAMES]
    found = list(read(path))
    assert [(line.at_ms, line.connection) for line in found if isinstance(line, Frame)] == [
        (1_000 + number, number % 2 + 1) for number in range(len(FRAMES))
    ]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_keeps_its_meaning(value: object) -> None:
    text = json.dumps(value, indent=1)
    line = recordings._as_json(text.encode())
    assert b"\n" not in line
    assert json.loads(line) == (value if not isinstance(value, str) else text)


@given(st.binary())
def test_any_bytes_make_one_readable_line(raw: bytes) -> None:
    line = b'{"t":1,"conn":1,"frame":%s}\n' % recordings._as_json(raw)
    assert line.count(b"\n") == 1
    assert isinstance(recordings._read(1, line), Frame)


def test_a_full_file_is_followed_by_the_next(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "acme", rotate_bytes=100)
    for number in range(10):
        writer.add(number, 1, said(number))
    writer.write(writer.take(), 0)
    writer.close()
    assert len(writer.paths) == 5
    assert [text for path in writer.paths for text in texts(path)] == [said(n) for n in range(10)]


def test_a_recording_that_broke_off_is_read_up_to_there(tmp_path: Path) -> None:
    whole = b"".join(b'{"t":%d,"frame":{"n":%d}}\n' % (n, n) for n in range(1_000))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(whole)[:-20])
    found = list(read(path))
    assert isinstance(found[-1], Damaged)
    assert len(found) > 100
    assert all(isinstance(line, Frame) for line in found[:-1])


def test_what_the_disk_cannot_take_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "BUFFER_BYTES_MAX", 100)
    writer = Writer(tmp_path, "acme")
    for number in range(10):
        writer.add(number, 1, "{}")
    assert writer.overflowed
    writer.take()
    writer.add(11, 1, "{}")
    assert writer.take() == [], "nothing is taken after a hole"
    assert writer.frames == 3


async def hear(hooks: Hooks, frames: int) -> None:
    while hooks.on_frame is None:
        await asyncio.sleep(0)
    for number in range(frames):
        hooks.on_frame("acme", 1, said(number), number)
        hooks.on_frame("north", 2, said(number, "m"), number)


async def test_what_is_heard_is_on_disk_when_the_recording_ends(tmp_path: Path) -> None:
    hooks, stop = Hooks(), asyncio.Event()
    task = asyncio.create_task(record(hooks, tmp_path, SystemClock(), stop=stop))
    await hear(hooks, 50)
    stop.set()
    written = await task
    assert hooks.on_frame is None
    assert [(writer.frames, len(writer.paths)) for writer in written] == [(50, 1), (50, 1)]
    assert texts(written[0].paths[0]) == [said(n) for n in range(50)]
    assert texts(written[1].paths[0]) == [said(n, "m") for n in range(50)]


async def test_a_recording_that_is_cancelled_is_complete(tmp_path: Path) -> None:
    hooks = Hooks()
    task = asyncio.create_task(record(hooks, tmp_path, SystemClock(), stop=asyncio.Event()))
    await hear(hooks, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sum(len(texts(path)) for path in tmp_path.iterdir()) == 10


async def test_a_hole_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "BUFFER_BYTES_MAX", 100)
    hooks, stop = Hooks(), asyncio.Event()
    task = asyncio.create_task(record(hooks, tmp_path, SystemClock(), stop=stop))
    await hear(hooks, 50)
    stop.set()
    with pytest.raises(DiskTooSlow):
        await task
