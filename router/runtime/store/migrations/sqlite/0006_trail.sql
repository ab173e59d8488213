-- Who changed what while the router ran. Rows are only added; each hash covers its row and the hash before.
CREATE TABLE trail (
    number INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TRIGGER trail_is_never_edited BEFORE UPDATE ON trail
BEGIN SELECT RAISE(ABORT, 'the trail is only added to'); END;

CREATE TRIGGER trail_is_never_cut BEFORE DELETE ON trail
BEGIN SELECT RAISE(ABORT, 'the trail is only added to'); END;
