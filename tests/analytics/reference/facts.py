"""What the recorded files hold, as tables: read straight from them by the decisions that the replay reports.

Nothing here comes from the services or from the replay. Each set of files is one company. Times are instants in UTC,
amounts decimals of four digits. `item` says what a row is of: an order, an opportunity, a case, a call.
"""

from calendar import monthcalendar
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

import polars as pl
from tests.recorded import DATA

MOMENT = pl.Datetime("us", "UTC")
MONEY = pl.Decimal(38, 4)

CUSTOMERS = {
    "customer": pl.String,
    "segment": pl.String,
    "tier": pl.String,
    "kind": pl.String,
    "country": pl.String,
    "source": pl.String,
    "owner": pl.String,
    "tag": pl.List(pl.String),
}
EVENT = {"item": pl.String, "time": MOMENT, "customer": pl.String, "type": pl.String}
TRADE = EVENT | {"amount": MONEY, "country": pl.String, "currency": pl.String}
LINES = TRADE | {"product": pl.String, "family": pl.String, "quantity": MONEY}
TOUCHPOINTS = EVENT | {
    "channel": pl.String,
    "direction": pl.String,
    "campaign": pl.String,
    "outcome": pl.String,
    "responded": pl.Boolean,
}
OPPORTUNITIES = EVENT | {
    "version": pl.Int64,
    "phase": pl.String,
    "left": pl.String,
    "seconds_there": pl.Int64,
    "seconds_open": pl.Int64,
    "amount": MONEY,
    "owner": pl.String,
    "source": pl.String,
    "product": pl.String,
    "currency": pl.String,
}
CASES = EVENT | {
    "version": pl.Int64,
    "phase": pl.String,
    "since": MOMENT,
    "seconds": pl.Int64,
    "sla_met": pl.Boolean,
    "at_once": pl.Boolean,
    "channel": pl.String,
    "priority": pl.String,
    "category": pl.String,
    "queue": pl.String,
    "assignee": pl.String,
}

SPANS = {
    "customer": pl.String,
    "starts_at": MOMENT,
    "ends_at": MOMENT,
    "amount": MONEY,
    "currency": pl.String,
}
"""How long customers paid what a month."""


def table(schema: Mapping[str, Any], rows: Iterable[Mapping[str, Any]] = ()) -> pl.DataFrame:
    """What a row does not hold is null."""
    return pl.DataFrame(list(rows), schema=dict(schema))


@dataclass(frozen=True, eq=False)
class Company:
    """The facts of one set. A customer's record never changes in these sets, so it is the same at any instant."""

    name: str
    customers: pl.DataFrame
    orders: pl.DataFrame = field(default_factory=lambda: table(TRADE))
    returns: pl.DataFrame = field(default_factory=lambda: table(TRADE))
    lines: pl.DataFrame = field(default_factory=lambda: table(LINES))
    """Of orders."""
    opportunities: pl.DataFrame = field(default_factory=lambda: table(OPPORTUNITIES))
    cases: pl.DataFrame = field(default_factory=lambda: table(CASES))
    touchpoints: pl.DataFrame = field(default_factory=lambda: table(TOUCHPOINTS))
    paid: pl.DataFrame = field(default_factory=lambda: table(SPANS))
    ids: Mapping[str, str] = field(default_factory=dict)
    """What the services call its customers."""

    users: Mapping[str, str] = field(default_factory=dict)
    """What the services call its users."""

    def known_as(
        self, customers: Mapping[str, str], products: Mapping[str, str], users: Mapping[str, str]
    ) -> "Company":
        """With the services' ids: of customers beside their names, of products and users instead of them."""
        opportunities = self.opportunities.with_columns(
            pl.col("product").replace(products), pl.col("owner").replace(users)
        )
        lines = self.lines.with_columns(pl.col("product").replace(products))
        cases = self.cases.with_columns(pl.col("assignee").replace(users))
        return replace(self, ids=customers, users=users, lines=lines, opportunities=opportunities, cases=cases)


NAMES = ("retail", "b2b", "desk", "bank", "saas")


@cache
def company(name: str) -> Company:
    return {"retail": retail, "b2b": b2b, "desk": desk, "bank": bank, "saas": saas}[name]()


def read(name: str) -> pl.DataFrame:
    """All columns as text, without blanks around it."""
    return pl.read_csv(DATA / name, infer_schema=False).with_columns(pl.all().str.strip_chars().fill_null(""))


def unless(unknown: str, column: str) -> pl.Expr:
    return pl.when(pl.col(column) != unknown).then(pl.col(column))


# Online Retail


def retail() -> Company:
    """`C...` is a return, all else an order; one below zero is an order of 0 and a return. Amounts are rounded to
    pence. `(blank)` is a customer of its own, tagged; the country of a customer is its first invoice's."""
    invoices = (
        read("online_retail_invoices.csv")
        .with_row_index("row")
        .select(
            item=pl.col("InvoiceNo") + "#" + pl.col("row").cast(pl.String),
            time=pl.col("InvoiceDate").str.to_datetime("%m/%d/%Y %H:%M", time_unit="us", time_zone="UTC"),
            customer=unless("", "CustomerID"),
            country="Country",
            currency=pl.lit("GBP"),
            amount=pl.col("Quantity").cast(MONEY) * pl.col("UnitPrice").cast(MONEY),
            cancelled=pl.col("InvoiceNo").str.starts_with("C"),
        )
        .with_columns(pl.col("amount").map_elements(in_pence, return_dtype=MONEY))
    )
    blank = pl.col("customer") == "(blank)"
    customers = (
        invoices.drop_nulls("customer")
        .sort("time", maintain_order=True)
        .unique("customer", keep="first", maintain_order=True)
        .select(
            "customer",
            kind=pl.lit("organisation"),
            country=pl.when(~blank).then("country"),
            tag=pl.when(blank).then(pl.lit(["unidentified"])).otherwise(pl.lit([], dtype=pl.List(pl.String))),
        )
    )
    zero = pl.lit(0).cast(MONEY)
    below = pl.col("amount") < zero
    return Company(
        "retail",
        shaped(CUSTOMERS, customers),
        orders=shaped(
            TRADE,
            invoices.filter(~pl.col("cancelled")).with_columns(
                type=pl.lit("sales.order.placed.v1"), amount=pl.when(below).then(zero).otherwise("amount")
            ),
        ),
        returns=shaped(
            TRADE,
            invoices.filter(pl.col("cancelled") | below).with_columns(
                type=pl.lit("sales.order.returned.v1"), amount=(zero - pl.col("amount")).cast(MONEY)
            ),
        ),
    )


def shaped(schema: Mapping[str, Any], frame: pl.DataFrame) -> pl.DataFrame:
    """With the schema's columns only; one that is not there is null."""
    missing = [pl.lit(None).alias(name) for name in schema if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in schema.items())


def in_pence(amount: Decimal) -> Decimal:
    """Half a penny counts up; pounds have no smaller unit to be kept in."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


# CRM Sales Opportunities


def b2b() -> Company:
    """A deal opens on its engage_date in engaging, or in prospecting on the last date of the pipeline; a won one is an
    order too. One that is lost keeps the list price as its value."""
    deals = (
        read("crm_sales_pipeline.csv")
        .with_columns(
            pl.col("engage_date", "close_date").str.to_datetime(
                "%m/%d/%Y", time_unit="us", time_zone="UTC", strict=False
            ),
            product=pl.col("product").replace("GTXPro", "GTX Pro"),
            account=unless("", "account"),
        )
        .join(
            read("crm_products.csv").select("product", price=pl.col("sales_price").cast(MONEY), family="series"),
            on="product",
            how="left",
            validate="m:1",
        )
    )
    last = pl.max_horizontal(pl.col("engage_date").max(), pl.col("close_date").max())
    deals = deals.select(
        item="opportunity_id",
        customer="account",
        owner="sales_agent",
        product="product",
        family="family",
        currency=pl.lit("USD"),
        opened=pl.col("engage_date").fill_null(last),
        first=pl.when(pl.col("engage_date").is_null()).then(pl.lit("prospecting")).otherwise(pl.lit("engaging")),
        stage=pl.col("deal_stage").str.to_lowercase(),
        closed="close_date",
        price="price",
        won_for=pl.when(pl.col("deal_stage") == "Won").then("close_value").cast(MONEY),
    )
    opened = deals.with_columns(
        type=pl.lit("sales.opportunity.opened.v1"), time="opened", version=1, phase="first", amount="price"
    )
    spent = (pl.col("closed") - pl.col("opened")).dt.total_seconds()
    closed = deals.drop_nulls("closed").with_columns(
        type=pl.format("sales.opportunity.{}.v1", "stage"),
        time="closed",
        version=2,
        phase="stage",
        left="first",
        seconds_there=spent,
        seconds_open=spent,
        amount=pl.col("won_for").fill_null(pl.col("price")),
    )
    won = closed.filter(pl.col("stage") == "won").with_columns(type=pl.lit("sales.order.placed.v1"))
    customers = read("crm_accounts.csv").select(
        customer="account",
        segment=unless("", "sector"),
        kind=pl.lit("organisation"),
        country=unless("", "office_location"),
        tag=pl.lit([], dtype=pl.List(pl.String)),
    )
    return Company(
        "b2b",
        shaped(CUSTOMERS, customers),
        orders=shaped(TRADE, won),
        lines=shaped(LINES, won.with_columns(quantity=1)),
        opportunities=pl.concat([shaped(OPPORTUNITIES, opened), shaped(OPPORTUNITIES, closed)]),
    )


# ServiceNow incident log

PRIORITIES = ("1 - Critical", "2 - High", "3 - Moderate", "4 - Low")
CHANNELS = {"Phone": "phone", "IVR": "phone", "Email": "email", "Self service": "web", "Direct opened": "web"}
SETTLED = ("Resolved", "Closed")
NOWHERE = "Location not known"
PHASES = {"reopened": "open", "started": "open", "waiting": "pending", "resolved": "resolved", "closed": "closed"}


def desk() -> Company:
    """A case is opened, and then each row of its log may say several things of it, one after the other."""
    log: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read("servicenow_incident_log.csv").iter_rows(named=True):
        log[row["number"]].append(row)
    firsts = sorted((rows[0] for rows in log.values()), key=lambda row: minute(row["opened_at"]))
    homes: dict[str, str] = {}
    for first in firsts:
        if (location := known(first["location"])) is not None:
            homes.setdefault(first["caller_id"], location)
    at = {each["number"]: known(each["location"]) or homes.get(each["caller_id"], NOWHERE) for each in firsts}
    return Company(
        "desk",
        table(CUSTOMERS, [{"customer": each, "kind": "organisation", "tag": []} for each in sorted({*at.values()})]),
        cases=table(CASES, [event for number, rows in log.items() for event in course(rows, at[number])]),
    )


def course(rows: list[dict[str, str]], location: str) -> Iterator[dict[str, Any]]:
    """All events of a case, each with how the case stood after it."""
    first = rows[0]
    opened = minute(first["opened_at"])
    case: dict[str, Any] = {
        "item": first["number"],
        "customer": location,
        "channel": CHANNELS[first["contact_type"]],
        "priority": word(first["priority"]),
        "category": known(first["category"]),
        "queue": known(first["assignment_group"]),
        "assignee": known(first["assigned_to"]),
        "time": opened,
        "since": opened,
        "version": 1,
        "phase": "new",
        "type": "service-desk.case.opened.v1",
    }
    yield case
    changes = list(said(rows))
    last_resolution = max((n for n, (_, verb, _) in enumerate(changes) if verb == "resolved"), default=None)
    used: set[tuple[str, datetime]] = set()
    at_once = True
    for number, (row, verb, change) in enumerate(changes):
        # No event is before the one before it, and the same thing is not said twice at one instant.
        time = max(case["time"], minute(row["sys_updated_at"]))
        while (verb, time) in used:
            time += timedelta(seconds=1)
        used.add((verb, time))
        case = case | change | {"time": time, "version": case["version"] + 1, "type": f"service-desk.case.{verb}.v1"}
        case |= {"phase": PHASES.get(verb, case["phase"]), "seconds": None, "sla_met": None, "at_once": None}
        at_once = at_once and verb not in ("waiting", "escalated", "assigned", "reopened")
        if verb == "reopened":
            case["since"] = time
        if verb == "resolved":
            case |= {"seconds": (time - case["since"]) // timedelta(seconds=1), "at_once": at_once}
            if number == last_resolution:
                case["sla_met"] = rows[-1]["made_sla"].upper() == "TRUE"
        yield case


def said(rows: list[dict[str, str]]) -> Iterator[tuple[dict[str, str], str, dict[str, str]]]:
    """What each row says: the verb, and what it changes. A settled case can only be reopened or closed."""
    state = "New"
    priority = rows[0]["priority"]
    of = {"queue": known(rows[0]["assignment_group"]), "assignee": known(rows[0]["assigned_to"])}

    def changes(row: dict[str, str]) -> Iterator[tuple[dict[str, str], str, dict[str, str]]]:
        nonlocal priority
        if PRIORITIES.index(row["priority"]) < PRIORITIES.index(priority):
            priority = row["priority"]
            yield row, "escalated", {"priority": word(priority)}
        now = {"queue": known(row["assignment_group"]), "assignee": known(row["assigned_to"])}
        if new := {name: value for name, value in now.items() if value is not None and value != of[name]}:
            of.update(new)
            yield row, "assigned", new

    for row in rows:
        verbs = moves(state, row["incident_state"])
        if state not in SETTLED:
            yield from changes(row)
        for verb in verbs:
            yield row, verb, {}
            if verb == "reopened":
                yield from changes(row)
        if verbs:
            state = row["incident_state"]


def moves(before: str, after: str) -> list[str]:
    """From the one state to the other. Nobody can say that an open case is new again: it stays what it was."""
    if before == after:
        return []
    if after == "Closed":
        return ["closed"] if before == "Resolved" else ["resolved", "closed"]
    reopened = ["reopened"] if before in SETTLED else []
    if after == "Resolved":
        return [*reopened, "resolved"]
    if after.startswith("Awaiting"):
        return [*reopened, "waiting"]
    if after == "Active":
        return reopened or ["started"]
    return reopened


def minute(text: str) -> datetime:
    return datetime.strptime(text.replace("/", "-"), "%d-%m-%Y %H:%M").replace(tzinfo=UTC)


def known(text: str) -> str | None:
    return None if text in ("", "?") else text


def word(priority: str) -> str:
    return priority.split(" - ")[1].lower()


# Bank Marketing

MONTHS = ("", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


def bank() -> Company:
    """Row n is client-n, called once: on the (n modulo k)th of the k such weekdays of that month of 2010, at noon."""
    rows = list(enumerate(read("bank_campaign_contacts.csv").iter_rows(named=True), start=1))
    return Company(
        "bank",
        table(
            CUSTOMERS,
            [{"customer": f"client-{n}", "kind": "person", "segment": row["job"], "tag": []} for n, row in rows],
        ),
        touchpoints=table(
            TOUCHPOINTS,
            [
                {
                    "item": f"call-{n}",
                    "customer": f"client-{n}",
                    "type": "contacts.touchpoint.recorded.v1",
                    "time": noon(n, row["month"], row["day_of_week"]),
                    "channel": "phone",
                    "direction": "outbound",
                    "campaign": "term-deposit",
                    "outcome": {"yes": "subscribed", "no": "declined"}[row["y"]],
                    "responded": row["y"] == "yes",
                }
                for n, row in rows
            ],
        ),
    )


def noon(number: int, month: str, weekday: str) -> datetime:
    place = WEEKDAYS.index(weekday)
    days = [week[place] for week in monthcalendar(2010, MONTHS.index(month)) if week[place]]
    return datetime(2010, MONTHS.index(month), days[number % len(days)], 12, tzinfo=UTC)


# RavenStack


def saas() -> Company:
    """Trials are free. A subscription is paid from its start to before its end."""
    accounts = read("saas_accounts.csv").select(
        customer="account_id",
        tier="plan_tier",
        kind=pl.lit("organisation"),
        country="country",
        source="referral_source",
        tag=pl.lit([], dtype=pl.List(pl.String)),
    )
    paid = read("saas_subscriptions.csv").select(
        customer="account_id",
        starts_at=pl.col("start_date").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC"),
        ends_at=unless("", "end_date").str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC"),
        amount=pl.col("mrr_amount").cast(MONEY),
        currency=pl.lit("USD"),
    )
    paid = paid.filter(pl.col("amount") > 0)
    return Company("saas", shaped(CUSTOMERS, accounts), paid=shaped(SPANS, paid))
