"""What `make test` leaves to `make prove`, so that it ends in time on two cores.

It concerns a run of all tests only: of tests that are named, by a path, `-k` or `-m`, all are run.
"""

import os
import re
from zlib import crc32

import pytest

LEFT = tuple(
    re.compile(each)
    for each in (
        # What they show of a house they show on one bus; what Kafka adds is in tests/kith/bus and in the others.
        r"tests/e2e/test_house\.py::test_(silence|the_doctor|without_a_token|a_trace).*\[kafka",
        r"tests/e2e/test_house\.py::test_a_(replay_through|worker_stopped).*\[embedded",
        r"tests/reliability/test_restore\.py::.*\[kafka",
        r"tests/reliability/test_poison_rows\.py::.*\[kafka-(contacts|service-desk|analytics)",
        # Recorded data that are not retail are sent once more; `make doctor` is called by other pages, too.
        r"tests/e2e/test_documents\.py::.*\[docs/(replay|runbooks/KithReconciliation(Late|Mismatch))\.md",
        # Each takes minutes, in a checkout of its own: after a change of a page, or of what it shows, name the test.
        r"tests/documents/test_howto\.py::.*\[add-an?-(field|event|metric|projection)",
    )
)
"""Tests that are as slow as they are like others."""

MANY = tuple(
    f"tests/{each}.py"
    for each in (
        *(f"contracts/test_{each}" for each in ("actors", "archiving", "history", "lists", "node_ids", "nouns")),
        *(f"contracts/test_{each}" for each in ("personal_fields", "published", "search")),
        *(f"analytics/reference/test_{each}" for each in ("figures", "members")),
    )
)
FEW, ONE_IN = 16, 3
"""Of a test there that has more than so many cases, generated from the forms and the figures, one in so many."""


def is_whole_run(config: pytest.Config) -> bool:
    named = config.option.keyword or config.option.markexpr
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not named
    return whole and not os.environ.get("KITH_PROVE")


def left_to_prove(items: list[pytest.Item]) -> list[pytest.Item]:
    cases: dict[str, int] = {}
    for item in items:
        cases[_test_of(item)] = cases.get(_test_of(item), 0) + 1
    return [item for item in items if _is_left(item.nodeid, cases[_test_of(item)])]


def _is_left(id: str, cases: int) -> bool:
    if any(each.match(id) for each in LEFT):
        return True
    # By its name: the same ones in every process and in every run.
    return id.startswith(MANY) and cases > FEW and crc32(id.encode()) % ONE_IN != 0


def _test_of(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]
