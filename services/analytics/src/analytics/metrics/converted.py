"""Figures in one currency: each amount at the rate of its event's day, before anything is added up.

The facts, and the spans of subscriptions, are read through temporary views of the same names whose amounts are
converted. PostgreSQL resolves a name among temporary objects first, so every query reads them unchanged. The connection
is used for nothing else, and rolled back: nothing of it remains.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import midnight, zone_of
from analytics.metrics.definition import Metric
from analytics.metrics.kinds.registry import kind_of
from analytics.metrics.measure import Flow, Measure, Recurring, Stock
from analytics.metrics.question import Question
from analytics.projections.facts import types_of
from analytics.projections.subscriptions import subscription_spans
from analytics.projections.tables import facts
from kith.db.sessions import driver_of
from kith.errors import Invalid
from kith.events.exchange_rates import ExchangeRateCreated
from kith.scalars.currencies import MINOR_UNITS

RATES = frozenset(types_of(ExchangeRateCreated.noun))
MOST_DAYS = 7
"""A rate holds until the next one, and for so many days at most: over a weekend and holidays, and not for ever."""


class Rate(NamedTuple):
    day: date
    rate: Decimal


def ensure_convertible(metric: Metric) -> None:
    """Raises Invalid for a metric whose amounts are not converted."""
    for measure in metric.measures:
        if not kind_of(measure).is_amount(measure):
            continue
        if not isinstance(measure, Flow | Stock | Recurring) or getattr(measure, "of_lines", False):
            raise Invalid(
                f"{metric.id} is not converted: its amounts are those of lines, or of a model of customers' value. "
                "Leave currency out, and it comes in each currency.",
                field="currency",
            )


async def convert(connection: AsyncConnection, tenant: str, currency: str, zone: str) -> None:
    """Lets all amounts be read in one currency until the transaction ends, at rates of days in the zone. An amount
    without a rate stays as it is."""
    driver, here = driver_of(connection), zone_of(zone)
    rows = [
        (base, midnight(since, here), midnight(until, here), rate)
        for base, rates in (await _rates(connection, tenant, currency)).items()
        for since, until, rate in _holding(rates)
    ]
    await driver.execute(
        "CREATE TEMPORARY TABLE rates (base text, since timestamptz, until timestamptz, rate numeric) ON COMMIT DROP"
    )
    await driver.copy_records_to_table("rates", records=rows, schema_name="pg_temp")
    await driver.execute("ANALYZE pg_temp.rates")
    for table, amount, moment in ((facts, "amount", "time"), (subscription_spans, "mrr", "starts_at")):
        of_before = await driver.fetchval("SELECT to_regclass($1) IS NOT NULL", f"pg_temp.{table.name}")
        if of_before:  # as it was known at an instant
            await driver.execute(f"ALTER TABLE pg_temp.{table.name} RENAME TO {table.name}_told")
        source = f"pg_temp.{table.name}_told" if of_before else f"public.{table.name}"
        columns = {name: f"t.{name}" for name in (each.name for each in table.c)}
        converted = f"round(t.{amount} * r.rate, {MINOR_UNITS[currency]})"
        columns[amount] = f"CASE WHEN r.rate IS NULL THEN t.{amount} ELSE {converted} END"
        columns["currency"] = f"CASE WHEN r.rate IS NULL THEN t.currency ELSE '{currency}' END"
        await driver.execute(
            f"CREATE TEMPORARY VIEW {table.name} AS "  # noqa: S608 - of names of the code, and a code of ISO 4217
            f"SELECT {', '.join(f'{each} AS {name}' for name, each in columns.items())} FROM {source} t "
            f"LEFT JOIN pg_temp.rates r ON r.base = t.currency AND t.{moment} >= r.since AND t.{moment} < r.until"
        )


async def _rates(connection: AsyncConnection, tenant: str, currency: str) -> dict[str, list[Rate]]:
    """Returns the rates into the currency, by the one they convert from, in order of their days. Of several of one day
    the last that was created counts."""
    state = facts.c.state
    rows = await connection.execute(
        select(state["base"].astext, state["day"].astext, state["rate"].astext)
        .where(facts.c.tenant_id == tenant, facts.c.type.in_(RATES), facts.c.until.is_(None))
        .where(state["quote"].astext == currency)
        .order_by(facts.c.clock_since, facts.c.subject)
    )
    found: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for base, day, rate in rows:
        found[base][date.fromisoformat(day)] = Decimal(rate)
    return {base: [Rate(*each) for each in sorted(rates.items())] for base, rates in found.items()}


def _holding(rates: Iterable[Rate]) -> Iterable[tuple[date, date, Decimal]]:
    """Yields from which day until before which other one each rate holds."""
    for rate, following in pairwise([*rates, None]):
        assert rate is not None
        lapses = rate.day + timedelta(days=MOST_DAYS + 1)
        yield rate.day, lapses if following is None else min(lapses, following.day), rate.rate


async def ensure_rates(
    connection: AsyncConnection, tenant: str, question: Question, found: Iterable[tuple[Measure, str | None]]
) -> None:
    """Raises Invalid that names the pair and the day if a measure has amounts left in another currency."""
    for measure, currency in found:
        if currency is not None and currency != question.currency:
            day = await _first_day(connection, tenant, question, measure, currency)
            raise Invalid(
                f"There is no exchange rate from {currency} to {question.currency} of {day.isoformat()}, nor of the "
                f"{MOST_DAYS} days before it.",
                field="currency",
            )


async def _first_day(
    connection: AsyncConnection, tenant: str, question: Question, measure: Measure, currency: str
) -> date:
    """Returns the first day of an amount that has no rate."""
    interval = question.interval
    if isinstance(measure, Recurring):
        s = subscription_spans.c
        statement = select(func.min(s.starts_at)).where(s.tenant_id == tenant, s.currency == currency, s.mrr > 0)
    else:
        f = facts.c
        statement = select(func.min(f.time)).where(
            f.tenant_id == tenant,
            f.currency == currency,
            f.amount.is_not(None),
            f.type.in_(sorted(kind_of(measure).event_types(measure))),
            f.time < interval.ends_at,
            *((f.time >= interval.starts_at,) if isinstance(measure, Flow) else ()),
        )
    first = await connection.scalar(statement) or interval.ends_at
    day: date = first.astimezone(zone_of(question.zone)).date()
    return day
