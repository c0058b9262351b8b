"""Figures in one currency: each amount at the rate of its event's day, before anything is added up.

The facts, and the spans of subscriptions, are read through temporary views of the same names whose amounts are
converted. PostgreSQL resolves a name among temporary objects first, so every query reads them unchanged. The connection
is used for nothing else, and rolled back: nothing of it remains.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.calendar import Interval, zone_of
from analytics.metrics.definition import CURRENCY, Metric, terms
from analytics.metrics.figure import Figure
from analytics.metrics.kinds.registry import kind_of
from analytics.metrics.lines import NUMBER
from analytics.metrics.measure import Flow, Measure, Recurring, Stock
from analytics.metrics.plan import Evaluation, Plan
from analytics.metrics.query import Cell, MetricQuery
from analytics.metrics.question import Question
from analytics.projections.facts import types_of
from analytics.projections.subscriptions import subscription_spans
from analytics.projections.tables import facts
from kith.db.sessions import driver_of
from kith.errors import Invalid
from kith.events.exchange_rates import ExchangeRateArchived, ExchangeRateCreated
from kith.scalars.currencies import MINOR_UNITS

RATES = frozenset(types_of(ExchangeRateCreated.noun))
MOST_DAYS = 7
"""A rate holds until the next one, and for so many days at most: over a weekend and holidays, and not for ever."""
_NAMED = "kith.days_named_of"
"""A currency: its amounts without a rate have their day behind it."""

# One row for each day on which a rate holds: an amount finds its own by equality. Of several rates of one pair and day
# the last that was created counts.
_HOLDING = """
INSERT INTO pg_temp.rates
SELECT base, day + n, rate
FROM (
  SELECT *, lead(day) OVER (PARTITION BY base ORDER BY day) AS following
  FROM (
    SELECT DISTINCT ON (base, day) base, day, rate
    FROM (
      SELECT
        state->>'base' AS base, (state->>'day')::date AS day, (state->>'rate')::numeric AS rate, clock_since, subject
      FROM facts WHERE tenant_id = $1 AND type = ANY($2::text[]) AND until IS NULL AND state->>'quote' = $3
    ) AS told
    WHERE day BETWEEN coalesce(timezone($4, $5)::date - $7::int, '-infinity') AND timezone($4, $6)::date
    ORDER BY base, day, clock_since DESC, subject DESC
  ) AS last
) AS dated, generate_series(0, least($7, following - day - 1)) AS n
"""


def converts(metric: Metric) -> bool:
    """Whether the metric's value can come in one currency: not that of a model of customers' value, nor one for which
    overrides of a forecast are needed, as the amounts that one stands for each have the rate of another day."""
    needed = {each.component for each in terms(f"{metric.numerator} + {metric.denominator or metric.numerator}")}
    return needed.isdisjoint(metric.known_by) and all(
        isinstance(each, Flow | Stock | Recurring) for each in amounts_of([metric])
    )


def amounts_of(metrics: Iterable[Metric]) -> list[Measure]:
    return [each for metric in metrics for each in metric.measures if kind_of(each).is_amount(each)]


def ensure_converts(metrics: Iterable[Metric]) -> None:
    """Raises Invalid for a metric whose amounts are not converted."""
    for metric in metrics:
        if not converts(metric):
            raise Invalid(
                f"{metric.id} is not converted: its amounts are of a model of customers' value, or of overrides. Leave "
                "currency out, and it comes in each currency.",
                field="currency",
            )


async def in_others(
    connection: AsyncConnection, tenant: str, metrics: Sequence[Metric], found: Sequence[Figure], currency: str
) -> list[Metric]:
    """Returns the metrics whose figures, as they were found, have amounts in other currencies."""
    s = subscription_spans.c
    others = select(s.subject).where(s.tenant_id == tenant, s.currency != currency)
    # What went up and down again in one currency need not have come to nothing in another.
    paid = any(isinstance(each, Recurring) for each in amounts_of(metrics)) and bool(
        await connection.scalar(select(others.exists()))
    )
    return [
        metric
        for metric, figure in zip(metrics, found, strict=True)
        if converts(metric)
        and (
            any(each.currency != currency for each in figure.by_currency)
            or any(each.currency != currency for slice in figure.breakdown for each in slice.by_currency)
            or (paid and any(isinstance(each, Recurring) for each in amounts_of([metric])))
        )
    ]


async def has_rates(connection: AsyncConnection, tenant: str, currency: str) -> bool:
    """Whether the tenant has stated any exchange rate to a currency."""
    f = facts.c
    stated = select(f.subject).where(f.tenant_id == tenant, f.type.in_(sorted(RATES)), f.until.is_(None))
    return bool(await connection.scalar(select(stated.where(f.state["quote"].astext == currency).exists())))


def _since(amounts: Iterable[Measure], interval: Interval) -> datetime | None:
    """Returns from when on amounts are read. None: what stands in the interval may have begun whenever."""
    return interval.starts_at if all(isinstance(each, Flow) for each in amounts) else None


async def convert(
    connection: AsyncConnection, tenant: str, amounts: Sequence[Measure], interval: Interval, currency: str, zone: str
) -> None:
    """Lets all amounts be read in one currency until the transaction ends, at rates of days in the zone. An amount
    without a rate stays as it is."""
    driver, since = driver_of(connection), _since(amounts, interval)
    stated = sorted(RATES - {ExchangeRateArchived.type})
    zone_of(zone)
    await driver.execute("CREATE TEMPORARY TABLE rates (base text, day date, rate numeric) ON COMMIT DROP")
    await driver.execute(_HOLDING, tenant, stated, currency, zone, since, interval.ends_at, MOST_DAYS)
    await driver.execute("ANALYZE pg_temp.rates")
    for table, amount, moment in ((facts, "amount", "time"), (subscription_spans, "mrr", "starts_at")):
        of_before = await driver.fetchval("SELECT to_regclass($1) IS NOT NULL", f"pg_temp.{table.name}")
        if of_before:  # as it was known at an instant
            await driver.execute(f"ALTER TABLE pg_temp.{table.name} RENAME TO {table.name}_told")
        source = f"pg_temp.{table.name}_told" if of_before else f"public.{table.name}"
        day = f"timezone('{zone}', t.{moment})::date"
        columns = {name: f"t.{name}" for name in (each.name for each in table.c)}
        if table is facts and any(isinstance(each, Flow) and each.of_lines for each in amounts):
            columns["state"] = _converted_lines(MINOR_UNITS[currency])
        columns[amount] = f"coalesce(round(t.{amount} * r.rate, {MINOR_UNITS[currency]}), t.{amount})"
        columns["currency"] = (
            f"CASE WHEN t.currency = '{currency}' OR t.{amount} IS NULL OR r.rate IS NOT NULL THEN '{currency}' "
            f"WHEN t.currency = current_setting('{_NAMED}', true) THEN t.currency || ' ' || {day} ELSE t.currency END"
        )
        await driver.execute(
            f"CREATE TEMPORARY VIEW {table.name} AS "  # noqa: S608 - of names of the code, a zone, and a code of ISO 4217
            f"SELECT {', '.join(f'{each} AS {name}' for name, each in columns.items())} FROM {source} t "
            f"LEFT JOIN pg_temp.rates r ON r.base = t.currency AND r.day = {day}"
        )


def _converted_lines(digits: int) -> str:
    """Each line is rounded by itself, as each fact is."""
    amount = f"round((line->>'amount')::numeric * r.rate, {digits})::text"
    return (
        "CASE WHEN r.rate IS NOT NULL AND jsonb_typeof(t.state->'lines') = 'array' THEN "  # noqa: S608 - of this file
        "t.state || jsonb_build_object('lines', (SELECT jsonb_agg("
        f"CASE WHEN line->>'amount' ~ '{NUMBER}' THEN line || jsonb_build_object('amount', {amount}) ELSE line END "
        "ORDER BY place) FROM jsonb_array_elements(t.state->'lines') WITH ORDINALITY AS told(line, place)"
        ")) ELSE t.state END"
    )


async def ensure_rates(
    connection: AsyncConnection, tenant: str, question: Question, plans: Iterable[Plan], evaluation: Evaluation
) -> None:
    """Raises Invalid that names the pair, and the first day of its period, if amounts are left in another currency."""
    for measure, query, cell in evaluation.amounts(plans):
        currency = cell.group[-1]
        if currency is not None and currency != question.currency:
            day = await _first_day(connection, tenant, measure, query, cell)
            of = f" of {day}, nor of the {MOST_DAYS} days before it" if day else ""
            raise Invalid(f"There is no exchange rate from {currency} to {question.currency}{of}.", field="currency")


async def _first_day(
    connection: AsyncConnection, tenant: str, measure: Measure, query: MetricQuery, cell: Cell
) -> str | None:
    """Returns the first day of an amount that has no rate, in the period and the currency of a cell. It is found as the
    figure itself is: what is filtered out, or out of reach, is not named."""
    await connection.execute(select(func.set_config(_NAMED, cell.group[-1], True)))
    period, until = cell.period, query.until if cell.period == query.periods - 1 else None
    only = replace(query, boundaries=query.boundaries[period : period + 2], until=until, group_by=(CURRENCY,))
    evaluation = Evaluation(connection, tenant)
    await evaluation.evaluate([(measure, only)])
    days = ((found.group[0] or "").partition(" ")[2] for found, _ in evaluation.of(measure, only))
    return min(filter(None, days), default=None)
