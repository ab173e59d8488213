"""The surfaces: each client dialect with its own readers, writers and refusals."""
