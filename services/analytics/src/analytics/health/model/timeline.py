"""A tenant's health models over time, as the ledger's facts record them."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.health.engine.base import FAR, micros, to_micros
from analytics.health.engine.scoring import fault_of_model
from analytics.health.model.assignment import Models, Publication
from analytics.health.model.definition import DEFAULT, HealthModel
from analytics.projections.tables import facts
from kith.errors import Invalid
from kith.events.analytics import HealthModelPublished, HealthModelRetired

MODEL_TYPES = (HealthModelPublished.type, HealthModelRetired.type)


async def all_models(connection: AsyncConnection, tenant: str) -> Models:
    f = facts.c
    rows = await connection.execute(
        select(f.subject, f.version, f.type, f.time, f.state)
        .where(f.tenant_id == tenant, f.type.in_(MODEL_TYPES))
        .order_by(f.subject, f.version)
    )
    published = rows.all()
    newest = {row.subject: row.version for row in published}
    return Models(
        [
            Publication(
                str(row.subject), to_micros(row.time), _model(tenant, row, in_force=row.version == newest[row.subject])
            )
            for row in published
        ]
    )


async def models_of(connection: AsyncConnection, tenant: str, at: datetime | None = None) -> list[HealthModel]:
    """Returns the models in force now, or at an instant. The most specific first; of equals the one published last; the
    default last."""
    models = await all_models(connection, tenant)
    return list(models.at(int(FAR) if at is None else micros(at)))


async def model_in_force(connection: AsyncConnection, tenant: str, id: str) -> HealthModel:
    """Returns the model in force with this id. Raises Invalid that lists the ids there are."""
    models = await models_of(connection, tenant)
    if (named := next((each for each in models if each.id == id), None)) is None:
        there_are = ", ".join(each.id for each in models)
        raise Invalid(f"There is no health model {id} in force. There are: {there_are}.", field="model")
    return named


def with_model(models: list[HealthModel], added: HealthModel) -> list[HealthModel]:
    """Returns the models as they would be if it were published now, at the index of its previous version."""
    others = [each for each in models if each.id not in (added.id, DEFAULT.id)]
    found = sorted([added, *others], key=lambda each: each.audience.specificity, reverse=True)
    return [*found, DEFAULT]


_READ: dict[tuple[str, str, int, datetime], HealthModel] = {}
"""Parsed documents: a published version never changes. The cache is bounded."""
_MOST_READ = 1_000


def _model(tenant: str, row: Any, *, in_force: bool) -> HealthModel | None:
    if row.type != HealthModelPublished.type:
        return None
    key = tenant, str(row.subject), row.version, row.time
    if key not in _READ:
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        _READ[key] = _read(str(row.subject), row.state["number"], row.state["document"])
    model = _READ[key]
    # A fault only while the model is in force: its customers are set aside. Later it must not make the past unreadable.
    return model if in_force or model.fault is None else None


def _read(id: str, number: int, document: Any) -> HealthModel:
    try:
        model = HealthModel.from_document(id, number, document)
        fault = fault_of_model(model)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # it was checked by the rules of its time
        fault = f"The model's document cannot be read: {type(error).__name__}: {error}"
    return model if fault is None else HealthModel.broken(id, number, document, fault)
