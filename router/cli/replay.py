"""`crossbook replay`: recorded frames through feed, books and merged book, and what came of it."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import msgspec
from rich.console import Console
from rich.table import Table

from router.cli.audit import Audit
from router.cli.probe import FRAMES_MAX, Guess, Numbering, Renumber, guess, values_of
from router.cli.recordings import Damaged, Frame, Other, files, read
from router.core.book import BookEvent, Books, Pulse
from venues.base.contract import Feed, Venue
from venues.base.events import Refused, Snapshot, Update
from venues.base.listing import Native

Speed = Literal["full", "recorded"]
RATE_WINDOWS_MS = (1_000, 100)
BOOK_EVENTS = get_args(BookEvent)
COLUMNS = 3
"""Recordings side by side: what fits on a terminal of ordinary width."""
SHOWN_PROBLEMS_MAX = 5
"""Unreadable frames quoted per file; all are counted."""


class FileReport(msgspec.Struct, kw_only=True):
    """What one recording showed. Counts are over all its books."""

    path: str
    venue: str = ""
    renumbered: str = ""
    """The field whose numbers were written anew, because the recording was cut out of a larger one."""
    frames: int = 0
    skipped: dict[str, int] = {}
    """Lines that are no frames, by kind."""
    unreadable: int = 0
    problems: list[str] = []
    books: int = 0
    levels_max: int = 0
    connections: int = 0
    reconnects: int = 0
    """Connections that brought a book which an earlier one had brought."""
    gaps: int = 0
    resyncs: int = 0
    refused: int = 0
    locked: int = 0
    """Frames after which a book was locked."""
    crossed: int = 0
    spells: int = 0
    """Stretches of locked or crossed frames."""
    longest_spell: int = 0
    spells_over_several_times: int = 0
    """Spells that did not begin and end within one venue time."""
    empty_snapshots: int = 0
    silent_differences: int = 0
    merged_checks: int = 0
    merged_differences: int = 0
    exact_tops: int = 0
    exact_agree: int = 0
    loose_tops: int = 0
    loose_at_once: int = 0
    loose_within_window: int = 0
    frames_per_s_mean: float = 0.0
    peak_1000_ms: int = 0
    peak_100_ms: int = 0
    processed_per_s: int = 0
    """Frames decoded and applied per second of our time, the examination not counted."""

    @property
    def sound(self) -> bool:
        """No book was ever wrong without saying so."""
        return not (self.silent_differences or self.merged_differences)


def replay(
    paths: Sequence[Path],
    venues: Mapping[str, Venue],
    *,
    speed: Speed = "full",
    venue: str | None = None,
    numbering: Numbering | Literal["auto", "keep"] = "auto",
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[FileReport]:
    """One report per recording among `paths`, folders searched through.

    The venue is found by trying unless named. With numbering "auto", running numbers that jump because
    the recording was cut out of a larger one are written anew; "keep" leaves them, so that they are gaps.
    ValueError for a path that is none or a venue that is not there.
    """
    if venue is not None and venue not in venues:
        raise ValueError(f"no venue is called {venue!r}; there are: {', '.join(sorted(venues))}")
    candidates = venues if venue is None else {venue: venues[venue]}
    for path in files(paths):
        first = list(islice((line for line in read(path) if isinstance(line, Frame)), FRAMES_MAX))
        found = guess(first, candidates)
        if found is not None and numbering != "auto":
            chosen = None if numbering == "keep" else numbering
            found = msgspec.structs.replace(found, numbering=chosen)
        if found is None:
            yield _no_frames(path, len(first))
        else:
            yield _Run(path, found, venues[found.venue]).report(sleep if speed == "recorded" else None)


def _no_frames(path: Path, frames: int) -> FileReport:
    """A file without frames that any venue can read."""
    report = FileReport(path=str(path), frames=frames, skipped={}, problems=[])
    for line in read(path):
        match line:
            case Frame():
                _skip(report, "frame of no known venue")
            case Other(kind=kind):
                _skip(report, kind)
            case Damaged(reason=reason):
                _skip(report, reason)
    return report


def _skip(report: FileReport, kind: str) -> None:
    report.skipped[kind] = report.skipped.get(kind, 0) + 1


class _Connection:
    """One recorded connection: its feed, its pulse and the books it has fed."""

    def __init__(self, feed: Feed, numbering: Numbering | None) -> None:
        self.feed = feed
        self.renumber = Renumber(numbering) if numbering else None
        self.pulse = Pulse(0)
        self.natives: set[Native] = set()
        self.follows = False
        """Whether it has taken over a book of an earlier connection."""


class _Run:
    """One file on its way through the router's own parts."""

    def __init__(self, path: Path, found: Guess, venue: Venue) -> None:
        self._path, self._found, self._venue = path, found, venue
        self._report = FileReport(path=str(path), venue=found.venue, skipped={}, problems=[])
        self._report.renumbered = str(found.numbering) if found.numbering else ""
        self._books = Books({venue.name: venue.limits})
        self._audits: dict[Native, Audit] = {}
        self._connections: dict[int, _Connection] = {}
        self._ids = self._ids_of() if found.ids_field else []
        self._rates = Rates()
        self._busy_ns = 0

    def report(self, sleep: Callable[[float], None] | None) -> FileReport:
        """Read the file to its end, as fast as possible or, given a way to sleep, as it was recorded."""
        started, first_ms = time.monotonic(), None
        for line in read(self._path):
            if not isinstance(line, Frame):
                _skip(self._report, line.reason if isinstance(line, Damaged) else line.kind)
                continue
            if sleep is not None:
                first_ms = line.at_ms if first_ms is None else first_ms
                ahead = (line.at_ms - first_ms) / 1_000 - (time.monotonic() - started)
                if ahead > 0:
                    sleep(ahead)
            self._frame(line)
        return self._finished()

    def _frame(self, frame: Frame) -> None:
        self._rates.frame(frame.at_ms)
        connection, text = self._connection_of(frame)
        connection.pulse.heard_ms = frame.at_ms
        began = time.perf_counter_ns()
        try:
            events = connection.feed.receive(text, frame.at_ms)
        except ValueError as error:
            self._report.unreadable += 1
            if len(self._report.problems) < SHOWN_PROBLEMS_MAX:
                self._report.problems.append(f"frame {self._rates.frames}: {error}")
            self._connect(frame.connection)
            return
        self._busy_ns += time.perf_counter_ns() - began
        changed: dict[Native, Audit] = {}
        for event in events:
            if isinstance(event, BOOK_EVENTS):
                audit = self._audit(connection, event.native)
                audit.before(event, frame.at_ms)
                began = time.perf_counter_ns()
                doubtful = audit.book.apply(event, frame.at_ms)
                self._busy_ns += time.perf_counter_ns() - began
                if doubtful:
                    connection.feed.resync(event.native, frame.at_ms)
                if isinstance(event, Snapshot | Update):
                    changed[event.native] = audit
            elif isinstance(event, Refused):
                self._report.refused += 1
        for audit in changed.values():
            audit.after_frame(frame.at_ms)

    def _connection_of(self, frame: Frame) -> tuple[_Connection, bytes]:
        """The connection this frame came on, and the frame with the number its feed expects."""
        connection = self._connections.get(frame.connection)
        if connection is None or (connection.renumber and connection.renumber.restarts(frame.text)):
            connection = self._connect(frame.connection)
        renumber = connection.renumber
        return connection, renumber.rewrite(frame.text) if renumber else frame.text

    def _connect(self, number: int) -> _Connection:
        """A new connection under this number; what an earlier one fed is lost."""
        if (old := self._connections.get(number)) is not None:
            for native in old.natives:
                self._lose(self._audits[native])
        self._report.connections += 1
        connection = _Connection(self._venue.feed(), self._found.numbering)
        self._connections[number] = connection
        if self._ids:
            connection.feed.subscribe(self._ids)
        return connection

    def _audit(self, connection: _Connection, native: Native) -> Audit:
        audit = self._audits.get(native)
        if audit is None:
            book = self._books.open(self._venue.name, native)
            audit = self._audits[native] = Audit(self._venue.name, book, self._venue.limits.silent_ms_max)
        elif native not in connection.natives:
            self._lose(audit)
            self._report.reconnects += not connection.follows
            connection.follows = True
        if native not in connection.natives:
            connection.natives.add(native)
            audit.book.attach(connection.pulse)
        return audit

    def _lose(self, audit: Audit) -> None:
        """The connection that fed this book is gone, as far as the recording tells."""
        audit.disconnected()
        audit.book.lose("disconnected")

    def _ids_of(self) -> list[Native]:
        """Every book that the recording names, as a router would have subscribed to them."""
        named: dict[Native, None] = {}
        for line in read(self._path):
            if isinstance(line, Frame):
                for field, value in values_of(line.text):
                    if field == self._found.ids_field:
                        named[Native(value)] = None
        return list(named)

    def _finished(self) -> FileReport:
        report = self._report
        for audit in self._audits.values():
            audit.spells.end(audit.book.venue_ms)
            audit.check_merged(self._rates.last_ms)
        _sum_up(report, list(self._audits.values()))
        report.frames = self._rates.frames
        report.frames_per_s_mean = self._rates.mean
        report.peak_1000_ms, report.peak_100_ms = self._rates.peaks
        report.processed_per_s = int(report.frames * 1e9 / self._busy_ns) if self._busy_ns else 0
        return report


def _sum_up(report: FileReport, audits: Sequence[Audit]) -> None:
    report.books = sum(audit.book.updates > 0 for audit in audits)
    for audit in audits:
        spells = audit.spells
        report.levels_max = max(report.levels_max, audit.levels_max)
        report.gaps += audit.book.gaps
        report.resyncs += audit.book.resyncs
        report.locked += spells.locked
        report.crossed += spells.crossed
        report.spells += spells.count
        report.longest_spell = max(report.longest_spell, spells.longest)
        report.spells_over_several_times += spells.several_times
        report.empty_snapshots += audit.empty_snapshots
        report.silent_differences += audit.silent
        report.merged_checks += audit.merged_checks
        report.merged_differences += audit.merged_differences
        report.exact_tops += audit.exact_tops
        report.exact_agree += audit.exact_agree
        report.loose_tops += audit.loose_tops
        report.loose_at_once += audit.loose_at_once
        report.loose_within_window += audit.loose_within


class Rates:
    """How fast frames came, by the recorded times: the mean, and the most within sliding windows."""

    def __init__(self) -> None:
        self.frames = 0
        self.last_ms = 0
        self.peaks = [0] * len(RATE_WINDOWS_MS)
        self._first_ms: int | None = None
        self._windows: list[deque[int]] = [deque() for _ in RATE_WINDOWS_MS]

    def frame(self, at_ms: int) -> None:
        """One frame."""
        self.frames += 1
        if self._first_ms is None:
            self._first_ms = at_ms
        self.last_ms = max(self.last_ms, at_ms)
        for place, (window, length) in enumerate(zip(self._windows, RATE_WINDOWS_MS, strict=True)):
            window.append(self.last_ms)
            while window[0] <= self.last_ms - length:
                window.popleft()
            self.peaks[place] = max(self.peaks[place], len(window))

    @property
    def mean(self) -> float:
        """Frames per second from the first to the last."""
        seconds = (self.last_ms - (self._first_ms or 0)) / 1_000
        return round(self.frames / seconds, 1) if seconds > 0 else 0.0


def show(
    reports: Iterator[FileReport], console: Console, *, json: Callable[[str], None] | None = None
) -> int:
    """Print the reports, as tables or each as a line of JSON; 0 when no book was ever silently wrong.

    1 as well when there was nothing that any venue could read: that proves nothing.
    """
    waiting: list[FileReport] = []
    sound, read_any = True, False
    for report in reports:
        sound, read_any = sound and report.sound, read_any or bool(report.venue)
        if json is not None:
            json(msgspec.json.encode(report).decode())
            continue
        waiting.append(report)
        if len(waiting) == COLUMNS:
            console.print(table(waiting))
            waiting.clear()
    if waiting:
        console.print(table(waiting))
    return 0 if sound and read_any else 1


def table(reports: Sequence[FileReport]) -> Table:
    """Reports for a terminal: one column per recording."""
    shown = Table(show_header=True, header_style="bold")
    shown.add_column("")
    for report in reports:
        shown.add_column(Path(report.path).name.split(".jsonl")[0], justify="right", overflow="fold")
    for label, cell in _ROWS:
        shown.add_row(label, *(cell(report) for report in reports))
    return shown


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if whole else "-"


_ROWS: tuple[tuple[str, Callable[[FileReport], str]], ...] = (
    ("venue", lambda r: r.venue or "-"),
    ("frames", lambda r: f"{r.frames:,}"),
    ("skipped lines", lambda r: ", ".join(f"{n:,} {kind}" for kind, n in r.skipped.items()) or "0"),
    ("unreadable frames", lambda r: str(r.unreadable)),
    ("renumbered", lambda r: r.renumbered or "no"),
    ("books, most levels", lambda r: f"{r.books}, {r.levels_max}"),
    ("connections (reconnects)", lambda r: f"{r.connections} ({r.reconnects})"),
    ("gaps, resyncs", lambda r: f"{r.gaps}, {r.resyncs}"),
    ("locked, crossed frames", lambda r: f"{r.locked}, {r.crossed}"),
    ("spells, longest", lambda r: f"{r.spells}, {r.longest_spell}"),
    ("spells over several times", lambda r: str(r.spells_over_several_times)),
    ("empty snapshots", lambda r: str(r.empty_snapshots)),
    ("silent differences", lambda r: str(r.silent_differences)),
    ("merged book differs", lambda r: _share(r.merged_differences, r.merged_checks)),
    ("best prices equal", lambda r: _share(r.exact_agree, r.exact_tops)),
    ("ticker equal at once", lambda r: _share(r.loose_at_once, r.loose_tops)),
    ("ticker equal within 1.5 s", lambda r: _share(r.loose_within_window, r.loose_tops)),
    ("frames/s mean, 1 s, 100 ms", lambda r: f"{r.frames_per_s_mean}, {r.peak_1000_ms}, {r.peak_100_ms}"),
    ("processed frames/s", lambda r: f"{r.processed_per_s:,}"),
)
