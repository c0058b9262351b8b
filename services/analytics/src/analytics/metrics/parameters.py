"""The parameters of metrics, common to both APIs: the same names, the same refusals."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TypedDict, Unpack

from sqlalchemy import cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Grain, Interval, zone_of
from analytics.customer_value.api import fitted
from analytics.ledger.instants import ensure_past
from analytics.metrics.converted import RATES, amounts_of, convert, ensure_converts, has_rates, in_others
from analytics.metrics.definition import CURRENCY, Metric
from analytics.metrics.event_types import event_types_of
from analytics.metrics.figure import Figure
from analytics.metrics.filtering import FilterBy, checked, filter_by
from analytics.metrics.question import Question
from analytics.metrics.reads import figures
from analytics.projections.as_known_at import WAIT_SECONDS, WAITING, apart, as_known_at
from analytics.projections.custom_fields import PREFIX, CustomerFields, customer_fields
from analytics.projections.tables import facts
from analytics.projections.tenants import tenant_settings
from kith.db.connections import Database
from kith.db.tables import Moment
from kith.errors import Invalid
from kith.reach import Reach
from kith.runtime.fairness import FairQueue

CONVERTING_AT_ONCE = 8
"""The number of reads in one currency that may run at a time, per process: each has a connection of its own."""
_converting = FairQueue(CONVERTING_AT_ONCE, waiting=WAITING, seconds=WAIT_SECONDS)


class Parameters(TypedDict, total=False):
    """What else may be asked."""

    grain: Grain | None
    group_by: Sequence[str]
    filters: Sequence[str | FilterBy]
    zone: str | None
    activity: int | None
    known_at: datetime | None
    currency: str | None


@asynccontextmanager
async def reading(
    database: Database, tenant: str, metrics: Sequence[Metric], ends_at: datetime, known_at: datetime | None
) -> AsyncIterator[AsyncConnection]:
    """Yields a transaction to read metrics in: as they are known now, or as they were at an instant, with the rates
    that were known. Raises Invalid for an instant that is yet to come."""
    ensure_past(knownAt=known_at)
    if known_at is None:
        await fitted(database, tenant, metrics, ends_at)
        async with database.read(tenant) as connection:
            yield connection
        return
    types = event_types_of(metrics) | (RATES if amounts_of(metrics) else frozenset())
    async with as_known_at(database, tenant, known_at, types) as connection:
        yield connection


async def answer(
    database: Database,
    tenant: str,
    reach: Reach,
    metrics: Sequence[Metric],
    starts_at: datetime,
    ends_at: datetime,
    **asked: Unpack[Parameters],
) -> tuple[Question, list[Figure]]:
    """Returns the question, and the figures: in the currency that is asked, or else in the tenant's own if there are
    rates to that, each amount converted that is in another. Raises Invalid where there is no rate for one."""
    if asked.get("currency") is not None:
        ensure_converts(metrics)

    async def convert_in(connection: AsyncConnection, into: str) -> list[Figure]:
        await convert(connection, tenant, amounts_of(others), question.interval, into, question.rates_zone)
        return await figures(connection, tenant, others, replace(question, settled=False))

    known_at, converted = asked.get("known_at"), list[Figure]()
    async with reading(database, tenant, metrics, ends_at, known_at) as connection:
        question = await question_of(connection, tenant, reach, starts_at, ends_at, **asked)
        found = await figures(connection, tenant, metrics, replace(question, currency=None))
        into = question.currency
        others = [] if into is None else await in_others(connection, tenant, metrics, found, into)
        if into and others and asked.get("currency") is None and not await has_rates(connection, tenant, into):
            others = []
        if into and others and known_at is not None:  # a connection of its own already
            converted = await convert_in(connection, into)
    if into and others and known_at is None:
        async with apart(database, tenant, _converting) as connection:
            converted = await convert_in(connection, into)
    by_id = {each.id: each for each in converted}
    return question, [by_id.get(each.id, each) for each in found]


async def question_of(
    connection: AsyncConnection,
    tenant: str,
    reach: Reach,
    starts_at: datetime,
    ends_at: datetime,
    **asked: Unpack[Parameters],
) -> Question:
    """Returns the question. Zone, activity and currency default to the tenant's. Raises Invalid and NotFound."""
    interval = Interval(starts_at, ends_at)
    zone, known_at, currency = asked.get("zone"), asked.get("known_at"), asked.get("currency")
    if zone is not None:
        zone_of(zone)
    settings = await tenant_settings(connection, tenant, asked.get("activity"))
    filters = checked(tuple(filter_by(each) if isinstance(each, str) else each for each in asked.get("filters", ())))
    group_by = tuple(asked.get("group_by", ()))
    names = (*group_by, *(each.dimension for each in filters))
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
        grain=asked.get("grain"),
        group_by=group_by,
        filters=filters,
        settled=settled,
        currency=currency or (None if CURRENCY.name in names else settings.currency),
        rates_zone=settings.zone,
        now=now if known_at is None else min(now, known_at),
        fields=await customer_fields(connection, tenant) if has_custom else CustomerFields({}),
    )
