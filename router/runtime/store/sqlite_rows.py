"""What a batch of records becomes in the tables of the SQLite store. Inside the writer's transaction.

Rows of a kind go in together: between two statements the loop's thread takes the interpreter over, and the
transaction waits until it gets it back.
"""

import sqlite3
from collections.abc import Sequence

import structlog

from router.core import trail
from router.core.idempotency import KEPT_MS
from router.core.records import Answered, Extended, Finished, Planned, Record, Released, Replied
from router.core.trail import Change

ROWS_MAX = 64
"""Rows in one statement: SQLite keeps each statement it has read, so there must not be too many kinds."""
FORGOTTEN_MAX = 2
"""Expired keys that go with each intent that comes: more than come, so that they never pile up, and no
transaction has much to tidy."""

_ROUTES = "INSERT INTO routes (route_id, account_id, at_ms) VALUES ", "(?, ?, ?)", ""
_RECORDS = (
    "INSERT INTO records (route, kind, at_ms, body, epoch) VALUES ",
    "((SELECT number FROM routes WHERE route_id = ?), ?, ?, ?, ?)",
    "",
)
_FINISHED = (
    "UPDATE routes SET finished_ms = given.column2 FROM (VALUES ",
    "(?, ?)",
    ") AS given WHERE routes.route_id = given.column1",
)
_FORGET = (
    "DELETE FROM keys WHERE rowid IN ("
    " SELECT keys.rowid FROM keys JOIN routes ON routes.number = keys.route"
    " WHERE keys.at_ms <= ? AND finished_ms IS NOT NULL ORDER BY keys.at_ms LIMIT ?)"
)
_FREE = (
    "DELETE FROM keys WHERE account_id = ? AND scope = ? AND key = ? AND at_ms <= ? AND EXISTS ("
    " SELECT 1 FROM routes WHERE routes.number = keys.route AND finished_ms IS NOT NULL)"
)
_CLAIM = (
    "INSERT INTO keys (account_id, scope, key, route, at_ms)"
    " VALUES (?, ?, ?, (SELECT number FROM routes WHERE route_id = ?), ?)"
)
_REPLY = (
    "UPDATE keys SET reply = coalesce(reply, ?) WHERE route = (SELECT number FROM routes WHERE route_id = ?)"
)
_RELEASE = "DELETE FROM keys WHERE route = (SELECT number FROM routes WHERE route_id = ?)"

log = structlog.stdlib.get_logger("crossbook.store")

Body = tuple[Record | Change, bytes]
"""A record, and the same as it is kept."""
Row = tuple[str | int | bytes, ...]
_KEPT = (Planned, Extended, Answered, Finished)
"""What is a row of `records`."""


def insert(connection: sqlite3.Connection, bodies: Sequence[Body], epoch: int) -> None:
    """Write them all. IntegrityError when one contradicts what is stored, or another of them."""
    planned = [record for record, _ in bodies if isinstance(record, Planned)]
    finished = [record for record, _ in bodies if isinstance(record, Finished)]
    kept = [_row(record, body, epoch) for record, body in bodies if isinstance(record, _KEPT)]
    _together(connection, _ROUTES, [(each.route_id, each.account_id, each.at_ms) for each in planned])
    _together(connection, _RECORDS, kept)
    _together(connection, _FINISHED, [(each.route_id, each.at_ms) for each in finished])
    if planned:
        before_ms = min([each.at_ms for each in planned]) - KEPT_MS
        connection.execute(_FORGET, (before_ms, FORGOTTEN_MAX * len(planned)))
    for record, body in bodies:
        match record:
            case Planned():
                _claim(connection, record)
            case Replied():
                _reply(connection, record, body)
            case Released():
                connection.execute(_RELEASE, (record.route_id,))
            case Change():
                note(connection, body)
            case _:
                pass


def note(connection: sqlite3.Connection, body: bytes) -> None:
    """The next row of the trail."""
    last = connection.execute("SELECT number, hash FROM trail ORDER BY number DESC LIMIT 1").fetchone()
    number, before = last or (0, trail.GENESIS)
    digest = trail.link(before, body)
    connection.execute("INSERT INTO trail (number, body, hash) VALUES (?, ?, ?)", (number + 1, body, digest))
    log.info("trail.written", number=number + 1, hash=digest.hex())


def _row(record: Planned | Extended | Answered | Finished, body: bytes, epoch: int) -> Row:
    return record.route_id, type(record).__name__.lower(), record.at_ms, body, epoch


def _together(connection: sqlite3.Connection, statement: tuple[str, str, str], rows: Sequence[Row]) -> None:
    for at in range(0, len(rows), ROWS_MAX):
        some = rows[at : at + ROWS_MAX]
        before, row, after = statement
        text = f"{before}{', '.join([row] * len(some))}{after}"
        connection.execute(text, [value for values in some for value in values])


def _reply(connection: sqlite3.Connection, record: Replied, body: bytes) -> None:
    """The first counts."""
    done = connection.execute(_REPLY, (body, record.route_id))
    if done.rowcount == 0:
        raise sqlite3.IntegrityError("a reply to a route that has no key")


def _claim(connection: sqlite3.Connection, planned: Planned) -> None:
    """Let the key stand for this route, in the place of one that has expired."""
    if planned.key is None:
        return
    key = (planned.account_id, planned.key.scope, planned.key.text)
    connection.execute(_FREE, (*key, planned.at_ms - KEPT_MS))
    connection.execute(_CLAIM, (*key, planned.route_id, planned.at_ms))
