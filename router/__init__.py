"""The router: one outcome, many venues, one order."""
