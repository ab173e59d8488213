"""The commands run in the process of the tests, whose log is its own."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from router.runtime import logs


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command sets up the log of its process once and for all: here it is as quiet for a while."""
    before = structlog.get_config()
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    monkeypatch.setattr(logs, "configure", lambda *_, **__: structlog.configure(wrapper_class=quiet))
    yield
    structlog.configure(**before)
