"""Each service answers as its OpenAPI document says, whatever is sent: cases made from the document itself.

`KITH_FUZZ_CASES=2000`, or `make fuzz`, tries more of them."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.conftest import FreshDatabase
from tests.reliability.processes import PATIENCE, keys_of, running

import analytics.service
import contacts.service
import sales.service
import service_desk.service
from kith.ids import new_id
from kith.runtime.service import Service
from kith.testing import Issuer

CASES = int(os.environ.get("KITH_FUZZ_CASES", "100"))
SERVICES = [each.service.SERVICE for each in (contacts, sales, service_desk, analytics)]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
]


class Made:
    """What was created before: an id that is drawn at random names nothing."""

    def __init__(self) -> None:
        self._ids: defaultdict[str, list[str]] = defaultdict(list)
        self._asked = 0

    def note(self, case: Any, response: Any) -> None:
        if response.status_code == 201:
            self._ids[case.path].append(response.json()["id"])

    def put_into(self, case: Any) -> None:
        """Every second time."""
        self._asked += 1
        known = self._ids[case.path.partition("/{id}")[0]]
        if known and self._asked % 2 and "id" in (case.path_parameters or {}):
            case.path_parameters["id"] = known[-1]


def operations(url: str) -> Iterator[Any]:
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        yield found.ok()  # type: ignore[union-attr]  # it raises if the document is wrong


def fuzz(url: str, headers: dict[str, str]) -> int:
    """How many requests were made."""
    every, made, count = list(operations(url)), Made(), 0
    failures: list[Exception] = []
    # What creates comes first, for the others to find it.
    for operation in sorted(every, key=lambda each: ("{" in each.path, each.method != "post")):

        @settings(
            max_examples=ceil(CASES / len(every)),
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers_as_documented(case: Any) -> None:
            nonlocal count
            made.put_into(case)
            response = case.call(headers=headers, timeout=PATIENCE)
            count += 1
            made.note(case, response)
            case.validate_response(response, checks=CHECKS, headers=headers)

        try:
            answers_as_documented()
        except Exception as error:  # noqa: BLE001 - all of them are reported, not the first alone
            failures.append(error)
    if failures:
        raise ExceptionGroup("answers that are not as documented", failures)
    return count


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_a_service_answers_as_its_document_says(
    fresh_database: FreshDatabase, issuer: Issuer, tmp_path: Path, service: Service
) -> None:
    url = await fresh_database(service)
    headers = {"Authorization": f"Bearer {issuer.token(f't-{new_id().hex}', exp=2**31)}"}
    async with keys_of(issuer) as keys, running(service, url, keys, tmp_path) as process:
        assert await asyncio.to_thread(fuzz, process.url, headers) >= CASES
