-- Which process may write and send: one row. Each owner begins the next epoch; `beat` moves while it works.
CREATE TABLE owner (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    epoch INTEGER NOT NULL,
    beat INTEGER NOT NULL,
    lease_ms INTEGER NOT NULL,
    process INTEGER NOT NULL
) STRICT;

INSERT INTO owner (only_one, epoch, beat, lease_ms, process) VALUES (1, 0, 0, 0, 0);

-- In which epoch a record was written: never less than that of the record before it.
ALTER TABLE records ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
