-- A route, and when every order of it had its last word.
CREATE TABLE routes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    route_id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    finished_ms INTEGER
) STRICT;

CREATE INDEX routes_of_account ON routes (account_id, number);
CREATE INDEX routes_unfinished ON routes (number) WHERE finished_ms IS NULL;

-- Everything ever recorded, in order. Rows are only added.
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    route_id TEXT NOT NULL REFERENCES routes (route_id),
    kind TEXT NOT NULL CHECK (kind IN ('planned', 'extended', 'answered', 'finished')),
    at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX records_of_route ON records (route_id, seq);

-- Written and emptied again to find out whether a disk that failed takes data again.
CREATE TABLE probe (filler BLOB NOT NULL) STRICT;
