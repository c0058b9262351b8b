"""The parameters of metrics, common to both APIs: the same names, the same refusals."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Grain, Interval, zone_of
from analytics.customer_value.api import fitted
from analytics.ledger.instants import ensure_past
from analytics.metrics.converted import RATES, amounts_of, convert, has_others
from analytics.metrics.definition import CURRENCY, Metric
from analytics.metrics.event_types import event_types_of
from analytics.metrics.filtering import FilterBy, checked, filter_by
from analytics.metrics.question import Question
from analytics.projections.as_known_at import WAIT_SECONDS, WAITING, apart, as_known_at
from analytics.projections.custom_fields import PREFIX, CustomerFields, customer_fields
from analytics.projections.tables import facts
from analytics.projections.tenants import tenant_settings
from kith.db.connections import Database
from kith.db.tables import Moment
from kith.errors import Invalid
from kith.reach import Reach
from kith.runtime.fairness import FairQueue


@asynccontextmanager
async def reading(
    database: Database,
    tenant: str,
    metrics: Sequence[Metric],
    starts_at: datetime,
    ends_at: datetime,
    known_at: datetime | None,
    currency: str | None = None,
) -> AsyncIterator[AsyncConnection]:
    """Yields a transaction to read metrics in: as they are known now, or as they were at an instant; in a currency
    each amount in it for which there is a rate. Raises Invalid for an instant that is yet to come, and for a metric
    that is not converted."""
    ensure_past(knownAt=known_at)
    amounts = amounts_of(metrics) if currency is not None else []
    interval = Interval(starts_at, ends_at)
    if known_at is None:
        await fitted(database, tenant, metrics, ends_at)
        async with database.read(tenant) as connection:
            if currency is None or not await has_others(connection, tenant, amounts, interval, currency):
                yield connection
                return
        around = apart(database, tenant, _converting)
    else:
        types = event_types_of(metrics) | (RATES if currency is not None else frozenset())
        around = as_known_at(database, tenant, known_at, types)
    async with around as connection:
        if currency is not None:
            zone = (await tenant_settings(connection, tenant)).zone
            await convert(connection, tenant, amounts, interval, currency, zone)
        yield connection


CONVERTING_AT_ONCE = 8
"""The number of reads in one currency that may run at a time, per process: each has a connection of its own."""
_converting = FairQueue(CONVERTING_AT_ONCE, waiting=WAITING, seconds=WAIT_SECONDS)


async def question_of(
    connection: AsyncConnection,
    tenant: str,
    reach: Reach,
    starts_at: datetime,
    ends_at: datetime,
    *,
    grain: Grain | None = None,
    group_by: Sequence[str] = (),
    filters: Sequence[str | FilterBy] = (),
    zone: str | None = None,
    activity: int | None = None,
    known_at: datetime | None = None,
    currency: str | None = None,
) -> Question:
    """Returns the question. Zone and activity default to the tenant's. Raises Invalid and NotFound."""
    interval = Interval(starts_at, ends_at)
    if zone is not None:
        zone_of(zone)
    settings = await tenant_settings(connection, tenant, activity)
    asked = checked(tuple(filter_by(each) if isinstance(each, str) else each for each in filters))
    names = (*group_by, *(each.dimension for each in asked))
    if currency is not None and CURRENCY.name in names:
        raise Invalid("What comes in one currency is neither grouped nor filtered by it.", field="currency")
    now, settled = (
        await connection.execute(
            select(cast(func.now(), Moment), func.to_regclass(f"pg_temp.{facts.name}").is_(None))  # by its clock
        )
    ).one()
    has_custom = any(name.startswith(PREFIX) for name in names)
    return Question(
        interval,
        zone or settings.zone,
        settings.policy,
        reach=reach,
        grain=grain,
        group_by=tuple(group_by),
        filters=asked,
        settled=settled,
        currency=currency,
        now=now if known_at is None else min(now, known_at),
        fields=await customer_fields(connection, tenant) if has_custom else CustomerFields({}),
    )
