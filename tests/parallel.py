"""How `pytest -n` shares the tests out among processes.

Each process has a PostgreSQL and services of its own, and is given one file after the other. What takes long to start,
the house, the recorded data and Kafka, is started once, by the process that does all tests that need it. These take
longest, so they are begun first, and the other processes do the files meanwhile.
"""

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

TOGETHER = {
    "the house": "tests/e2e/",
    "the recorded data": "tests/analytics/reference/",
    "Kafka": "[kafka",
}
"""What tests need that is started once, and what the ids of those tests have in them."""


LONG = (
    "tests/documents/",
    "tests/reliability/",
    "tests/federation/",
    "tests/kith_local/",
    "tests/analytics/machine/",
    "tests/kith/consumer/",
    "tests/kith/outbox/",
)
"""Folders with files that take a minute: begun last, one would keep a single process busy after all others have
ended."""


def group_of(test: str) -> str:
    return next((need for need, part in TOGETHER.items() if part in test), test.partition("::")[0])


def longest_first(test: str) -> int:
    """The index of the test's group."""
    others = len(TOGETHER) + (not test.startswith(LONG))
    return next((index for index, need in enumerate(TOGETHER) if need == group_of(test)), others)


class ByNeed(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each process a group at a time, in the order of collection."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
