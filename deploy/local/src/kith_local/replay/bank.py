"""Bank Marketing: the calls of a telephone campaign for a term deposit. Customers and touchpoints.

The file has no dates but month and weekday. Each call gets one all the same, as the API wants a time: days are
measured from it, so what depends on the exact day (recency, say) shows the machinery, not the bank.
"""

from calendar import monthcalendar
from datetime import UTC, datetime
from enum import StrEnum

from kith_local.replay.cells import BadRow, some_text, whole
from kith_local.replay.commands import CUSTOMERS, TOUCHPOINTS, DataSet, Mapped
from kith_local.replay.files import Row, Source, Tables

YEAR = 2010
HOUR = 12
CAMPAIGN = "term-deposit"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OUTCOMES = {"yes": "subscribed", "no": "declined"}
NO_EARLIER = "nonexistent"


class Decision(StrEnum):
    CUSTOMER = "A row is a person of its own, as the file has no id: external id client-<row>; segment = job"
    CUSTOMER_REST = "... age, marital, education, default, housing, loan: not used, personal and without a field"
    INDICES = "... the five economic indices: not used, they are no dealing with the customer"
    CALL = "... and one outbound call, external id call-<row>: duration, attempts = campaign"
    SUBSCRIBED = "... y is yes: outcome subscribed, responded"
    DECLINED = "... y is no: outcome declined, not responded"
    DATE = "No dates but month and weekday: such a weekday of that month in 2010, in turn by row number, 12:00 UTC"
    EARLIER = "An earlier campaign's outcome (poutcome, pdays, previous): not sent, as its call has no time of its own"


def map_bank(tables: Tables) -> Mapped:
    mapped = Mapped()
    for row in tables[CALLS.name]:
        with mapped.mapping(row):
            _call(row, mapped)
    return mapped


def _call(row: Row, mapped: Mapped) -> None:
    if (outcome := OUTCOMES.get(row["y"])) is None:
        raise BadRow("y", f"is none of {', '.join(OUTCOMES)}", row["y"])
    at = day_of(row)
    duration, attempts = whole(row, "duration"), whole(row, "campaign")
    job = some_text(row, "job")
    name = f"Client {row.number}"
    customer = mapped.add(CUSTOMERS, row, f"client-{row.number}", at, kind="person", name=name, segment=job)
    mapped.add(
        TOUCHPOINTS,
        row,
        f"call-{row.number}",
        at,
        customer_id=customer,
        channel="phone",
        direction="outbound",
        outcome=outcome,
        duration_seconds=duration,
        attempts=attempts,
        campaign=CAMPAIGN,
        responded=outcome == "subscribed",
    )
    for always in (Decision.CUSTOMER, Decision.CUSTOMER_REST, Decision.INDICES, Decision.CALL, Decision.DATE):
        mapped.decide(always)
    mapped.decide(Decision.SUBSCRIBED if outcome == "subscribed" else Decision.DECLINED)
    mapped.decide(Decision.EARLIER, row["poutcome"] != NO_EARLIER)


def day_of(row: Row) -> datetime:
    """Rows of the same month and weekday take turns over such days, so that no day gets all calls."""
    month, weekday = _index(row, "month", MONTHS) + 1, _index(row, "day_of_week", WEEKDAYS)
    days = [week[weekday] for week in monthcalendar(YEAR, month) if week[weekday]]
    return datetime(YEAR, month, days[row.number % len(days)], HOUR, tzinfo=UTC)


def _index(row: Row, column: str, names: tuple[str, ...]) -> int:
    if row[column] not in names:
        raise BadRow(column, f"is none of {', '.join(names)}", row[column])
    return names.index(row[column])


CALLS = Source("bank_campaign_contacts.csv", ("job", "month", "day_of_week", "duration", "campaign", "poutcome", "y"))
BANK = DataSet("bank", (CALLS,), Decision, map_bank)
