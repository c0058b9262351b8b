"""Bank Marketing: the calls of a telephone campaign for a term deposit. Customers with their contacts,
consents and touchpoints.

The file has no dates but month and weekday. Each call gets one all the same, as the API wants a time: days are
measured from it, so what depends on the exact day (recency, say) shows the machinery, not the bank.
"""

from calendar import monthcalendar
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from kith_local.replay.cells import BadRow, some_text, whole
from kith_local.replay.commands import CONSENTS, CONTACTS, CUSTOMERS, TOUCHPOINTS, DataSet, Mapped
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
    CONTACT = "... and a contact of the same external id, whom the call is with; telephone or cellular: not used"
    PERSONAL = "... age, marital, education, default, housing, loan: its custom fields, personal; unknown is no value"
    CONSENT = "... and its consent to calls, given on the day of the call: the file says no day, and it was called"
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
    client = f"client-{row.number}"
    if CUSTOMERS not in mapped.commands:
        for code, (value_type, label) in OWN_FIELDS.items():
            choices = CHOICES.get(code, ())
            mapped.define(row, "contact", code, value_type, label, at, personal=True, choices=[*choices])
    known = {code: value for code in OWN_FIELDS if (value := _own(row, code)) is not None}
    customer = mapped.add(CUSTOMERS, row, client, at, kind="person", name=name, segment=job)
    contact = mapped.add(CONTACTS, row, client, at, customer_id=customer, name=name, custom_personal=known)
    mapped.add(CONSENTS, row, client, at, contact_id=contact, purpose=CAMPAIGN, channel="phone", state="given")
    mapped.add(
        TOUCHPOINTS,
        row,
        f"call-{row.number}",
        at,
        customer_id=customer,
        contact_id=contact,
        channel="phone",
        direction="outbound",
        outcome=outcome,
        duration_seconds=duration,
        attempts=attempts,
        campaign=CAMPAIGN,
        responded=outcome == "subscribed",
    )
    for always in ALWAYS:
        mapped.decide(always)
    mapped.decide(Decision.SUBSCRIBED if outcome == "subscribed" else Decision.DECLINED)
    mapped.decide(Decision.EARLIER, row["poutcome"] != NO_EARLIER)


def _own(row: Row, code: str) -> int | bool | str | None:
    """The value of a custom field. None: it is not known."""
    column = COLUMNS.get(code, code)
    if column == "age":
        return whole(row, column)
    if row[column] == "unknown":
        return None
    if code in CHOICES:
        return _one_of(row, column, CHOICES[code])
    return _one_of(row, column, ("no", "yes")) == "yes"


def _one_of(row: Row, column: str, names: Sequence[str]) -> str:
    if row[column] not in names:
        raise BadRow(column, f"is none of {', '.join(names)}", row[column])
    return row[column]


def day_of(row: Row) -> datetime:
    """Rows of the same month and weekday take turns over such days, so that no day gets all calls."""
    month, weekday = _index(row, "month", MONTHS) + 1, _index(row, "day_of_week", WEEKDAYS)
    days = [week[weekday] for week in monthcalendar(YEAR, month) if week[weekday]]
    return datetime(YEAR, month, days[row.number % len(days)], HOUR, tzinfo=UTC)


def _index(row: Row, column: str, names: tuple[str, ...]) -> int:
    return names.index(_one_of(row, column, names))


ALWAYS = (
    Decision.CUSTOMER,
    Decision.CONTACT,
    Decision.PERSONAL,
    Decision.CONSENT,
    Decision.INDICES,
    Decision.CALL,
    Decision.DATE,
)
OWN_FIELDS = {
    "age": ("number", "Age"),
    "marital": ("choice", "Marital status"),
    "education": ("choice", "Education"),
    "credit_default": ("boolean", "Has credit in default"),
    "housing_loan": ("boolean", "Has a housing loan"),
    "personal_loan": ("boolean", "Has a personal loan"),
}
COLUMNS = {"credit_default": "default", "housing_loan": "housing", "personal_loan": "loan"}
CHOICES = {
    "marital": ("divorced", "married", "single"),
    "education": (
        *("basic.4y", "basic.6y", "basic.9y", "high.school"),
        *("illiterate", "professional.course", "university.degree"),
    ),
}
CALLS = Source(
    "bank_campaign_contacts.csv",
    (
        *("age", "job", "marital", "education", "default", "housing", "loan"),
        *("month", "day_of_week", "duration", "campaign", "poutcome", "y"),
    ),
)
BANK = DataSet("bank", (CALLS,), Decision, map_bank)
