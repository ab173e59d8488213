-- Records and keys know their route by its number. Numbers grow, so that what is written together lies together
-- on the disk; ids are random, and each row named by one touches pages of its own.

CREATE TABLE new_records (
    seq INTEGER PRIMARY KEY,
    route INTEGER NOT NULL REFERENCES routes (number),
    kind TEXT NOT NULL CHECK (kind IN ('planned', 'extended', 'answered', 'finished')),
    at_ms INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

INSERT INTO new_records (seq, route, kind, at_ms, epoch, body)
SELECT records.seq, routes.number, records.kind, records.at_ms, records.epoch, records.body
FROM records JOIN routes USING (route_id)
ORDER BY records.seq;

DROP TABLE records;
ALTER TABLE new_records RENAME TO records;
CREATE INDEX records_of_route ON records (route, seq);

CREATE TABLE new_keys (
    account_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    route INTEGER NOT NULL UNIQUE REFERENCES routes (number),
    at_ms INTEGER NOT NULL,
    reply BLOB,
    PRIMARY KEY (account_id, scope, key)
) STRICT;

INSERT INTO new_keys (account_id, scope, key, route, at_ms, reply)
SELECT keys.account_id, keys.scope, keys.key, routes.number, keys.at_ms, keys.reply
FROM keys JOIN routes USING (route_id)
ORDER BY keys.at_ms;

DROP TABLE keys;
ALTER TABLE new_keys RENAME TO keys;
CREATE INDEX keys_by_age ON keys (at_ms);
