"""The models compared, and when."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at

from analytics.commands.health_documents import HealthModelDocument, as_kept
from analytics.domain.gallery import GALLERY
from analytics.domain.health.model import DEFAULT, HealthModel
from analytics.queries import backtest
from analytics.storage.snapshot import snapshot, snapshots

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "health"
FIGURES = FOLDER / "retail.json"
STARTS_AT: datetime = at("2011-03-14")
STEP_DAYS = 30
DIGITS = 4


def models() -> dict[str, HealthModel]:
    """By their titles."""
    tuned = HealthModelDocument.model_validate(json.loads((FOLDER / "retail-tuned.json").read_text()))
    return {
        "Default": DEFAULT,
        "Retail, of the gallery": HealthModel.told("retail", 1, GALLERY["retail"].document),
        "Retail, tuned": HealthModel.told("retail-tuned", 1, as_kept(tuned)),
    }


async def figures(engine: AsyncEngine, tenant: str) -> dict[str, Any]:
    """The reports of all models, rounded."""
    found = {}
    for title, model in models().items():
        async with snapshot(engine) as connection:
            plan = await backtest.plan(connection, tenant, STARTS_AT, None, STEP_DAYS, None)
        seen = await backtest.observe(snapshots(engine), tenant, model, plan, _unwatched)
        found[title] = rounded(msgspec.to_builtins(await backtest.judge(model, plan, seen)))
    return found


async def _unwatched(done: int, total: int) -> None:
    pass


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, DIGITS) if isinstance(value, float) else value
