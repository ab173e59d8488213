"""A day in the life of a store, as each released schema kept it: `<schema>.sql` and what was read back then.

Run in a checkout of a version, this module writes what that version keeps:

    python -m tests.runtime.schemas FOLDER

The files are made once, by the version that is released with a schema, and never again: the records' JSON in
them is that version's too.
"""
