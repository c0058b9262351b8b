"""Health models in force, as facts of the ledger tell them: of each what was published last, unless it was retired."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.domain.health.model import DEFAULT, HealthModel
from analytics.storage.tables import facts
from kith.events.analytics import HealthModelPublished, HealthModelRetired

MODEL_TYPES = (HealthModelPublished.type, HealthModelRetired.type)


async def models_of(connection: AsyncConnection, tenant: str, at: datetime | None = None) -> list[HealthModel]:
    """Now, or as of an instant. The most specific first; of equals what was published last; the default last of all."""
    f = facts.c
    rows = await connection.execute(
        select(f.subject, f.type, f.time, f.state)
        .where(f.tenant_id == tenant, f.type.in_(MODEL_TYPES), *([f.time < at] if at else []))
        .order_by(f.subject, f.version)
    )
    last = {subject: (type, time, state) for subject, type, time, state in rows}
    published: list[tuple[datetime, HealthModel]] = [
        (time, HealthModel.told(str(subject), state["number"], state["document"]))
        for subject, (type, time, state) in last.items()
        if type == HealthModelPublished.type
    ]
    published.sort(key=lambda each: (each[1].audience.specificity, each[0]), reverse=True)
    return [*(model for _, model in published), DEFAULT]


def with_model(models: list[HealthModel], added: HealthModel) -> list[HealthModel]:
    """As they would be if it were published now, in the place of its version before."""
    others = [each for each in models if each.id not in (added.id, DEFAULT.id)]
    found = sorted([added, *others], key=lambda each: each.audience.specificity, reverse=True)
    return [*found, DEFAULT]
