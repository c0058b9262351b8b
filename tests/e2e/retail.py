"""Invoices as in the recorded file, and what is to be counted over them: straight from the rows, by definition."""

import csv
import os
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tests.recorded import DATA

FILE = "online_retail_invoices.csv"
RECORDED = DATA / FILE
WINDOW = timedelta(days=90)
FROM, TO = datetime(2011, 6, 1, tzinfo=UTC), datetime(2011, 9, 1, tzinfo=UTC)
COLUMNS = ("InvoiceNo", "InvoiceDate", "CustomerID", "Country", "Quantity", "UnitPrice")
AS_WRITTEN = "%m/%d/%Y %H:%M"

Rows = list[dict[str, str]]


class Counts(NamedTuple):
    """The two metrics, with what they are made of."""

    crr: Mapping[str, float]
    cohort: Mapping[str, float]


def all_rows() -> Rows:
    """The recorded file if it is there, else one like it."""
    if not RECORDED.exists():
        return _made_up(30_000)
    with RECORDED.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows() -> Rows:
    """A third of the customers with all their invoices, the unidentified one among them: so every month is in it. With
    KITH_REPLAY_WHOLE they are all in it."""
    if os.environ.get("KITH_REPLAY_WHOLE"):
        return all_rows()
    return [row for row in all_rows() if row["CustomerID"][-1:] in (")", "1", "4", "7")]


def write(rows: Rows, folder: Path) -> None:
    with (folder / FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def expected_events(rows: Rows) -> dict[str, int]:
    """A customer each, an order an invoice, a return a cancellation; an invoice below zero is both."""
    events = Counter[str]()
    events["contacts.customer.created.v1"] = len({row["CustomerID"] for row in rows} - {""})
    for row in rows:
        cancelled = row["InvoiceNo"].startswith("C")
        events["sales.order.placed.v1"] += not cancelled
        events["sales.order.returned.v1"] += cancelled or float(row["Quantity"]) * float(row["UnitPrice"]) < 0
    return dict(events)


def expected_counts(rows: Rows) -> Counts:
    """As METRICS defines them: active at T is who bought in [T - 90 days, T)."""
    bought: dict[str, list[datetime]] = defaultdict(list)
    for row in rows:
        if row["CustomerID"] and not row["InvoiceNo"].startswith("C"):
            bought[row["CustomerID"]].append(datetime.strptime(row["InvoiceDate"], AS_WRITTEN).replace(tzinfo=UTC))

    def active(at: datetime) -> set[str]:
        return {customer for customer, times in bought.items() if any(at - WINDOW <= time < at for time in times)}

    start, end = active(FROM), active(TO)
    new = {customer for customer in end if min(bought[customer]) >= FROM}
    won_back = end - new - start
    kept = start & end
    parts = {"S": len(start), "E": len(end)}
    return Counts(
        crr={**parts, "N": len(new), "W": len(won_back), "value": round((len(end) - len(new)) / len(start) * 100, 4)},
        cohort={**parts, "kept": len(kept), "value": round(len(kept) / len(start) * 100, 4)},
    )


def _made_up(count: int) -> Rows:
    chance, first = random.Random(1), datetime(2010, 12, 1, 8, tzinfo=UTC)
    rows = []
    for number in range(count):
        at = first + timedelta(minutes=number * 365 * 24 * 60 // count)
        cancelled = chance.random() < 0.15
        # Some buy often, most now and then, and new ones keep coming.
        customer = str(12000 + int(chance.random() ** 3 * (400 + 1600 * number / count)))
        quantity = -chance.randrange(1, 20) if cancelled else chance.randrange(200)
        rows.append(
            {
                "InvoiceNo": f"{'C' if cancelled else ''}{536365 + number}",
                "InvoiceDate": at.strftime(AS_WRITTEN),
                "CustomerID": chance.choice(["(blank)", *[customer] * 15]),
                "Country": chance.choice(["United Kingdom", "France", "EIRE"]),
                "Quantity": str(quantity),
                "UnitPrice": f"{chance.randrange(1, 2000) / 100}",
            }
        )
    return rows
