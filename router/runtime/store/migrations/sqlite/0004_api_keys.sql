-- API keys that are made and revoked while the router runs. Of a key only its hash is kept.
-- `accounts`, `scopes` and `addresses` are JSON lists of texts. Rows stay when a key is revoked.
CREATE TABLE api_keys (
    name TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    accounts TEXT NOT NULL,
    scopes TEXT NOT NULL,
    addresses TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    last_used_ms INTEGER
) STRICT;

-- What a running router looks at a few times a second: a number that is another one after every change.
CREATE TABLE changes (topic TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL) STRICT;

INSERT INTO changes (topic, version) VALUES ('api_keys', 1);

CREATE TRIGGER api_key_made AFTER INSERT ON api_keys BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'api_keys';
END;

CREATE TRIGGER api_key_changed
AFTER UPDATE OF name, sha256, accounts, scopes, addresses, expires_ms, revoked_ms ON api_keys BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'api_keys';
END;

CREATE TRIGGER api_key_gone AFTER DELETE ON api_keys BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'api_keys';
END;
