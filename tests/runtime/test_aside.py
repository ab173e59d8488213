"""What is logged arrives in order; who logs never waits for who reads."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from router.runtime import aside as module
from router.runtime.aside import Aside

ENOUGH_S = 5.0


class Pipe:
    """A pipe, and what was read from it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.heard = b""
        self._reader = threading.Thread(target=self._read)

    def read(self) -> None:
        """Begin to read, to the end."""
        self._reader.start()

    def end(self) -> list[str]:
        """No more is written: the lines."""
        os.close(self.writing)
        self.writing = -1
        self._reader.join(ENOUGH_S)
        assert not self._reader.is_alive()
        return self.heard.decode().splitlines()

    def close(self) -> None:
        """Let go of what is open."""
        for number in (self.reading, self.writing):
            if number >= 0:
                os.close(number)

    def _read(self) -> None:
        while data := os.read(self.reading, 1 << 16):
            self.heard += data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    with closing(Pipe()) as pipe:
        yield pipe


def say(stream: Aside, *lines: str) -> None:
    for line in lines:
        stream.write(f"{line}\n")
        stream.flush()


def until(true: object) -> None:
    assert callable(true)
    end = time.monotonic() + ENOUGH_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_everything_arrives_in_order_by_the_end(pipe: Pipe) -> None:
    pipe.read()
    told = [str(number) for number in range(20_000)]
    with closing(Aside(pipe.writing)) as stream:
        say(stream, *told)
    assert pipe.end() == told


def test_lines_of_several_threads_stay_whole(pipe: Pipe) -> None:
    pipe.read()
    with closing(Aside(pipe.writing)) as stream:
        words = [chr(97 + number) * 200 for number in range(4)]
        threads = [threading.Thread(target=say, args=(stream, *[word] * 500)) for word in words]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(pipe.end()) == sorted(words * 500)


def test_a_line_arrives_without_a_further_one(pipe: Pipe) -> None:
    pipe.read()
    with closing(Aside(pipe.writing)) as stream:
        say(stream, "alone")
        until(lambda: pipe.heard == b"alone\n")


def test_a_reader_that_stops_reading_stops_nobody_and_every_line_is_there_or_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 100_000)
    counted: list[float] = []
    with closing(Aside(pipe.writing)) as stream:
        stream.count_dropped(counted.append)
        started = time.monotonic()
        say(stream, *["x" * 1_000] * 2_000)  # thirty pipes full
        assert time.monotonic() - started < 1
        assert sum(counted) > 1_000
        pipe.read()
        until(lambda: b"log.dropped" in pipe.heard)
        say(stream, "last")
    lines = pipe.end()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert {(line["event"], line["level"]) for line in told} == {("log.dropped", "warning")}
    assert sum(line["lines"] for line in told) == sum(counted)
    assert sum(counted) + lines.count("x" * 1_000) == 2_000
    assert lines[-1] == "last"


def test_what_was_dropped_before_anybody_counted_is_told_to_who_counts(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 10)
    pipe.read()
    counted: list[float] = []
    with closing(Aside(pipe.writing)) as stream:
        say(stream, "longer than ten", "as long as that")
        stream.count_dropped(counted.append)
    assert counted == [2]
    pipe.end()


def test_the_end_does_not_wait_for_a_reader_that_stopped(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_S_MAX", 0.1)
    stream = Aside(pipe.writing)
    say(stream, *["x" * 1_000] * 100)  # more than a pipe
    time.sleep(0.1)
    say(stream, "last")
    started = time.monotonic()
    stream.close()
    assert 0.1 <= time.monotonic() - started < 1
    pipe.read()  # so that the thread ends with the test
    until(lambda: pipe.heard.endswith(b"\nlast\n"))
    assert len(pipe.end()) == 101


def test_a_reader_that_is_gone_harms_nobody_and_what_it_missed_is_counted(pipe: Pipe) -> None:
    os.close(pipe.reading)
    pipe.reading = -1
    counted: list[float] = []
    with closing(Aside(pipe.writing)) as stream:
        stream.count_dropped(counted.append)
        say(stream, "gone")
        until(lambda: sum(counted) == 1)
        say(stream, "gone too")
    assert sum(counted) >= 2


def test_a_descriptor_that_does_not_block_gets_everything_too(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    told = ["y" * 1_000] * 500
    with closing(Aside(pipe.writing)) as stream:
        say(stream, *told)
        time.sleep(0.1)
        pipe.read()
    assert pipe.end() == told
