-- The master keys that open the vault: two while one takes the other's place. `salt` serves passphrases.
CREATE TABLE vault_masters (
    master_id TEXT NOT NULL PRIMARY KEY,
    salt BLOB NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- The data key of an account, wrapped once by each master key.
CREATE TABLE vault_data_keys (
    account_id TEXT NOT NULL,
    master_id TEXT NOT NULL REFERENCES vault_masters (master_id),
    key_id TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (account_id, master_id)
) STRICT;

-- An account's credentials at a venue, sealed with its data key. The highest version counts.
CREATE TABLE vault_credentials (
    account_id TEXT NOT NULL,
    venue TEXT NOT NULL,
    version INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (account_id, venue, version)
) STRICT;

INSERT INTO changes (topic, version) VALUES ('vault', 1);

CREATE TRIGGER vault_credentials_made AFTER INSERT ON vault_credentials BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'vault';
END;

CREATE TRIGGER vault_credentials_changed AFTER UPDATE ON vault_credentials BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'vault';
END;

CREATE TRIGGER vault_credentials_gone AFTER DELETE ON vault_credentials BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'vault';
END;
