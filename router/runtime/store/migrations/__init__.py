"""Numbered SQL files, one folder per engine: applied in order, never edited after a release."""
