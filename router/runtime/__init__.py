"""Thin asyncio shells around the core, one concern each."""
