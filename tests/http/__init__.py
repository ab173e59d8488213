"""The surfaces."""
