"""Simulated days are silent: to write a line of the log takes longer than to place an order."""

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.run import silence


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    before = structlog.get_config()
    silence()
    yield
    structlog.configure(**before)
