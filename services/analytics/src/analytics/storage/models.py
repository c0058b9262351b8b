"""A tenant's health models over time, as facts of the ledger tell of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health.assignment import Models, Publication
from analytics.domain.health.base import FAR, micros, to_micros
from analytics.domain.health.inputs import INPUTS
from analytics.domain.health.model import DEFAULT, HealthModel
from analytics.storage.tables import facts
from kith.events.analytics import HealthModelPublished, HealthModelRetired

MODEL_TYPES = (HealthModelPublished.type, HealthModelRetired.type)


async def all_models(connection: AsyncConnection, tenant: str) -> Models:
    f = facts.c
    rows = await connection.execute(
        select(f.subject, f.version, f.type, f.time, f.state)
        .where(f.tenant_id == tenant, f.type.in_(MODEL_TYPES))
        .order_by(f.subject, f.version)
    )
    told = rows.all()
    newest = {row.subject: row.version for row in told}
    return Models(
        [
            Publication(str(row.subject), to_micros(row.time), _model(row, in_force=row.version == newest[row.subject]))
            for row in told
        ]
    )


async def models_of(connection: AsyncConnection, tenant: str, at: datetime | None = None) -> list[HealthModel]:
    """In force now, or at an instant. The most specific first; of equals what was published last; the default last."""
    models = await all_models(connection, tenant)
    return list(models.at(int(FAR) if at is None else micros(at)))


def with_model(models: list[HealthModel], added: HealthModel) -> list[HealthModel]:
    """As they would be if it were published now, in the place of its version before."""
    others = [each for each in models if each.id not in (added.id, DEFAULT.id)]
    found = sorted([added, *others], key=lambda each: each.audience.specificity, reverse=True)
    return [*found, DEFAULT]


def _model(row: Any, *, in_force: bool) -> HealthModel | None:
    if row.type != HealthModelPublished.type:
        return None
    id, number, document = str(row.subject), row.state["number"], row.state["document"]
    try:
        model = HealthModel.told(id, number, document)
        readable = all(each.input in INPUTS for each in model.measures)
    except (KeyError, TypeError, ValueError):  # it was checked when it was written, by the rules of then
        model, readable = HealthModel(id, number, ()), False
    # One that cannot be computed is a fault while it is in force. After that it must not make the past unreadable.
    return model if in_force or readable else None
