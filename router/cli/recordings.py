"""Recorded market data on disk: JSON lines, plain or gzip, one frame a line with our time of its arrival.

    {"t": Unix ms, "conn": 1, "frame": the venue's own message}

`conn` numbers the sockets of one recording (a reconnect is a new one) and may be left out; each has its own
protocol state. A frame that is no JSON is kept as a JSON string. Other kinds of lines are recognised and left
to the reader.
"""

import gzip
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

LINE_BYTES_MAX = 16 * 1024 * 1024
"""A line longer than this is no market data."""
BUFFER_BYTES_MAX = 64 * 1024 * 1024
"""What may wait for the disk: half a minute of the busiest feed measured. More ends the recording."""
ROTATE_BYTES = 256 * 1024 * 1024
"""A new file after this much text, so that a damaged one costs little."""
COMPRESSION = 5

KINDS = (("frame", "frame"), ("body", "REST book"), ("outcome", "pair or top of book"))
"""Lines by the field that tells: the first one present decides."""


class Frame(msgspec.Struct, frozen=True):
    """One recorded frame, as the feed received it."""

    at_ms: int
    connection: int
    text: bytes


class Other(msgspec.Struct, frozen=True):
    """A line that is no frame."""

    number: int
    kind: str


class Damaged(msgspec.Struct, frozen=True):
    """A line that cannot be read, or the place where the file breaks off."""

    number: int
    reason: str


class _Line(msgspec.Struct):
    t: int
    frame: msgspec.Raw
    conn: int = 1


_line = msgspec.json.Decoder(_Line)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_raw = msgspec.json.Decoder(msgspec.Raw)


def files(paths: Sequence[Path]) -> list[Path]:
    """The recordings among these paths, folders searched through. A path that is none is a ValueError."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.name.endswith((".jsonl", ".jsonl.gz")))
        elif path.is_file():
            found.append(path)
        else:
            raise ValueError(f"{path}: no such file or folder")
    if not found:
        raise ValueError(f"no .jsonl or .jsonl.gz file in {', '.join(map(str, paths))}")
    return list(dict.fromkeys(found))


def read(path: Path) -> Iterator[Frame | Other | Damaged]:
    """Every line of a recording. A file that breaks off ends in Damaged."""
    opener = gzip.open if path.name.endswith(".gz") else open
    number = 0
    with opener(path, "rb") as file:
        try:
            while line := file.readline(LINE_BYTES_MAX):
                number += 1
                if line.strip():
                    yield _read(number, line)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield Damaged(number + 1, str(error))


def _read(number: int, line: bytes) -> Frame | Other | Damaged:
    try:
        read_line = _line.decode(line)
    except ValueError as error:
        return _other(number, line, error)
    text = bytes(read_line.frame)
    if text.startswith(b'"'):
        text = _text.decode(text).encode()
    return Frame(read_line.t, read_line.conn, text)


def _other(number: int, line: bytes, error: ValueError) -> Other | Damaged:
    try:
        fields = _fields.decode(line)
    except ValueError as worse:
        return Damaged(number, str(worse))
    if "frame" in fields:
        return Damaged(number, str(error))
    return Other(number, next((kind for field, kind in KINDS if field in fields), "unknown kind"))


class Writer:
    """Appends one venue's frames to files of a folder: `NAME-YYYYMMDDTHHMMSSZ-NNN.jsonl.gz`.

    `add` only remembers; `take` and `write` bring it to disk, so that the slow half can run in a thread.
    """

    def __init__(self, folder: Path, name: str, *, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._folder, self._name, self._rotate_bytes = folder, name, rotate_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._file: gzip.GzipFile | None = None
        self._file_bytes = 0
        self.paths: list[Path] = []
        """The files written so far, the current one last."""
        self.frames = 0
        """Frames on disk or on the way there."""
        self.overflowed = False
        """The disk could not keep up: nothing more is taken, so that no hole is hidden in the recording."""

    def add(self, at_ms: int, connection: int, frame: str | bytes) -> None:
        """Remember one frame."""
        raw = frame.encode() if isinstance(frame, str) else frame
        line = b'{"t":%d,"conn":%d,"frame":%s}\n' % (at_ms, connection, _as_json(raw))
        if self._waiting_bytes + len(line) > BUFFER_BYTES_MAX:
            self.overflowed = True
        if self.overflowed:
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self.frames += 1

    def take(self) -> list[bytes]:
        """The lines that wait; the caller owes them to `write`, in order."""
        lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return lines

    def write(self, lines: Sequence[bytes], now_s: int) -> None:
        """Bring these lines to disk, in a new file where the current one is full. OSError when it cannot."""
        for line in lines:
            if self._file is None or self._file_bytes + len(line) > self._rotate_bytes:
                self.close()
                self._file = self._open(now_s)
                self._file_bytes = 0
            self._file.write(line)
            self._file_bytes += len(line)

    def close(self) -> None:
        """End the current file: complete, and durable."""
        if self._file is None:
            return
        file, self._file = self._file, None
        file.close()
        descriptor = os.open(self.paths[-1], os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _open(self, now_s: int) -> gzip.GzipFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
        path = self._folder / f"{self._name}-{stamp}-{len(self.paths) + 1:03d}.jsonl.gz"
        self.paths.append(path)
        return gzip.open(path, "xb", compresslevel=COMPRESSION)


def _as_json(raw: bytes) -> bytes:
    """The frame itself where it is JSON, on one line; else a JSON string of it."""
    try:
        _raw.decode(raw)
        text = raw.decode()
    except ValueError:
        return msgspec.json.encode(raw.decode(errors="replace"))
    if text.startswith('"'):
        return msgspec.json.encode(text)
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")
