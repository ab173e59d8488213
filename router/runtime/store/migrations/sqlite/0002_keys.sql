-- What a caller called a request, the route it stands for, and what its first caller was told.
-- A row goes when its key has served its time: at most two for each that comes.
CREATE TABLE keys (
    account_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    route_id TEXT NOT NULL UNIQUE REFERENCES routes (route_id),
    at_ms INTEGER NOT NULL,
    reply BLOB,
    PRIMARY KEY (account_id, scope, key)
) STRICT;

CREATE INDEX keys_by_age ON keys (at_ms);
