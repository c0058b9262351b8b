"""CRM Sales Opportunities: a hardware seller's pipeline, 2016 to 2017. Organisations, products, opportunities, orders,
and who sells them in which team.

The file's misspellings ("technolgy", "Philipines") are kept: they join nothing. Only a product's name is mended, as
"GTXPro" and "GTX Pro" are one product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from kith_local.errors import LocalError
from kith_local.replay.cells import BadRow, amount, instant, number, some_text
from kith_local.replay.commands import (
    CUSTOMERS,
    OPPORTUNITIES,
    ORDERS,
    PRODUCTS,
    TEAMS,
    USERS,
    DataSet,
    Mapped,
    Reference,
)
from kith_local.replay.files import Row, Source, Tables

CURRENCY = "USD"
STAGES = ("Prospecting", "Engaging", "Won", "Lost")


class Decision(StrEnum):
    READING = "Dates are read as 00:00 UTC, amounts as US dollars"
    ACCOUNT = "An account is an organisation from its first engagement on; segment = sector, country = office_location"
    MISSPELT = "... sector 'technolgy' or office 'Philipines': kept as written"
    UNENGAGED_ACCOUNT = "... never engaged: it exists from the pipeline's last date on"
    UNKNOWN_ACCOUNT = "... named in the pipeline only: an organisation of which nothing but the name is known"
    ACCOUNT_REST = "... year_established, revenue (in millions), employees: custom fields of the tenant"
    SUBSIDIARY = "... subsidiary_of another account: that is its parent"
    UNKNOWN_PARENT = "... subsidiary_of what is no account, or of its own subsidiary: it has no parent"
    PRODUCT = "A product exists from the pipeline's first date on; family = series, price = list price"
    PRODUCT_NAME = "Product name written in another way (GTXPro): the product whose name differs by blanks only"
    OPPORTUNITY = "An opportunity opens at its engage_date in stage engaging, value = list price"
    NO_ACCOUNT = "... without account: it counts in the pipeline, for no relationship"
    NO_DATE = "... Prospecting, without any date: opens in stage prospecting at the pipeline's last date"
    WON = "Won: at close_date, for close_value"
    ORDER = "... a won opportunity is a sale: an order of that value at that time, external id <opportunity>:order"
    LINE = "... its one line is one of the product, at that value: the file has no quantities"
    LOST = "Lost: at close_date; the reason is not known"
    AGENT = "A sales_agent is a user of the tenant, invited at the pipeline's first date"
    TEAM = "... in the manager's team, which is one of the regional office's; the manager is a user in it, too"
    NO_TEAM = "... of the pipeline only: in no team"


@dataclass(frozen=True, slots=True)
class Period:
    """Between the first and the last date of the pipeline: what carries no date of its own gets one of these."""

    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Deal:
    row: Row
    external_id: str
    account: str
    product: str
    list_price: Decimal
    renamed: bool
    stage: str
    engaged: datetime | None
    closed: datetime | None
    value: Decimal | None

    @classmethod
    def of(cls, row: Row, prices: dict[str, Decimal]) -> "Deal":
        if (stage := row["deal_stage"]) not in STAGES:
            raise BadRow("deal_stage", f"is none of {', '.join(STAGES)}", stage)
        is_closed = stage in ("Won", "Lost")
        engaged = None if stage == "Prospecting" else _date(row, "engage_date")
        closed = _date(row, "close_date") if is_closed else None
        if engaged and closed and closed < engaged:
            raise BadRow("close_date", "is before engage_date", row["close_date"])
        product = _product(row, prices)
        return cls(
            row=row,
            external_id=some_text(row, "opportunity_id"),
            account=row["account"],
            product=product,
            list_price=prices[product],
            renamed=product != row["product"],
            stage=stage,
            engaged=engaged,
            closed=closed,
            value=amount(row, "close_value") if stage == "Won" else None,
        )


def _date(row: Row, column: str) -> datetime:
    return instant(row, column, "%m/%d/%Y")


def _product(row: Row, prices: dict[str, Decimal]) -> str:
    name = some_text(row, "product")
    if name in prices:
        return name
    for product in prices:
        if product.replace(" ", "") == name.replace(" ", ""):
            return product
    raise BadRow("product", "is none of the products", name)


def map_b2b(tables: Tables) -> Mapped:
    mapped = Mapped()
    prices: dict[str, Decimal] = {}
    products = []
    for row in tables[PRODUCT_LIST.name]:
        with mapped.mapping(row):
            prices[some_text(row, "product")] = amount(row, "sales_price")
            products.append(row)
    deals = []
    for row in tables[PIPELINE.name]:
        with mapped.mapping(row):
            deals.append(Deal.of(row, prices))
    period = _period(deals)
    _people(tables[SALES_TEAMS.name], deals, period, mapped)
    _accounts(tables[ACCOUNTS.name], deals, period, mapped)
    for row in products:
        name = row["product"]
        family = row["series"] or None
        mapped.add(PRODUCTS, row, name, period.first, name=name, family=family, price=prices[name], currency=CURRENCY)
    for deal in deals:
        _count(deal, mapped)
        _opportunity(deal, period, mapped)
    for deal in deals:
        if deal.stage == "Won":
            _order(deal, mapped)
    mapped.decide(Decision.PRODUCT, len(products))
    return mapped


def _period(deals: list[Deal]) -> Period:
    dates = [date for deal in deals for date in (deal.engaged, deal.closed) if date is not None]
    if not dates:
        raise LocalError(f"{PIPELINE.name} has no row with a date: there is nothing to date the rest by.")
    return Period(min(dates), max(dates))


def _people(rows: Sequence[Row], deals: list[Deal], period: Period, mapped: Mapped) -> None:
    teams: dict[str, Reference] = {}

    def team(row: Row, name: str, within: Reference | None = None) -> Reference:
        if name not in teams:
            teams[name] = mapped.add(TEAMS, row, name, period.first, name=name, parent_id=within)
        return teams[name]

    agents = set()
    for row in rows:
        with mapped.mapping(row):
            agents.add(agent := some_text(row, "sales_agent"))
            manager = some_text(row, "manager")
            of_manager = team(row, f"Team of {manager}", team(row, some_text(row, "regional_office")))
            for name in (manager, agent):
                mapped.invite(row, name, period.first, of_manager)
            mapped.decide(Decision.AGENT)
            mapped.decide(Decision.TEAM)
    for name, deal in {name: each for each in deals if (name := each.row["sales_agent"])}.items():
        if name not in agents:
            mapped.invite(deal.row, name, period.first)
            mapped.decide(Decision.AGENT)
            mapped.decide(Decision.NO_TEAM)


def _accounts(rows: Sequence[Row], deals: list[Deal], period: Period, mapped: Mapped) -> None:
    first_seen: dict[str, Deal] = {}
    first_engaged: dict[str, datetime] = {}
    for deal in deals:
        if deal.account:
            first_seen.setdefault(deal.account, deal)
        if deal.account and deal.engaged:
            first_engaged[deal.account] = min(deal.engaged, first_engaged.get(deal.account, deal.engaged))

    def exists(row: Row, name: str, **fields: Any) -> None:
        mapped.decide(Decision.UNENGAGED_ACCOUNT, name not in first_engaged)
        at = first_engaged.get(name, period.last)
        mapped.add(CUSTOMERS, row, name, at, kind="organisation", name=name, **fields)

    for code, (value_type, label) in OWN_FIELDS.items():
        if rows:
            mapped.define(rows[0], "customer", code, value_type, label, period.first)
    parents = {row["account"]: row["subsidiary_of"] for row in rows}
    known = set()
    for row in sorted(rows, key=lambda row: len(_above(row["account"], parents))):
        with mapped.mapping(row):
            name = some_text(row, "account")
            custom = {code: float(number(row, code)) for code in OWN_FIELDS if row[code]}
            known.add(name)
            above = _above(name, parents)
            exists(
                row,
                name,
                segment=row["sector"] or None,
                country=row["office_location"] or None,
                parent_id=Reference(CUSTOMERS, above[0]) if above else None,
                custom=custom,
            )
            mapped.decide(Decision.ACCOUNT)
            mapped.decide(Decision.MISSPELT, row["sector"] == "technolgy" or row["office_location"] == "Philipines")
            mapped.decide(Decision.ACCOUNT_REST)
            mapped.decide(Decision.SUBSIDIARY, bool(above))
            mapped.decide(Decision.UNKNOWN_PARENT, bool(row["subsidiary_of"]) and not above)
    for name, deal in first_seen.items():
        if name not in known:
            exists(deal.row, name)
            mapped.decide(Decision.UNKNOWN_ACCOUNT)


def _above(name: str, parents: Mapping[str, str]) -> list[str]:
    """Its parent, the parent's, and so on up to the account that is no subsidiary. None if it is within itself."""
    above: list[str] = []
    while (name := parents[name]) in parents:
        if name in above:
            return []
        above.append(name)
    return above


def _opportunity(deal: Deal, period: Period, mapped: Mapped) -> None:
    mapped.add(
        OPPORTUNITIES,
        deal.row,
        deal.external_id,
        deal.engaged or period.last,
        name=f"{deal.product} for {deal.account}" if deal.account else deal.product,
        customer_id=_customer(deal),
        stage="engaging" if deal.engaged else "prospecting",
        owner_id=Reference(USERS, agent) if (agent := deal.row["sales_agent"]) else None,
        product_id=Reference(PRODUCTS, deal.product),
        value=deal.list_price,
        currency=CURRENCY,
    )
    if deal.closed and deal.stage == "Won":
        mapped.add(OPPORTUNITIES, deal.row, deal.external_id, deal.closed, "win", value=deal.value)
    elif deal.closed:
        mapped.add(OPPORTUNITIES, deal.row, deal.external_id, deal.closed, "lose")


def _order(deal: Deal, mapped: Mapped) -> None:
    assert deal.closed is not None
    mapped.add(
        ORDERS,
        deal.row,
        f"{deal.external_id}:order",
        deal.closed,
        customer_id=_customer(deal),
        value=deal.value,
        currency=CURRENCY,
        lines=[{"product_id": Reference(PRODUCTS, deal.product), "quantity": Decimal(1), "unit_price": deal.value}],
        opportunity_id=Reference(OPPORTUNITIES, deal.external_id),
    )


def _customer(deal: Deal) -> Reference | None:
    return Reference(CUSTOMERS, deal.account) if deal.account else None


def _count(deal: Deal, mapped: Mapped) -> None:
    mapped.decide(Decision.READING)
    mapped.decide(Decision.OPPORTUNITY)
    mapped.decide(Decision.NO_ACCOUNT, not deal.account)
    mapped.decide(Decision.NO_DATE, deal.engaged is None)
    mapped.decide(Decision.PRODUCT_NAME, deal.renamed)
    mapped.decide(Decision.WON, deal.stage == "Won")
    mapped.decide(Decision.ORDER, deal.stage == "Won")
    mapped.decide(Decision.LINE, deal.stage == "Won")
    mapped.decide(Decision.LOST, deal.stage == "Lost")


OWN_FIELDS = {
    "year_established": ("number", "Year established"),
    "revenue": ("number", "Revenue, in millions of US dollars"),
    "employees": ("number", "Employees"),
}
ACCOUNTS = Source("crm_accounts.csv", ("account", "sector", *OWN_FIELDS, "office_location", "subsidiary_of"))
PRODUCT_LIST = Source("crm_products.csv", ("product", "series", "sales_price"))
PIPELINE = Source(
    "crm_sales_pipeline.csv",
    (
        "opportunity_id",
        "sales_agent",
        "product",
        "account",
        "deal_stage",
        "engage_date",
        "close_date",
        "close_value",
    ),
)
SALES_TEAMS = Source("crm_sales_teams.csv", ("sales_agent", "manager", "regional_office"))
B2B = DataSet("b2b", (ACCOUNTS, PRODUCT_LIST, PIPELINE, SALES_TEAMS), Decision, map_b2b)
