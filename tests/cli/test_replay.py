"""Replay: what the report says is what the recording holds, and a book that is wrong is found."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from router.cli.audit import TOP_WINDOW_MS
from router.cli.probe import Numbering, values_of
from router.cli.replay import FileReport, replay, show
from router.core import book as fast
from tests.cli.wires import NUMBERED, VENUES, NumberedFeed, book, numbered, rows, to_set, write
from venues.base.events import FeedEvent, Update
from venues.base.listing import Native

A_DAY = [
    numbered(1, book=book(), at=1),
    numbered(2, set=to_set("bid", 45, 3), at=2),
    numbered(3, set=to_set("ask", 45, 1), at=3),  # locked
    numbered(4, set=to_set("ask", 44, 1), at=3),  # crossed
    numbered(5, set=to_set("bid", 45, 0), at=3),
    numbered(6, set=to_set("bid", 44, 1), at=4),  # locked
    numbered(7, set=to_set("bid", 44, 0), at=5),  # over, at another time
    numbered(8, name="BOOK-B", book=book(10, 20), at=6),
    numbered(9, top=[400_000, 440_000], exact=True, at=6),
    numbered(10, top=[400_000, 440_000], at=6),
    numbered(11, top=[440_000, 440_000], at=7),  # held a moment ago
    numbered(12, top=[440_000, 450_000], at=7),  # never
    numbered(13, name="BOOK-B", book=[[], []], at=8),
]


def one(path: Path, **options: object) -> FileReport:
    [report] = replay([path], VENUES, **options)  # type: ignore[arg-type]  # options of several types
    return report


def test_the_report_counts_what_the_recording_holds(tmp_path: Path) -> None:
    report = one(write(tmp_path / "a.jsonl", rows(A_DAY)))
    assert (report.venue, report.renumbered, report.frames, report.books) == ("numbered", "", 13, 2)
    assert (report.gaps, report.resyncs, report.unreadable) == (0, 0, 0)
    assert (report.locked, report.crossed, report.spells, report.longest_spell) == (2, 1, 2, 2)
    assert report.spells_over_several_times == 1
    assert report.empty_snapshots == 1
    assert (report.exact_tops, report.exact_agree) == (1, 1)
    assert (report.loose_tops, report.loose_at_once, report.loose_within_window) == (3, 1, 2)
    assert (report.silent_differences, report.merged_differences) == (0, 0)
    assert report.merged_checks == 8
    assert report.sound
    assert (report.peak_1000_ms, report.peak_100_ms) == (13, 10)
    assert report.frames_per_s_mean == 108.3
    assert report.processed_per_s > 0


def test_a_top_outside_the_window_does_not_agree(tmp_path: Path) -> None:
    late = 100 + TOP_WINDOW_MS
    for at, within in ((late, 1), (late + 1, 0)):
        frames = [
            numbered(1, book=book(40, 60), at=50),
            numbered(2, book=book(41, 60), at=100),
            numbered(3, book=book(42, 60), at=at - 5),
            numbered(4, top=[400_000, 600_000], at=at - 1),
        ]
        assert one(write(tmp_path / "a.jsonl", rows(frames))).loose_within_window == within


def test_a_feed_that_needs_a_subscription_gets_one(tmp_path: Path) -> None:
    frames = [{"shy": f"ID-{n % 3}", "about": "ID-1", "note": f"x{n}", "book": book()} for n in range(30)]
    report = one(write(tmp_path / "a.jsonl", rows(frames)))
    assert (report.venue, report.books, report.frames) == ("shy", 3, 30)


CUT = [
    numbered(17, book=book()),
    *[numbered(20 + 3 * n, set=to_set("bid", 30 + n, 1)) for n in range(8)],
    numbered(7, stream=2, trade="x"),
    numbered(50, set=to_set("bid", 41, 1)),
]


def test_numbers_that_jump_because_books_were_cut_out_are_written_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(CUT))
    report = one(path)
    assert report.renumbered == "number per stream"
    assert (report.gaps, report.reconnects, report.connections) == (0, 0, 1)
    assert one(path, numbering=Numbering("number", "stream")).gaps == 0
    kept = one(path, numbering="keep")
    assert (kept.renumbered, kept.gaps) == ("", 1), "the book is lost at the first jump and stays so"


def test_numbers_that_run_backwards_are_a_new_connection(tmp_path: Path) -> None:
    again = [numbered(3, book=book(10, 20)), numbered(5, set=to_set("bid", 11, 1))]
    report = one(write(tmp_path / "a.jsonl", rows([*CUT, *again])))
    assert (report.gaps, report.resyncs, report.reconnects, report.connections) == (1, 1, 1, 2)


def test_connections_are_numbered_apart(tmp_path: Path) -> None:
    lines = rows([numbered(1, book=book()), numbered(9, name="BOOK-B", book=book())])
    lines += rows(
        [numbered(2, set=to_set("bid", 45, 3)), numbered(10, name="BOOK-B", set=to_set("bid", 45, 3))]
    )
    for place, line in enumerate(lines):
        line["conn"] = place % 2 + 1
    report = one(write(tmp_path / "a.jsonl", lines))
    assert (report.gaps, report.connections, report.reconnects, report.books) == (0, 2, 0, 2)


def test_a_reconnect_is_a_new_number_with_a_state_of_its_own(tmp_path: Path) -> None:
    """As `crossbook record` writes it: the numbers of the frames begin anew, and nothing was missed."""
    before = [numbered(n, book=book()) for n in (1, 2)] + [numbered(3, name="BOOK-B", book=book())]
    after = [numbered(1, book=book(10, 20)), numbered(2, name="BOOK-B", book=book())]
    lines = rows([*before, *after])
    for place, line in enumerate(lines):
        line["conn"] = 7 if place < len(before) else 9
    report = one(write(tmp_path / "a.jsonl", lines))
    assert (report.connections, report.reconnects, report.renumbered) == (2, 1, "")
    assert (report.gaps, report.resyncs) == (2, 2), "both books were lost with their connection"
    assert report.sound


def test_a_gap_is_counted_and_the_next_snapshot_ends_it(tmp_path: Path) -> None:
    frames = [
        *[numbered(n, book=book()) for n in range(1, 5)],
        numbered(5, name="BOOK-B", book=book()),
        numbered(8, set=to_set("bid", 45, 3)),
        numbered(9, book=book()),
    ]
    report = one(write(tmp_path / "a.jsonl", rows(frames)), numbering="keep")
    assert (report.gaps, report.resyncs, report.silent_differences) == (1, 1, 0)


def test_an_unreadable_frame_costs_the_connection(tmp_path: Path) -> None:
    frames: list[dict[str, object]] = [numbered(n, book=book()) for n in range(1, 4)]
    report = one(write(tmp_path / "a.jsonl", rows([*frames, {"strange": 1}, *frames])))
    assert (report.unreadable, report.connections, report.gaps, report.resyncs) == (1, 2, 1, 1)
    assert report.problems == ["frame 4: not numbered"]


def test_lines_without_frames_are_named_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path, [{"t": 1, "slug": "a", "body": {}}, {"t": 1, "outcome": 0, "bid": None}, {"t": 1}])
    path.write_text(path.read_text() + '\n{"t": 1, "frame": \n{"t": "x", "frame": {}}\n')
    report = one(path)
    assert report.skipped["REST book"] == 1
    assert report.skipped["pair or top of book"] == 1
    assert report.skipped["unknown kind"] == 1
    assert sum(report.skipped.values()) == 5
    assert (report.venue, report.frames) == ("", 0)


def test_recorded_speed_waits_as_the_recording_did(tmp_path: Path) -> None:
    waits: list[float] = []
    path = write(tmp_path / "a.jsonl", rows(A_DAY[:3], step=60_000))
    one(path, speed="recorded", sleep=waits.append)
    assert [round(wait) for wait in waits] == [60, 120], "this sleep does not sleep"


def test_a_book_that_is_silently_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast book drops one change."""
    path = write(tmp_path / "a.jsonl", rows(A_DAY))
    update = fast.Book.update

    def forgetful(book: fast.Book, event: Update, now_ms: int) -> bool:
        return event.venue_ms != 2 and update(book, event, now_ms)

    monkeypatch.setattr(fast.Book, "update", forgetful)
    report = one(path)
    assert report.silent_differences == 3, "from the dropped change until its level is removed"
    assert not report.sound


def test_a_difference_below_the_top_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [numbered(1, book=book()), numbered(2, set=to_set("bid", 30, 3)), numbered(3, top=[1, 2])]
    path = write(tmp_path / "a.jsonl", rows(frames))
    assert one(path).silent_differences == 0
    monkeypatch.setattr(fast.Book, "update", lambda *_: False)
    assert one(path).silent_differences == 1


def test_a_book_that_trades_on_after_a_gap_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [numbered(n, book=book()) for n in (1, 2, 3)] + [numbered(5, set=to_set("bid", 40, 5))]
    path = write(tmp_path / "a.jsonl", rows(frames))
    assert one(path, numbering="keep").silent_differences == 0
    monkeypatch.setattr(fast.Book, "_lose_unless_halted", lambda *_: None)
    assert one(path, numbering="keep").silent_differences == 1


def test_best_prices_inside_an_update_are_compared_with_the_book_after_it(tmp_path: Path) -> None:
    levels = [[[400_000, 5]], [[420_000, 7]]]
    frames = [
        numbered(1, book=levels),
        numbered(2, set=["bid", 410_000, 1], leaves=[410_000, 420_000]),
        numbered(3, set=["ask", 420_000, 0], leaves=[410_000, 420_000]),
        numbered(4, set=["bid", 410_000, 2], leaves=[1, 2]),
    ]
    report = one(write(tmp_path / "a.jsonl", rows(frames)))
    assert (report.exact_tops, report.exact_agree, report.gaps) == (2, 1, 1), "the last finds a book in doubt"
    assert report.silent_differences == 0


def test_a_contradicted_book_is_asked_for_again(tmp_path: Path) -> None:
    asked: list[str] = []

    class Asked(NumberedFeed):
        def resync(self, native: Native, now_ms: int) -> list[FeedEvent]:
            asked.append(native)
            return []

    frames = [numbered(1, book=book()), numbered(2, top=[1, 2], exact=True)]
    venues = {"numbered": msgspec.structs.replace(NUMBERED, feed=Asked)}
    [report] = replay([write(tmp_path / "a.jsonl", rows(frames))], venues)
    assert asked == ["BOOK-A"]
    assert (report.exact_tops, report.exact_agree, report.gaps) == (1, 0, 1)


def test_a_merged_book_that_is_wrong_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal does not name the touched prices."""
    monkeypatch.setattr("router.cli.audit.MERGE_EVERY", 1)
    path = write(
        tmp_path / "a.jsonl", rows([numbered(1, book=book()), numbered(2, set=to_set("bid", 45, 3))])
    )
    assert one(path).merged_differences == 0
    monkeypatch.setattr(fast.Half, "since", lambda *_: [])
    assert one(path).merged_differences == 4, "both sides in both orientations, twice"


def test_folders_are_searched_and_mistakes_are_named(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", rows(A_DAY))
    write(tmp_path / "a.jsonl", rows(A_DAY))
    (tmp_path / "notes.txt").write_text("x")
    assert [Path(r.path).name for r in replay([tmp_path], VENUES)] == ["a.jsonl", "b.jsonl"]
    with pytest.raises(ValueError, match="no such file or folder"):
        list(replay([tmp_path / "c"], VENUES))
    with pytest.raises(ValueError, match="no venue is called 'x'; there are: numbered, shy"):
        list(replay([tmp_path], VENUES, venue="x"))
    with pytest.raises(ValueError, match=r"no \.jsonl"):
        list(replay([tmp_path / "notes.txt"][:0], VENUES))


@pytest.mark.parametrize(
    ("frame", "ids"),
    [
        (b'{"a":{"slug":"one"},"b":[["0.1","2"]]}', [("slug", "one")]),
        (b'42/markets,["bookUpdate",{"slug":"one","bids":[{"price":0.5}]}]', [("slug", "one")]),
        (b'[{"slug":"one"},{"slug":"two"}]', [("slug", "one"), ("slug", "two")]),
        (b"40/markets", []),
        (b"3", []),
        (b"[broken", []),
    ],
)
def test_the_ids_of_books_are_found_behind_what_stands_before_the_json(
    frame: bytes, ids: list[tuple[str, str]]
) -> None:
    assert list(values_of(frame)) == ids


def test_a_replay_of_nothing_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("not a recording\n")
    assert show(replay([path], VENUES), Console(file=io.StringIO())) == 1
    write(tmp_path / "b.jsonl", rows(A_DAY))
    assert show(replay([tmp_path], VENUES), Console(file=io.StringIO())) == 0


def test_what_is_shown_has_every_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcd":
        write(tmp_path / f"{name}.jsonl", rows(A_DAY))
    console = Console(record=True, width=100, file=io.StringIO())
    assert show(replay([tmp_path], VENUES), console) == 0
    text = console.export_text()
    assert all(f" {name} " in text for name in "abcd")
    assert text.count("silent differences") == 2
    lines: list[str] = []
    monkeypatch.setattr(fast.Book, "update", lambda *_: False)
    assert show(replay([tmp_path], VENUES), console, json=lines.append) == 1
    assert [msgspec.json.decode(line, type=FileReport).sound for line in lines] == [False] * 4
