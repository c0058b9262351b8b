"""The models compared, and when."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at
from tests.backtest.baselines import Orders, Rows, baselines

from analytics.health.engine.reads import everybody_of
from analytics.health.evaluation import backtest_reads as backtest
from analytics.health.model.definition import DEFAULT, HealthModel
from analytics.health.model.documents import HealthModelDocument, as_kept
from analytics.health.model.gallery import GALLERY
from analytics.projections.snapshot import snapshot, snapshots

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
        "Retail, of the gallery": HealthModel.from_document("retail", 1, GALLERY["retail"].document),
        "Retail, tuned": HealthModel.from_document("retail-tuned", 1, as_kept(tuned)),
    }


async def figures(engine: AsyncEngine, tenant: str) -> dict[str, Any]:
    """The reports of all models, and what simpler rules come to on the same rows; rounded."""
    reports, scores, reads = {}, {}, snapshots(engine)
    for title, model in models().items():
        async with snapshot(engine) as connection:
            plan = await backtest.plan(connection, tenant, STARTS_AT, None, STEP_DAYS, None)
        part = await backtest.observe(reads, tenant, model, plan, _unwatched)
        reports[title], scores[title] = await backtest.judge(model, plan, part), part.seen.score
    everybody = [id async for some in everybody_of(reads, tenant) for id in some]
    async with snapshot(engine) as connection:
        orders = await Orders.read(connection, tenant, everybody)
    simpler = baselines(Rows(part.seen, orders, plan.instants, plan.horizon), scores)
    return {"models": rounded(msgspec.to_builtins(reports)), "baselines": rounded(msgspec.to_builtins(simpler))}


async def _unwatched(done: int, total: int) -> None:
    pass


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, DIGITS) if isinstance(value, float) else value
