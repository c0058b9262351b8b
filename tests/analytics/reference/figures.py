"""Every metric computed straight from the facts, as its words say: no spans, no totals, no SQL, and nothing of Kith's.

A metric is made of parts; a part is the rows it counts or adds up, so grouping and filtering are the same for all.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl
from tests.analytics.reference.facts import Company

WINDOW = timedelta(days=90)
BEGINNING = datetime(1900, 1, 1, tzinfo=ZoneInfo("UTC"))
UTC = ZoneInfo("UTC")
Counts = dict[str, Decimal | None]


class Query(NamedTuple):
    """Of whom, from when, to when (half-open), in whose days, and whom only."""

    of: Company
    start: datetime
    end: datetime
    zone: ZoneInfo = UTC
    filters: "tuple[Filter, ...]" = ()


Rows = Callable[[Query], pl.DataFrame]


@dataclass(frozen=True)
class Part:
    """`how` its rows come to a number: count, sum or median; of the column `of`."""

    rows: Rows
    how: str = "count"
    of: str = "customer"

    def of_groups(self, rows: pl.DataFrame, by: Sequence[str]) -> dict[tuple[str | None, ...], Decimal | None]:
        number = {
            "count": pl.len(),
            "sum": pl.col(self.of).sum(),
            "median": pl.col(self.of).median(),
        }[self.how]
        if not by:
            return {(): as_decimal(rows.select(number).item())}
        found = rows.group_by(by).agg(number.alias("number"))
        return {tuple(row[:-1]): as_decimal(row[-1]) for row in found.iter_rows()}

    @property
    def of_nothing(self) -> Decimal | None:
        return None if self.how == "median" else Decimal(0)


def as_decimal(number: Any) -> Decimal | None:
    return None if number is None else Decimal(str(number))


@dataclass(frozen=True)
class Figure:
    parts: Mapping[str, Part]
    above: Callable[[Mapping[str, Any]], Any]
    below: Callable[[Mapping[str, Any]], Any] | None = None
    scale: Decimal = Decimal(1)
    own: Mapping[str, str] = field(default_factory=dict)
    """Dimensions that are columns of its rows; all others are the customer's."""


# What happened


def within(events: pl.DataFrame, query: Query) -> pl.DataFrame:
    return events.filter(pl.col("time") >= query.start, pl.col("time") < query.end)


@cache
def orders(query: Query) -> pl.DataFrame:
    return within(query.of.orders, query)


@cache
def lines(query: Query) -> pl.DataFrame:
    return within(query.of.lines, query)


@cache
def returned_lines(query: Query) -> pl.DataFrame:
    """None of the files says what went back."""
    return lines(query).clear()


@cache
def bought_of_families(query: Query) -> pl.DataFrame:
    """To the end, from how many families."""
    bought = query.of.lines.filter(pl.col("time") < query.end).drop_nulls(["customer", "family"])
    return bought.group_by("customer").agg(pl.col("family").n_unique())


@cache
def bought_of_several(query: Query) -> pl.DataFrame:
    return bought_of_families(query).filter(pl.col("family") >= 2)


@cache
def moved_up(query: Query) -> pl.DataFrame:
    """Customers, line after line: whose best item of an instant is another one than the last of its family, and at a
    higher price. None of the files says of renewals."""
    last: dict[Any, tuple[Any, Any]] = {}
    found = []
    bought = query.of.lines.filter(pl.col("time") < query.end).drop_nulls(["customer", "family", "product"])
    for (time, customer, family), some in bought.sort("time").group_by(
        ["time", "customer", "family"], maintain_order=True
    ):
        price, item = min((-row["amount"], row["product"]) for row in some.iter_rows(named=True))
        before, last[customer, family] = last.get((customer, family)), (-price, item)
        if before is not None and -price > before[0] and item != before[1] and time >= query.start:
            found.append(customer)
    return who(set(found))


@cache
def bought_again(query: Query) -> pl.DataFrame:
    return who(set(orders(query).drop_nulls("customer")["customer"]))


@cache
def returns(query: Query) -> pl.DataFrame:
    return within(query.of.returns, query)


def of_customers(rows: Rows) -> Rows:
    return lambda query: rows(query).drop_nulls("customer")


@cache
def touchpoints(query: Query) -> pl.DataFrame:
    return within(query.of.touchpoints, query)


@cache
def outbound(query: Query) -> pl.DataFrame:
    return touchpoints(query).filter(pl.col("direction") == "outbound")


@cache
def responses(query: Query) -> pl.DataFrame:
    return outbound(query).filter("responded")


@cache
def reached(query: Query) -> pl.DataFrame:
    return who(set(outbound(query)["customer"]))


@cache
def converted(query: Query) -> pl.DataFrame:
    return who(set(outbound(query).filter(pl.col("outcome") == "subscribed")["customer"]))


# Who was active


@cache
def purchases(query: Query) -> pl.DataFrame:
    return query.of.orders.drop_nulls("customer")


@cache
def bought_between(query: Query, start: datetime, end: datetime) -> set[str]:
    return set(purchases(query).filter(pl.col("time") >= start, pl.col("time") < end)["customer"])


def active(query: Query, at: datetime) -> set[str]:
    return bought_between(query, at - WINDOW, at)


@cache
def bought_before(query: Query, at: datetime) -> set[str]:
    return set(purchases(query).filter(pl.col("time") < at)["customer"])


def who(customers: set[str]) -> pl.DataFrame:
    return pl.DataFrame({"customer": list(customers)}, schema={"customer": pl.String})


@cache
def at_start(query: Query) -> pl.DataFrame:
    return who(active(query, query.start))


@cache
def at_end(query: Query) -> pl.DataFrame:
    return who(active(query, query.end))


@cache
def newly_active(query: Query) -> pl.DataFrame:
    return who(active(query, query.end) - bought_before(query, query.start))


@cache
def won_back(query: Query) -> pl.DataFrame:
    return who((active(query, query.end) & bought_before(query, query.start)) - active(query, query.start))


@cache
def kept(query: Query) -> pl.DataFrame:
    return who(active(query, query.start) & active(query, query.end))


@cache
def active_at_some_time(query: Query) -> pl.DataFrame:
    """At T by a purchase in [T - window, T): for some T in the interval if it was after `start - window`."""
    return who(bought_between(query, query.start - WINDOW, query.end))


@cache
def new(query: Query) -> pl.DataFrame:
    return who(bought_before(query, query.end) - bought_before(query, query.start))


@cache
def orders_of_new(query: Query) -> pl.DataFrame:
    return orders(query).join(new(query).select("customer"), on="customer", how="semi")


# Value


def year_before(query: Query) -> datetime:
    local = query.end.astimezone(query.zone).replace(tzinfo=None)
    return local.replace(year=local.year - 1, tzinfo=query.zone).astimezone(UTC)


@cache
def helped_customers(query: Query) -> set[str]:
    won = query.of.opportunities.filter(pl.col("type") == "sales.opportunity.won.v1")
    resolved = query.of.cases.filter(pl.col("type") == "service-desk.case.resolved.v1")
    found: set[str] = set()
    for events in (query.of.orders, won, resolved):
        lately = events.filter(pl.col("time") >= year_before(query), pl.col("time") < query.end)
        found |= set(lately["customer"].drop_nulls())
    return found


@cache
def helped(query: Query) -> pl.DataFrame:
    return who(helped_customers(query))


@cache
def buyers(query: Query) -> pl.DataFrame:
    return who(bought_before(query, query.end))


@cache
def repeat(query: Query) -> pl.DataFrame:
    bought = purchases(query).filter(pl.col("time") < query.end).group_by("customer").len()
    return who(helped_customers(query) & set(bought.filter(pl.col("len") >= 2)["customer"]))


@cache
def loyal(query: Query) -> pl.DataFrame:
    often = Counter(purchases(query).filter(pl.col("time") < query.end)["customer"])
    return who({customer for customer in active(query, query.end) if often[customer] >= 5})


def nobody(_: Query) -> pl.DataFrame:
    """None of the files says who referred whom."""
    return who(set())


# Scores


@cache
def trade(query: Query, start: datetime | None = None) -> pl.DataFrame:
    """Orders and returns up to the end, without customers that stand for unidentified ones."""
    collective = query.of.customers.filter(pl.col("tag").list.contains("unidentified")).select("customer")
    both = [query.of.orders.with_columns(sign=1), query.of.returns.with_columns(sign=-1)]
    found = pl.concat(both).drop_nulls("customer").join(collective, on="customer", how="anti")
    return found.filter(pl.col("time") < query.end, pl.col("time") >= (start or BEGINNING))


@cache
def net_revenue(query: Query, start: datetime | None = None) -> pl.DataFrame:
    """Of each with an order since then; with the last order and their number."""
    order = pl.col("sign") == 1
    return (
        trade(query, start)
        .group_by("customer")
        .agg(
            pl.col("currency").first(),
            last=pl.col("time").filter(order).max(),
            times=order.sum(),
            amount=pl.col("amount").filter(order).sum() - pl.col("amount").filter(~order).sum(),
        )
        .filter(pl.col("times") > 0)
    )


@cache
def simple_value(query: Query) -> pl.DataFrame:
    """Average order value * orders a year is the net revenue of the year; times 1 / churn of the segment."""
    known = set(query.of.customers.filter(~pl.col("tag").list.contains("unidentified"))["customer"])
    segment = dict(query.of.customers.select("customer", "segment").iter_rows())
    before, now = active(query, year_before(query)) & known, active(query, query.end)
    there = Counter(segment[each] for each in before)
    left = Counter(segment[each] for each in before - now)
    worth = [
        row | {"amount": round(row["amount"] * there[segment[row["customer"]]] / left[segment[row["customer"]]], 10)}
        for row in net_revenue(query, year_before(query)).to_dicts()
        if left[segment[row["customer"]]]
    ]
    schema: dict[str, Any] = {"customer": pl.String, "currency": pl.String, "amount": pl.Decimal(38, 10)}
    return pl.DataFrame(worth, schema=schema)


GRID = {
    5: ("new", "potential_loyalists", "potential_loyalists", "champions", "champions"),
    4: ("promising", "potential_loyalists", "potential_loyalists", "loyal", "loyal"),
    3: ("about_to_sleep", "about_to_sleep", "needs_attention", "loyal", "loyal"),
    2: ("hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"),
    1: ("lost", "lost", "at_risk", "at_risk", "cannot_lose"),
}


@cache
def rfm(query: Query) -> pl.DataFrame:
    """The nth of N customers that the filters choose, from the lowest, is in fifth `ceil(5 n / N)`; n is the mean
    rank of customers alike."""
    rows = sliced(net_revenue(query._replace(filters=())), query.of, {}, (), query.filters)
    for column in ("last", "times", "amount"):
        twice = (pl.col(column).rank("average") * 2).cast(pl.Int64)
        rows = rows.with_columns(((5 * twice + 2 * pl.len() - 1) // (2 * pl.len())).alias(f"{column} fifth"))
    label = [
        GRID[recency][-(-(frequency + monetary) // 2) - 1]
        for recency, frequency, monetary in rows.select(pl.col("^.* fifth$")).iter_rows()
    ]
    return rows.select("customer", "currency", label=pl.Series(label, dtype=pl.String))


# Sales


def became(*verbs: str) -> Rows:
    """Each opportunity once, if the last of what closed and reopened it in the interval was one of these."""

    @cache
    def closed(query: Query) -> pl.DataFrame:
        types, turns = ([f"sales.opportunity.{verb}.v1" for verb in of] for of in (verbs, ("won", "lost", "reopened")))
        turned = within(query.of.opportunities, query).filter(pl.col("type").is_in(turns)).sort("version")
        last = turned.group_by("item", maintain_order=True).last().select(query.of.opportunities.columns)
        return last.filter(pl.col("type").is_in(types))

    return closed


@cache
def left_a_stage(query: Query) -> pl.DataFrame:
    return within(query.of.opportunities, query).drop_nulls("left")


def standing(events: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The last row of each before then."""
    return events.filter(pl.col("time") < at).sort("version").group_by("item", maintain_order=True).last()


PROBABILITY = {"prospecting": "0.1", "engaging": "0.3", "proposing": "0.5", "negotiating": "0.8"}
CATEGORY = {"prospecting": "pipeline", "engaging": "pipeline", "proposing": "best_case", "negotiating": "commit"}


@cache
def open_opportunities(query: Query) -> pl.DataFrame:
    chance = pl.col("phase").replace_strict(PROBABILITY, return_dtype=pl.String).cast(pl.Decimal(38, 4))
    return (
        standing(query.of.opportunities, query.end)
        .filter(pl.col("phase").is_in(list(PROBABILITY)))
        .with_columns(
            weighted=pl.col("amount") * chance,
            forecast_category=pl.col("phase").replace_strict(CATEGORY, return_dtype=pl.String),
            # They go through the pipeline that everybody has, and nobody says when they will close.
            pipeline=pl.lit(None, pl.String),
            expected_close_month=pl.lit(None, pl.String),
        )
    )


# Service


def case_events(*verbs: str) -> Rows:
    @cache
    def events(query: Query) -> pl.DataFrame:
        return within(query.of.cases, query).filter(
            pl.col("type").is_in([f"service-desk.case.{verb}.v1" for verb in verbs])
        )

    return events


RESOLUTIONS = case_events("resolved")


@cache
def on_the_same_day(query: Query) -> pl.DataFrame:
    day = [pl.col(name).dt.convert_time_zone(query.zone.key).dt.date() for name in ("time", "since")]
    return RESOLUTIONS(query).filter(day[0] == day[1])


@cache
def first_responses(query: Query) -> pl.DataFrame:
    done = query.of.cases.filter(
        pl.col("type").str.extract(r"case\.(.*)\.v1").is_in(["started", "waiting", "resolved"])
    )
    opened = query.of.cases.filter(pl.col("version") == 1).select("item", opened="time")
    first = done.sort("version").unique("item", keep="first").join(opened, on="item")
    return within(first.with_columns(seconds=(pl.col("time") - pl.col("opened")).dt.total_seconds()), query)


@cache
def met(query: Query) -> pl.DataFrame:
    return RESOLUTIONS(query).filter("sla_met")


@cache
def known_whether_met(query: Query) -> pl.DataFrame:
    return RESOLUTIONS(query).drop_nulls("sla_met")


@cache
def at_first_contact(query: Query) -> pl.DataFrame:
    return RESOLUTIONS(query).filter("at_once")


WORKED_ON = case_events("started", "waiting", "resolved", "closed", "reopened", "escalated", "assigned")


@cache
def handled(query: Query) -> pl.DataFrame:
    """Each once, as it stood after the last that was done on it."""
    return standing(WORKED_ON(query), query.end)


@cache
def backlog(query: Query) -> pl.DataFrame:
    ages = [(1, "up to 1 day"), (3, "1 to 3 days"), (7, "3 to 7 days"), (30, "7 to 30 days")]
    open_now = standing(query.of.cases, query.end).filter(pl.col("phase").is_in(["new", "open", "pending"]))
    age = pl.lit("over 30 days")
    for days, name in reversed(ages):
        age = pl.when(pl.lit(query.end) - pl.col("since") <= timedelta(days=days)).then(pl.lit(name)).otherwise(age)
    return open_now.with_columns(age=age)


# Recurring revenue


@cache
def paid_at(of: Company, at: datetime) -> pl.DataFrame:
    """What each customer paid a month, in each currency."""
    ends = pl.col("ends_at").is_null() | (pl.col("ends_at") > at)
    spans = of.paid.filter(pl.col("starts_at") <= at, ends)
    return spans.group_by("customer", "currency").agg(pl.col("amount").sum())


@cache
def moved(query: Query) -> pl.DataFrame:
    """What each customer paid a month at the two ends, and what it moved by between them."""
    ends = [paid_at(query.of, at) for at in (query.start, query.end)]
    both = ends[0].join(ends[1], on=["customer", "currency"], how="full", coalesce=True, suffix="_now")
    both = both.with_columns(was=pl.col("amount").fill_null(Decimal(0)), now=pl.col("amount_now").fill_null(Decimal(0)))
    once = list(query.of.paid.filter(pl.col("starts_at") <= query.start)["customer"])
    was, now = (pl.col(name).sum().over("customer") for name in ("was", "now"))
    movement = (
        pl.when(was == 0)
        .then(pl.when(pl.col("customer").is_in(once)).then(pl.lit("reactivation")).otherwise(pl.lit("new")))
        .when(now == 0)
        .then(pl.lit("churn"))
        .when(pl.col("now") > pl.col("was"))
        .then(pl.lit("expansion"))
        .otherwise(pl.lit("contraction"))
    )
    return both.select(
        "customer", "currency", "was", "now", movement=movement, by=(pl.col("now") - pl.col("was")).abs()
    )


def recurring(movement: str) -> Part:
    def rows(query: Query) -> pl.DataFrame:
        if movement in ("start", "end"):
            ends = moved(query).with_columns(by=pl.col("was" if movement == "start" else "now"))
        else:
            ends = moved(query).filter(pl.col("movement") == movement)
        return ends.filter(pl.col("by") > 0)

    return Part(rows, "sum", "by")


# The catalogue

PERCENT = Decimal(100)
DAYS = 1 / Decimal(86_400)


def plain(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda counts: counts[name]


def own(*names: str, **stored_as: str) -> dict[str, str]:
    return {name: name for name in names} | stored_as


OF_ORDER = own("currency", order_country="country")
OF_LINE = OF_ORDER | own("product", "family")
OWN = own("product", opportunity_owner="owner", opportunity_source="source")
OF_OPPORTUNITY = OWN | own("currency")
OF_STAGE = OWN | own(stage_left="left")
OF_CYCLE = OWN | own(opportunity_outcome="phase")
IN_PIPELINE = OWN | own("currency", "pipeline", "forecast_category", stage="phase")
OF_CASE = own("channel", "priority", "category", "queue", "assignee")
OF_TOUCHPOINT = own("channel", "direction", "campaign", "outcome")

ORDERS, ORDERED = Part(orders), Part(orders, "sum", "amount")
RETURNS, RETURNED = Part(returns), Part(returns, "sum", "amount")
S, E, N, W, KEPT = (Part(rows) for rows in (at_start, at_end, newly_active, won_back, kept))
WON, LOST, CLOSED = became("won"), became("lost"), became("won", "lost")
RESOLVED = Part(RESOLUTIONS)
HELPED, BUYERS = Part(helped), Part(buyers)
share = partial(Figure, scale=PERCENT)
MOVEMENTS = ("start", "new", "reactivation", "expansion", "contraction", "churn", "end")
OF_SUBSCRIPTION = own("currency", "plan", "product")


def movement(name: str) -> Figure:
    of_it = recurring(name)
    return Figure({name: of_it, "customers": Part(of_it.rows)}, plain(name), own=OF_SUBSCRIPTION)


FIGURES: dict[str, Figure] = {
    "retention.crr": share({"S": S, "E": E, "N": N, "W": W}, lambda c: c["E"] - c["N"], plain("S")),
    "retention.cohort": share({"S": S, "E": E, "kept": KEPT}, plain("kept"), plain("S")),
    "retention.churn": share({"S": S, "E": E, "kept": KEPT}, lambda c: c["S"] - c["kept"], plain("S")),
    "retention.churned": Figure({"S": S, "kept": KEPT}, lambda c: c["S"] - c["kept"]),
    "retention.winbacks": Figure({"W": W}, plain("W")),
    "customers.active": Figure({"E": E}, plain("E")),
    "revenue": Figure(
        {"orders": ORDERS, "ordered": ORDERED, "returns": RETURNS, "returned": RETURNED},
        lambda c: c["ordered"] - c["returned"],
        own=OF_ORDER,
    ),
    "orders": Figure({"orders": ORDERS}, plain("orders"), own=OF_ORDER),
    "arpu": Figure(
        {
            "ordered": Part(of_customers(orders), "sum", "amount"),
            "returned": Part(of_customers(returns), "sum", "amount"),
            "active": Part(active_at_some_time),
        },
        lambda c: c["ordered"] - c["returned"],
        plain("active"),
        own=own("currency"),
    ),
    "ror": share(
        {"helped": HELPED, "loyal": Part(repeat), "repeat": Part(repeat), "referred": Part(nobody), "buyers": BUYERS},
        plain("loyal"),
        plain("helped"),
    ),
    "ror.reach": share({"helped": HELPED, "buyers": BUYERS}, plain("helped"), plain("buyers")),
    "loyalty.loyal_share": share({"loyal": Part(loyal), "active": E}, plain("loyal"), plain("active")),
    "clv.historic": Figure(
        {"value": Part(net_revenue, "sum", "amount"), "customers": Part(net_revenue)},
        plain("value"),
        plain("customers"),
        own=own("currency"),
    ),
    "clv.simple": Figure(
        {"value": Part(simple_value, "sum", "amount"), "customers": Part(simple_value)},
        plain("value"),
        plain("customers"),
        own=own("currency"),
    ),
    "rfm": Figure({"customers": Part(rfm)}, plain("customers"), own=own("currency", "label")),
    "sales.close_rate": share(
        {"won": Part(WON), "lost": Part(LOST)}, plain("won"), lambda c: c["won"] + c["lost"], own=OF_OPPORTUNITY
    ),
    "sales.close_rate_value": share(
        {"won": Part(WON, "sum", "amount"), "lost": Part(LOST, "sum", "amount")},
        plain("won"),
        lambda c: c["won"] + c["lost"],
        own=OF_OPPORTUNITY,
    ),
    "sales.won_value": Figure(
        {"value": Part(WON, "sum", "amount"), "won": Part(WON)}, plain("value"), own=OF_OPPORTUNITY
    ),
    "sales.new_revenue": Figure({"ordered": Part(orders_of_new, "sum", "amount")}, plain("ordered"), own=OF_ORDER),
    "sales.product_revenue": Figure(
        {"ordered": Part(lines, "sum", "amount"), "lines": Part(lines)}, plain("ordered"), own=OF_LINE
    ),
    "sales.net_product_revenue": Figure(
        {"ordered": Part(lines, "sum", "amount"), "returned": Part(returned_lines, "sum", "amount")},
        lambda c: c["ordered"] - c["returned"],
        own=OF_LINE,
    ),
    "sales.units_sold": Figure({"units": Part(lines, "sum", "quantity")}, plain("units"), own=OF_LINE),
    "marketing.cross_sell": share(
        {"several": Part(bought_of_several), "buyers": Part(bought_of_families)}, plain("several"), plain("buyers")
    ),
    "marketing.up_sell": share(
        {"moved_up": Part(moved_up), "bought": Part(bought_again)}, plain("moved_up"), plain("bought")
    ),
    "sales.new_customers": Figure({"new": Part(new)}, plain("new")),
    "sales.retained_customers": Figure({"kept": KEPT}, plain("kept")),
    "sales.stage_duration": Figure(
        {"time": Part(left_a_stage, "sum", "seconds_there"), "visits": Part(left_a_stage)},
        plain("time"),
        plain("visits"),
        DAYS,
        OF_STAGE,
    ),
    "sales.stage_duration_median": Figure(
        {"median": Part(left_a_stage, "median", "seconds_there")}, plain("median"), None, DAYS, OF_STAGE
    ),
    "sales.cycle_duration": Figure(
        {"time": Part(CLOSED, "sum", "seconds_open"), "closed": Part(CLOSED)},
        plain("time"),
        plain("closed"),
        DAYS,
        OF_CYCLE,
    ),
    "sales.cycle_duration_median": Figure(
        {"median": Part(CLOSED, "median", "seconds_open")}, plain("median"), None, DAYS, OF_CYCLE
    ),
    "sales.open_opportunities": Figure({"open": Part(open_opportunities)}, plain("open"), own=IN_PIPELINE),
    "sales.open_pipeline": Figure(
        {"value": Part(open_opportunities, "sum", "amount"), "open": Part(open_opportunities)},
        plain("value"),
        own=IN_PIPELINE,
    ),
    "sales.weighted_pipeline": Figure(
        {"value": Part(open_opportunities, "sum", "weighted")}, plain("value"), own=IN_PIPELINE
    ),
    "sales.forecast": Figure(
        {
            "weighted": Part(open_opportunities, "sum", "weighted"),
            "value": Part(open_opportunities, "sum", "amount"),
            "open": Part(open_opportunities),
        },
        plain("weighted"),
        own=IN_PIPELINE | own("expected_close_month"),
    ),
    "mrr": Figure({name: recurring(name) for name in MOVEMENTS}, plain("end"), own=OF_SUBSCRIPTION),
    **{f"mrr.{name}": movement(name) for name in MOVEMENTS[1:-1]},
    "mrr.paying_customers": Figure({"paying": Part(recurring("end").rows)}, plain("paying"), own=OF_SUBSCRIPTION),
    "nrr": share(
        {name: recurring(name) for name in ("start", "expansion", "contraction", "churn")},
        lambda c: c["start"] + c["expansion"] - c["contraction"] - c["churn"],
        plain("start"),
        own=OF_SUBSCRIPTION,
    ),
    "grr": share(
        {name: recurring(name) for name in ("start", "contraction", "churn")},
        lambda c: c["start"] - c["contraction"] - c["churn"],
        plain("start"),
        own=OF_SUBSCRIPTION,
    ),
    "service.cases_opened": Figure({"opened": Part(case_events("opened"))}, plain("opened"), own=OF_CASE),
    "service.cases_handled": Figure({"handled": Part(handled)}, plain("handled"), own=OF_CASE),
    "service.cases_resolved": Figure({"resolved": RESOLVED}, plain("resolved"), own=OF_CASE),
    "service.same_day": share(
        {"same_day": Part(on_the_same_day), "resolved": RESOLVED}, plain("same_day"), plain("resolved"), own=OF_CASE
    ),
    "service.time_to_resolve": Figure(
        {"time": Part(RESOLUTIONS, "sum", "seconds"), "resolved": RESOLVED},
        plain("time"),
        plain("resolved"),
        own=OF_CASE,
    ),
    "service.time_to_resolve_median": Figure(
        {"median": Part(RESOLUTIONS, "median", "seconds")}, plain("median"), own=OF_CASE
    ),
    "service.first_response": Figure(
        {"time": Part(first_responses, "sum", "seconds"), "responses": Part(first_responses)},
        plain("time"),
        plain("responses"),
        own=OF_CASE,
    ),
    "service.sla_met": share(
        {"met": Part(met), "known": Part(known_whether_met)}, plain("met"), plain("known"), own=OF_CASE
    ),
    "service.reopened_rate": share(
        {"reopened": Part(case_events("reopened")), "resolved": RESOLVED},
        plain("reopened"),
        plain("resolved"),
        own=OF_CASE,
    ),
    "service.backlog": Figure({"open": Part(backlog)}, plain("open"), own=OF_CASE | own("age", state="phase")),
    "service.first_contact_resolution": share(
        {"at_once": Part(at_first_contact), "resolved": RESOLVED}, plain("at_once"), plain("resolved"), own=OF_CASE
    ),
    "marketing.touchpoints": Figure({"touchpoints": Part(touchpoints)}, plain("touchpoints"), own=OF_TOUCHPOINT),
    "marketing.response_rate": share(
        {"responses": Part(responses), "outbound": Part(outbound)},
        plain("responses"),
        plain("outbound"),
        own=OF_TOUCHPOINT,
    ),
    "marketing.lead_conversion": share(
        {"converted": Part(converted), "reached": Part(reached)}, plain("converted"), plain("reached")
    ),
}

# Slicing


class Filter(NamedTuple):
    """Only these values of a dimension, or all but these. The empty one is of what has none."""

    dimension: str
    values: tuple[str, ...]
    excludes: bool = False


class Cell(NamedTuple):
    """What a figure is of: a period, and the value of each dimension that is grouped by."""

    start: datetime
    end: datetime
    group: tuple[str | None, ...] = ()


def cells(
    figure: Figure, query: Query, periods: Sequence[datetime], by: Sequence[str] = (), filters: Sequence[Filter] = ()
) -> dict[Cell, Counts]:
    """The parts of each cell in which there is a row of any of them. Who is active is so in every currency: of the
    parts that have none a dimension says nothing, and they stand in each group of the others."""
    found: dict[Cell, Counts] = {}
    nothing: Counts = {each: part.of_nothing for each, part in figure.parts.items()}
    query = query._replace(filters=tuple(each for each in filters if each.dimension not in figure.own))
    for start, end in pairwise(periods):
        alike: dict[str, Any] = {}
        for name, part in figure.parts.items():
            rows = part.rows(query._replace(start=start, end=end))
            unknown = {"currency"} & figure.own.keys() - set(rows.columns)
            mine = [each for each in by if each not in unknown]
            usable = [each for each in filters if each.dimension not in unknown]
            groups = part.of_groups(sliced(rows, query.of, figure.own, mine, usable), [f"by {each}" for each in mine])
            if mine != list(by):
                alike[name] = groups
                continue
            for group, number in groups.items():
                found.setdefault(Cell(start, end, group), dict(nothing))[name] = number
        for (at, _, group), counts in found.items():
            for name, groups in alike.items() if at == start else ():
                known = tuple(value for each, value in zip(by, group, strict=True) if each != "currency")
                counts[name] = groups.get(known, Decimal(0))
    return found


def as_of_customers(figure: Figure) -> Figure:
    """That can be sliced by who the customer is, too."""
    return replace(figure, own={**figure.own, "customer": "customer"})


def sliced(
    rows: pl.DataFrame, company: Company, own: Mapping[str, str], by: Sequence[str], filters: Sequence[Filter]
) -> pl.DataFrame:
    """With a column `by ...` for each dimension, and without what the filters leave out."""
    wanted = {*by, *(each.dimension for each in filters)}
    about = company.customers.select("customer", *(pl.col(each).alias(f"by {each}") for each in wanted - set(own)))
    rows = rows.join(about, on="customer", how="left")
    rows = rows.with_columns(pl.col(own[each]).alias(f"by {each}") for each in wanted & set(own))
    for dimension, values, excludes in filters:
        column = pl.col(f"by {dimension}")
        none = column.is_null()
        if dimension == "tag":
            none, is_one = none | (column.list.len() == 0), column.list.set_intersection(list(values)).list.len() > 0
        else:
            is_one = column.is_in(values)
        kept = is_one.fill_null(value=False) | (none if "" in values else pl.lit(value=False))
        rows = rows.filter(kept != excludes)
    return rows.explode("by tag", empty_as_null=True) if "tag" in by else rows


def periods(start: datetime, end: datetime, grain: str | None, zone: ZoneInfo) -> list[datetime]:
    """Where each day, week, month, quarter or year that touches the interval begins; cut to the interval."""
    if grain is None:
        return [start, end]
    day = start.astimezone(zone).date()
    found = [start]
    while day <= end.astimezone(zone).date():
        day += timedelta(days=1)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        if begins(day, grain) and start < midnight < end:
            found.append(midnight)
    return [*found, end]


def begins(day: date, grain: str) -> bool:
    return {
        "day": True,
        "week": day.weekday() == 0,
        "month": day.day == 1,
        "quarter": day.day == 1 and day.month in (1, 4, 7, 10),
        "year": day.day == 1 and day.month == 1,
    }[grain]
