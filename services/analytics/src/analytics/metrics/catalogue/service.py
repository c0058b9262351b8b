"""Service: cases, and how fast and how well they were resolved."""

from datetime import timedelta

from analytics.metrics.definition import Dimension, Metric, Source, Unit, by
from analytics.metrics.measure import (
    Count,
    Did,
    DistinctCount,
    Flow,
    Has,
    InstantIn,
    Is,
    Key,
    Median,
    Never,
    SameDay,
    Stock,
    Sum,
)
from kith.events.service_desk import (
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    CaseReopened,
    CaseResolved,
    CaseStarted,
    CaseWaiting,
)

RESOLVED = (CaseResolved.type,)
RESPONSES = (CaseStarted.type, CaseWaiting.type, CaseResolved.type)
"""The first of these is the response."""
WORKED_ON = (
    CaseStarted.type,
    CaseWaiting.type,
    CaseResolved.type,
    CaseClosed.type,
    CaseReopened.type,
    CaseEscalated.type,
    CaseAssigned.type,
)
OF_CASE = by("channel", "priority", "category", "queue", "assignee")
UNSETTLED = Is("phase", ("new", "open", "pending"))
AGE = Dimension(
    "age",
    Source.AGE,
    steps=(
        (timedelta(days=1), "up to 1 day"),
        (timedelta(days=3), "1 to 3 days"),
        (timedelta(days=7), "3 to 7 days"),
        (timedelta(days=30), "7 to 30 days"),
        (timedelta.max, "over 30 days"),
    ),
)

METRICS = (
    Metric(
        id="service.cases_opened",
        title="Cases opened",
        unit=Unit.COUNT,
        words="Cases opened in the interval.",
        components={"opened": Flow((CaseOpened.type,))},
        numerator="opened",
        dimensions=OF_CASE,
        example="Two cases opened, and one reopened: 2.",
    ),
    Metric(
        id="service.cases_handled",
        title="Cases handled",
        unit=Unit.COUNT,
        words="Distinct cases on which something was done in the interval, other than opening them. One counts "
        "under what it was after the last thing done.",
        components={"handled": DistinctCount((Did(WORKED_ON, in_interval=True),), key=Key.SUBJECT)},
        numerator="handled",
        dimensions=OF_CASE,
        example="One case started and resolved, one assigned, one only opened: 2.",
    ),
    Metric(
        id="service.cases_resolved",
        title="Cases resolved",
        unit=Unit.COUNT,
        words="Resolutions in the interval; a case reopened and resolved again counts twice.",
        components={"resolved": Flow(RESOLVED)},
        numerator="resolved",
        dimensions=OF_CASE,
        example="One case resolved, reopened, resolved: 2.",
    ),
    Metric(
        id="service.same_day",
        title="Resolved the same day",
        unit=Unit.PERCENT,
        words="Of the resolutions in the interval, the share made on the calendar day on which the case was opened or "
        "last reopened, in the tenant's time zone.",
        components={"same_day": Flow(RESOLVED, Count(), (SameDay(),)), "resolved": Flow(RESOLVED)},
        numerator="same_day",
        denominator="resolved",
        dimensions=OF_CASE,
        example="One opened at 9:00 and resolved at 17:00, one opened at 23:50 and resolved at 0:10: 1 / 2 = 50 %.",
    ),
    Metric(
        id="service.time_to_resolve",
        title="Time to resolve",
        unit=Unit.SECONDS,
        words="Mean time by the clock from opened, or last reopened, to resolved, over the interval's resolutions.",
        components={"time": Flow(RESOLVED, Sum("seconds_to_resolve")), "resolved": Flow(RESOLVED)},
        numerator="time",
        denominator="resolved",
        dimensions=OF_CASE,
        example="Resolved after 1 hour, reopened a week later and resolved after 3 hours: 2 hours.",
    ),
    Metric(
        id="service.time_to_resolve_median",
        title="Time to resolve, median",
        unit=Unit.SECONDS,
        words="Median time by the clock from opened, or last reopened, to resolved, over the interval's resolutions.",
        components={"median": Flow(RESOLVED, Median("seconds_to_resolve"))},
        numerator="median",
        dimensions=OF_CASE,
        example="1, 2 and 90 hours: 2 hours.",
    ),
    Metric(
        id="service.first_response",
        title="First response time",
        unit=Unit.SECONDS,
        words="Mean time by the clock from opened to the first thing done about a case (started, put on wait or "
        "resolved at once), over the first responses of the interval.",
        components={
            "time": Flow(RESPONSES, Sum("seconds_to_first_response")),
            "responses": Flow(RESPONSES, Count(), (Has("seconds_to_first_response"),)),
        },
        numerator="time",
        denominator="responses",
        dimensions=OF_CASE,
        example="One case started after 10 minutes, one resolved at once after 20: 15 minutes.",
    ),
    Metric(
        id="service.sla_met",
        title="SLA met",
        unit=Unit.PERCENT,
        words="Of the resolutions in the interval of which it is known, the share within the agreed time.",
        components={
            "met": Flow(RESOLVED, Count(), (Is("sla_met", ("true",)),)),
            "known": Flow(RESOLVED, Count(), (Has("sla_met"),)),
        },
        numerator="met",
        denominator="known",
        dimensions=OF_CASE,
        example="Ten resolved, of two it is not known, six within the agreed time: 6 / 8 = 75 %.",
    ),
    Metric(
        id="service.reopened_rate",
        title="Reopened rate",
        unit=Unit.PERCENT,
        words="Cases reopened in the interval, over resolutions in it.",
        components={"reopened": Flow((CaseReopened.type,)), "resolved": Flow(RESOLVED)},
        numerator="reopened",
        denominator="resolved",
        dimensions=OF_CASE,
        example="20 resolutions and one case reopened: 5 %.",
    ),
    Metric(
        id="service.backlog",
        title="Backlog",
        unit=Unit.COUNT,
        words="Cases neither resolved nor closed at the end. Their age runs from opened or last reopened.",
        components={"open": Stock("service-desk.case", where=(UNSETTLED,))},
        numerator="open",
        dimensions=(
            AGE,
            *by("channel", "priority", "category", "queue", "assignee", Dimension("state", stored_as="phase")),
        ),
        at_instant=True,
        example="Open for 1 hour, 2 days and 40 days, so of age up to 1 day, 1 to 3 days, over 30 days: 3.",
    ),
    Metric(
        id="service.first_contact_resolution",
        title="First-contact resolution",
        unit=Unit.PERCENT,
        words="Of the resolutions in the interval, the share of cases that until then had never waited, been "
        "escalated, handed over or reopened.",
        components={
            "at_once": Flow(RESOLVED, Count(), (Never(("waiting", "escalated", "assigned", "reopened")),)),
            "resolved": Flow(RESOLVED),
        },
        numerator="at_once",
        denominator="resolved",
        dimensions=OF_CASE,
        example="Ten resolved, three of them after waiting for the customer, one after an escalation: 60 %.",
    ),
    Metric(
        id="service.delivered_on_time",
        title="Delivered on time",
        unit=Unit.PERCENT,
        words="Of the orders that were promised for an instant in the interval that is not to come, the share that "
        "came whole, the last delivery by that instant. Orders without a promise do not count, nor do deliveries "
        "that were cancelled by the end; returns change nothing.",
        components={
            "on_time": Stock(
                "sales.delivery",
                where=(Is("phase", ("made",)), Is("on_time", ("true",)), InstantIn("promised_at")),
            ),
            "promised": Stock("sales.order", where=(InstantIn("promised_at"),)),
        },
        numerator="on_time",
        denominator="promised",
        example="Five orders were promised: three came by then, of which one in two deliveries; one came late, and one "
        "only in part: 3 / 5 = 60 %.",
    ),
)
