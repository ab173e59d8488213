"""Calls in windows of time, by client."""

from venues.sim.windows import CLIENTS_MAX, Left, Windows

NOW = 1_795_000_000_250
MOST = {60_000: 3, 1_000: 2}


def test_every_window_counts_down_and_begins_anew_by_itself() -> None:
    windows = Windows()
    assert windows.count("a", NOW, MOST) == [Left(3, 2, 20, False), Left(2, 1, 1, False)]
    assert windows.count("a", NOW + 1, MOST)[1] == Left(2, 0, 1, False)
    assert windows.count("a", NOW + 749, MOST) == [Left(3, 0, 20, False), Left(2, 0, 1, True)]
    assert windows.count("a", NOW + 750, MOST) == [Left(3, 0, 19, True), Left(2, 1, 1, False)]
    assert windows.count("a", NOW + 19_750, MOST) == [Left(3, 2, 60, False), Left(2, 1, 1, False)]


def test_clients_are_counted_apart() -> None:
    windows = Windows()
    for _ in range(5):
        windows.count("a", NOW, MOST)
    assert windows.count("b", NOW, MOST)[0] == Left(3, 2, 20, False)


def test_clients_without_end_are_forgotten() -> None:
    windows = Windows()
    for number in range(CLIENTS_MAX):
        windows.count(str(number), NOW, {1_000: 1})
    assert windows.count("0", NOW, {1_000: 1})[0].exceeded
    assert not windows.count("new", NOW, {1_000: 1})[0].exceeded
    assert not windows.count("0", NOW, {1_000: 1})[0].exceeded
