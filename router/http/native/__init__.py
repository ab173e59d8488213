"""The native surface: what no client dialect has. Errors are in the docs envelope."""
