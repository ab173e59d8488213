"""The credentials that simulators give out in a test must not be in anything that it printed or logged.

Tests log without the product's filter: what is found here was hidden in production only because the filter
knows the accounts' secrets.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from venues import discover

LENGTH_MIN = 12
"""Shorter texts, and lines of them, are found by chance."""


class Leaks:
    """A pytest plugin."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        """Text to where it is from, of the test that runs."""
        for name, venue in discover().items():
            simulator: Any = type(venue.simulator(0))
            hidden = frozenset(secret.name for secret in venue.secrets if secret.secret)
            simulator.open_account = self._noting(simulator.open_account, name, hidden)

    def _noting(
        self, open_account: Callable[..., Mapping[str, str]], venue: str, hidden: frozenset[str]
    ) -> Callable[..., Mapping[str, str]]:
        def noted(*given: Any, **named: Any) -> Mapping[str, str]:
            credentials = open_account(*given, **named)
            for name in hidden.intersection(credentials):
                for line in credentials[name].splitlines():
                    if len(line) >= LENGTH_MIN and not line.startswith("-----"):
                        self._secrets[line] = f"{venue}.{name}"
            return credentials

        return noted

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        """Look through what was captured when the test is over."""
        report: pytest.TestReport = yield
        if report.when == "teardown":
            text = "\n".join(content for _, content in report.sections)
            found = sorted({name for secret, name in self._secrets.items() if secret in text})
            self._secrets.clear()
            if found and report.passed:
                report.outcome = "failed"
                report.longrepr = f"secrets were printed or logged: {', '.join(found)}"
        return report
