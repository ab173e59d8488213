"""Seeded days of the whole router in memory, with an auditor who believes only the venues."""
