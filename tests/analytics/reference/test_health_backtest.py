"""The backtest that docs/health.md shows, of the retail data as the services have them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.reference.conftest import Replayed
from tests.backtest.models import FIGURES, figures
from tests.recorded import needs_recorded_data

pytestmark = needs_recorded_data


def leaves(report: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(report, dict | list):
        for name, each in report.items() if isinstance(report, dict) else enumerate(report):
            yield from leaves(each, f"{where}.{name}")
    else:
        yield where, report


async def test_the_guide_shows_what_the_backtest_finds(replayed: dict[str, Replayed], worker: AsyncEngine) -> None:
    found = dict(leaves(await figures(worker, replayed["retail"].tenant)))
    shown = dict(leaves(json.loads(FIGURES.read_text())))
    assert found.keys() == shown.keys()
    for where, value in shown.items():
        # Sums of the same numbers in another order may round to another last digit.
        assert found[where] == (pytest.approx(value, abs=2e-4) if isinstance(value, float) else value), where
