"""The doctor on a registry that does not fit what the venue lists, and on routes that nobody asks about."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from registry.index import Registry
from registry.model import Outcome, OutcomeId
from router.cli.doctor import PROBLEMS_SHOWN_MAX, Finding, halts_of, listings_of, open_routes
from router.core.records import Finished
from router.runtime.catalog import Catalog
from router.runtime.metrics import Metrics
from router.runtime.store.sqlite import SqliteStore
from router.runtime.store.sqlite_file import FILE_NAME
from tests.core.samples import listing
from tests.runtime.clocks import FastClock
from tests.runtime.made_up import Door, Listings, north
from tests.runtime.test_store import intent
from tests.virtual_time import VirtualLoop, run
from venues.base.http import Unavailable
from venues.base.listing import Grid, Listing, ListingKey, Native


def book(name: str, **changes: object) -> Listing:
    """One book of the venue "north"."""
    return msgspec.structs.replace(listing(), venue="north", native=Native(name), **changes)


def examined(listed: Sequence[Listing] | Unavailable, *outcomes: Sequence[str]) -> list[Finding]:
    """What the doctor finds when the registry has outcomes on these books, and the venue lists those."""
    venue = Listings()
    venue.says = lambda _natives: listed if isinstance(listed, Unavailable) else list(listed)
    registry = Registry(
        Outcome(
            outcome_id=OutcomeId(f"px-outcome{number:02d}"),
            title="A question",
            label="Yes",
            listings=tuple(ListingKey("north", Native(name), False) for name in names),
        )
        for number, names in enumerate(outcomes)
    )
    catalog = Catalog({"north": north(venue)}, Door(), FastClock(), refresh_ms=0)
    catalog.watch("north", registry.natives("north"))
    unread = run(VirtualLoop(), catalog.refresh())
    return list(listings_of("north", registry, catalog, unread.get("north")))


def test_a_registry_that_fits_is_one_line() -> None:
    assert examined([book("N1"), book("N2")], ["N1"], ["N2"]) == [
        Finding("north listings", None, "2 of 2 can be traded")
    ]


def test_a_book_that_the_venue_does_not_know_or_has_closed_is_named_with_its_outcome() -> None:
    unknown, closed, rest = examined([book("N1"), book("N3", tradable=False)], ["N1"], ["N2"], ["N3"])
    assert unknown.what == "north:N2 of px-outcome01"
    assert unknown.trouble
    assert "does not know it" in unknown.trouble
    assert closed.what == "north:N3 of px-outcome02"
    assert closed.trouble
    assert "takes no orders" in closed.trouble
    assert rest == Finding("north listings", None, "1 of 3 can be traded")


def test_two_books_that_are_said_to_be_one_have_the_same_ticks() -> None:
    coarse = book("N2", mirror=Native("N1"), grid=Grid.uniform(50_000))
    first, second, _ = examined([book("N1", mirror=Native("N2")), coarse], ["N1", "N2"])
    assert first.trouble
    assert "other ticks than those of north:N2" in first.trouble
    assert second.trouble
    assert "north:N1" in second.trouble
    alike = book("N2", mirror=Native("N1"))
    assert [f.trouble for f in examined([book("N1", mirror=Native("N2")), alike], ["N1", "N2"])] == [None]
    assert [
        f.trouble for f in examined([book("N1"), book("N2", grid=Grid.uniform(50_000))], ["N1", "N2"])
    ] == [None], "two books that are no mirrors may differ"


def test_a_venue_that_cannot_be_asked_is_one_line() -> None:
    [found] = examined(Unavailable("http 503"), ["N1"], ["N2"])
    assert found.what == "north listings"
    assert found.trouble
    assert found.trouble.startswith("http 503")


def test_an_old_registry_does_not_fill_the_screen() -> None:
    found = examined([], *([f"N{number}"] for number in range(30)))
    assert len(found) == PROBLEMS_SHOWN_MAX + 2
    assert "10 more" in str(found[-2].trouble)
    assert found[-1].detail == "0 of 30 can be traded"


async def test_a_route_without_a_last_word_of_an_account_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    assert open_routes(path, ()) == Finding("open routes", None, "0 to be taken up at the next start")
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    planned = intent("r1")
    await store.append(planned)
    known = open_routes(path, [planned.account_id])
    assert (known.trouble, known.detail) == (None, "1 to be taken up at the next start")
    trouble = open_routes(path, ["another"]).trouble
    assert trouble is not None
    assert trouble.startswith(f"1 of '{planned.account_id}', which the settings do not have")
    await store.append(Finished(route_id=planned.route_id, at_ms=planned.at_ms))
    assert open_routes(path, ["another"]).trouble is None
    await store.close()
    path.write_bytes(b"not a database" * 100)
    assert "cannot be read" in (open_routes(path, ()).trouble or "")


async def test_a_store_of_a_newer_version_is_a_failure(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, Metrics())
    await store.open()
    await store.close()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = version + 5")
    assert "run the newer version" in (open_routes(tmp_path / FILE_NAME, ()).trouble or "")


def test_a_file_that_halts_all_is_a_failure_and_less_is_told(tmp_path: Path) -> None:
    path = tmp_path / "halt"
    assert halts_of(path) == Finding("halts", None, "none by file")
    path.write_text("venue north # maintenance\n")
    assert halts_of(path) == Finding("halts", None, "venue:north: maintenance")
    path.write_text("all # odd fills\n")
    assert "halts all trading: odd fills; crossbook resume all" in (halts_of(path).trouble or "")
