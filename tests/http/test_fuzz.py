"""Requests that nobody would write, made from the interface's own description: no bug, nothing undescribed.

`make fuzz` and `make faults` make 5,000 calls in place of a sample, CROSSBOOK_FUZZ any other number. A run is
repeated with `--hypothesis-seed`, which the last line of the output names.
"""

import asyncio
import os
from collections import Counter
from typing import Any

import hypothesis
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, strategies
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks

from tests.http.description import Description
from tests.http.test_app import Server, offering, server
from tests.world import ACCOUNT, NO, YES

__all__ = ["server"]

WHOLE = bool(os.environ.get("CROSSBOOK_FAULTS"))
CALLS = int(os.environ.get("CROSSBOOK_FUZZ", "5000" if WHOLE else "240"))
"""Half of them go to what trades, the others are spread over all that is described."""
WAIT_S = 30
ORDERS = (
    {"predexonId": YES, "side": "buy", "amount": "5.00"},
    {"predexonId": YES, "side": "buy", "amount": 2},
    {"predexonId": YES, "side": "sell", "size": "1"},
    {"predexonId": NO, "side": "buy", "amount": "0.01"},
)
"""Orders that may well be filled, beside all that can be said."""
JUDGES: list[Any] = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

Json = dict[str, Any]


class Caller:
    """Sends what schemathesis makes up, and lets it and our reader of the description judge the answers."""

    def __init__(self, server: Server, document: Json) -> None:
        self.base_url = f"http://127.0.0.1:{server.listener.port}"
        self.keys = {"admin": server.admin}
        self.key = server.key
        self.description = Description(document)
        self.session = requests.Session()
        self.seen: Counter[tuple[str, int]] = Counter()
        schema = schemathesis.openapi.from_dict(_tradable(document))
        self.operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]  # or it raises

    def run(self, calls: int) -> None:
        """All calls, in a thread of their own."""
        trading = [op for op in self.operations if scope_of(op) == "trade"]
        others = [op for op in self.operations if scope_of(op) != "trade"]
        while self.seen.total() < calls // 2:  # hypothesis may think that it has tried everything
            for operation in trading:
                self._hammer(operation, calls // (2 * len(trading)))
        while self.seen.total() < calls:  # at last, because they may halt what trades
            share = max(1, (calls - self.seen.total()) // len(others))
            for operation in others:
                self._hammer(operation, share)
        self.session.close()

    def _hammer(self, operation: Any, calls: int) -> None:  # schemathesis has no exported type for it
        scope = scope_of(operation)
        known: Json = {"headers": {"x-api-key": self.keys.get(scope, self.key)}}
        if "{accountId}" in operation.path:
            known["path_parameters"] = {"accountId": ACCOUNT}
        known_ones = [operation.as_strategy(generation_mode=mode, **known) for mode in GenerationMode]
        strangers = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
        if scope == "trade":
            known_ones += [operation.as_strategy(body=order, **known) for order in ORDERS]
            nobody = {"accountId": "acct-nobody"}
            known_ones.append(operation.as_strategy(**(known | {"path_parameters": nobody})))
        made = strategies.one_of(*known_ones, *strangers)

        @hypothesis.given(case=made)
        @hypothesis.settings(
            max_examples=calls, database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        def call(case: Case[Any]) -> None:
            self._call(case)

        call()

    def _call(self, case: Case[Any]) -> None:
        response = case.call(base_url=self.base_url, session=self.session, timeout=WAIT_S)
        method, path = case.method, response.request.path_url
        self.seen[case.operation.label, response.status_code] += 1
        assert response.status_code != 500, response.content
        case.validate_response(response, checks=JUDGES)
        headers = {name: values[0] for name, values in response.headers.items()}
        faults = self.description.faults(
            method, path, status=response.status_code, headers=headers, body=response.content
        )
        assert faults == [], (method, path, case.body)


def scope_of(operation: Any) -> str:
    """What a key must be for; "" where none is asked for."""
    return str(operation.definition.raw.get("x-scope", ""))


def _tradable(document: Json) -> Json:
    """The description with two outcomes that can be traded beside all that can be named."""
    changed: Json = msgspec.json.decode(msgspec.json.encode(document))
    fields = changed["components"]["schemas"]["SeedRequest"]["properties"]
    fields["predexonId"] = {"anyOf": [{"enum": [YES, NO]}, fields["predexonId"]]}
    return changed


@pytest.mark.slow
@pytest.mark.faults
async def test_whatever_is_sent_the_answer_is_one_that_is_described_and_never_a_bug(server: Server) -> None:
    response = await asyncio.to_thread(
        requests.get, f"http://127.0.0.1:{server.listener.port}/openapi.json", timeout=WAIT_S
    )
    caller = Caller(server, response.json())
    async with offering(server):
        await asyncio.to_thread(caller.run, CALLS)
    statuses = {status for _, status in caller.seen}
    print(f"figure: {caller.seen.total()} calls", sorted(caller.seen.items()))
    assert caller.seen.total() >= CALLS
    assert {200, 201, 400, 401, 404} <= statuses, "calls reached the venues, and every gate before them"
