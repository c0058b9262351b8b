"""Each metric's worked example, reckoned again: what it counts, by component, comes to the number it ends with.

A metric that is added has its line here, and an example that ends with its result: `... = 90 %.` or `...: 2 hours.`
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from statistics import median

import pytest

from analytics.metrics.catalogue import METRICS
from analytics.metrics.definition import Unit

MINUTE, HOUR, DAY = 60, 3_600, 86_400

NOT_ADJUSTED = dict.fromkeys(("raised", "lowered", "overrides", "overridden"), 0)
EXAMPLES: dict[str, dict[str, float]] = {
    "retention.crr": {"S": 1_000, "E": 1_100, "N": 200, "W": 0},
    "retention.cohort": {"S": 1_000, "E": 900, "kept": 850},
    "retention.churn": {"S": 1_000, "E": 900, "kept": 850},
    "retention.churned": {"S": 1_000, "kept": 850},
    "retention.winbacks": {"W": 1},
    "customers.active": {"E": 1},
    "revenue": {"orders": 2, "ordered": 100 + 50, "returns": 1, "returned": 30},
    "orders": {"orders": 2},
    "arpu": {"ordered": 1_300, "returned": 100, "active": 40},
    "ror": {"helped": 200, "loyal": 50 + 10, "repeat": 50, "referred": 10, "buyers": 800},
    "ror.reach": {"helped": 200, "buyers": 800},
    "loyalty.loyal_share": {"loyal": 60, "active": 400},
    "clv.historic": {"value": 100 + 300, "customers": 2},
    "clv.simple": {"value": 50 * 4 / 0.25, "customers": 1},
    "clv.predicted": {"value": 3 * 20 + 0.5 * 40, "customers": 2},
    "customers.alive": {"alive": 0.9 + 0.5 + 0.1},
    "rfm": {"customers": 1},
    "sales.close_rate": {"won": 30, "lost": 20},
    "sales.close_rate_value": {"won": 9_000, "lost": 3_000},
    "sales.won_value": {"value": 5_000 + 4_000, "won": 2},
    "sales.new_revenue": {"ordered": 2 * 40},
    "sales.proposals": {"sent": 3},
    "sales.proposals_accepted": {"accepted": 2},
    "sales.product_revenue": {"ordered": 120 + 30, "lines": 2},
    "sales.net_product_revenue": {"ordered": 120 + 30, "returned": 40},
    "sales.overdue_invoices": {"overdue": 1},
    "service.delivered_on_time": {"on_time": 3, "promised": 3 + 1 + 1},
    "sales.units_sold": {"units": 3 + 2.5},
    "marketing.up_sell": {"moved_up": 6 + 2, "bought": 40},
    "marketing.cross_sell": {"several": 10, "buyers": 40},
    "sales.new_customers": {"new": 3 - 1},
    "sales.retained_customers": {"kept": 850},
    "sales.stage_duration": {"time": (2 + 4) * DAY, "visits": 2},
    "sales.stage_duration_median": {"median": median([1, 2, 30]) * DAY},
    "sales.cycle_duration": {"time": (10 + 50) * DAY, "closed": 2},
    "sales.cycle_duration_median": {"median": median([10, 20, 90]) * DAY},
    "sales.open_opportunities": {"open": 5 - 2},
    "sales.open_pipeline": {"value": 1_000 + 4_000, "open": 2},
    "sales.weighted_pipeline": {"value": 1_000 * 0.1 + 4_000 * 0.5},
    "sales.forecast": {"weighted": 4_000 * 0.8 + 1_000 * 0.1, "value": 4_000 + 1_000, "open": 2},
    "sales.period_forecast": {
        "closed": 5_000,
        "commit": 4_000,
        "best_case": 0,
        "pipeline": 1_000,
        "open": 5_000,
        **NOT_ADJUSTED,
    },
    "sales.adjusted_forecast": {
        "computed": 7_000,
        "raised": 0,
        "lowered": 500,
        "overrides": 1_000,
        "overridden": 3_000,
    },
    "sales.team_adjusted_forecast": {"computed": 7_000, "raised": 1_000, "lowered": 0, "overrides": 0, "overridden": 0},
    "sales.quota_attainment": {"won": 9_000, "quota": 12_000},
    "sales.team_quota_attainment": {"won": 9_000 + 6_000, "quota": 20_000},
    "sales.calls": {"calls": 2 + 1},
    "sales.inquiries": {"inquiries": 2},
    "sales.calls_per_opportunity": {"calls": 3 + 1 + 2, "opportunities": 2},
    "sales.leads": {"leads": 3 + 2},
    "sales.open_leads": {"open": 5 - 1},
    "sales.lead_qualification_rate": {"qualified": 3, "disqualified": 9},
    "sales.lead_conversion_rate": {"converted": 2, "disqualified": 6},
    "mrr": {
        "start": 0,
        "new": 10 * 49 + 1_200 / 12,
        "reactivation": 0,
        "expansion": 0,
        "contraction": 0,
        "churn": 0,
        "end": 10 * 49 + 1_200 / 12,
    },
    "mrr.new": {"new": 100 + 20, "customers": 1},
    "mrr.reactivation": {"reactivation": 80, "customers": 1},
    "mrr.expansion": {"expansion": 150 - 100, "customers": 1},
    "mrr.contraction": {"contraction": 100 + 10 - 40 - 30, "customers": 1},
    "mrr.churn": {"churn": 100, "customers": 1},
    "arr_at_risk": {"arr": 12 * (100 + 150), "customers": 2},
    "mrr.paying_customers": {"paying": 2},
    "nrr": {"start": 1_000, "expansion": 300, "contraction": 50, "churn": 150},
    "grr": {"start": 1_000, "contraction": 50, "churn": 150},
    "sales.renewal_rate": {"renewed": 8, "ended": 2},
    "sales.renewal_rate_value": {"renewed": 900, "ended": 100},
    "sales.subscriptions_ended": {"ended": 2 + 1},
    "mrr.ended": {"ended": 100 + 40},
    "service.cases_opened": {"opened": 2},
    "service.cases_handled": {"handled": 2},
    "service.cases_resolved": {"resolved": 2},
    "service.same_day": {"same_day": 1, "resolved": 2},
    "service.time_to_resolve": {"time": (1 + 3) * HOUR, "resolved": 2},
    "service.time_to_resolve_median": {"median": median([1, 2, 90]) * HOUR},
    "service.first_response": {"time": (10 + 20) * MINUTE, "responses": 2},
    "service.sla_met": {"met": 6, "known": 10 - 2},
    "service.reopened_rate": {"reopened": 1, "resolved": 20},
    "service.backlog": {"open": 3},
    "service.first_contact_resolution": {"at_once": 10 - 3 - 1, "resolved": 10},
    "marketing.touchpoints": {"touchpoints": 2 + 1},
    "marketing.response_rate": {"responses": 6, "outbound": 50},
    "marketing.lead_conversion": {"converted": 22, "reached": 200},
    "marketing.page_views": {"pages": 3 + 1},
    "lifecycle.customers": {"customers": 1 + 2},
    "lifecycle.moves": {"moves": 2},
    "usage.uses": {"uses": 3 + 40},
    "usage.customers": {"users": 2},
    "usage.time_to_value": {"time": (2 + 10) * DAY, "customers": 2},
    "usage.time_to_value_median": {"median": median([2, 10, 90]) * DAY},
    "usage.adoption": {"used": 3 + 5, "bought": 10 + 6},
}
"""Of each metric its components, as its example gives them; what it does not give is chosen to fit."""

_RESULT = re.compile(r"[:=] (?P<number>\d[\d,]*(?:\.\d+)?) ?(?P<unit>%|minutes?|hours?|days?)?[^:=]*$")
_SECONDS = {"minute": MINUTE, "hour": HOUR, "day": DAY}


def result(example: str, unit: Unit) -> Decimal | None:
    """What it ends with, in the metric's unit. None: it ends with no number, or one of another unit."""
    found = _RESULT.search(example)
    if found is None:
        return None
    number, said = Decimal(found["number"].replace(",", "")), (found["unit"] or "").rstrip("s")
    match unit:
        case Unit.SECONDS:
            return number * _SECONDS[said] if said else None
        case Unit.DAYS:
            return number if said == "day" else None
        case Unit.PERCENT:
            return number if said == "%" else None
        case Unit.MONEY | Unit.COUNT:
            return None if said else number


def reckoned(id: str, counts: Mapping[str, float]) -> Decimal | None:
    value = METRICS[id].value({name: Decimal(str(count)) for name, count in counts.items()})
    return None if value is None else round(value, 4)


def test_every_metric_has_its_worked_example_here() -> None:
    assert EXAMPLES.keys() == METRICS.keys()


@pytest.mark.parametrize("id", METRICS)
def test_a_worked_example_comes_to_what_it_says(id: str) -> None:
    assert EXAMPLES[id].keys() == METRICS[id].components.keys()
    said = result(METRICS[id].example, METRICS[id].unit)
    assert said is not None, f"the example of {id} does not end with its result, in its unit: {METRICS[id].example}"
    assert reckoned(id, EXAMPLES[id]) == said


@pytest.mark.parametrize(
    ("example", "unit", "said"),
    [
        ("(1,100 - 200) / 1,000 = 90 %.", Unit.PERCENT, 90),
        ("1, 2 and 90 hours: 2 hours.", Unit.SECONDS, 2 * HOUR),
        ("10 and 50: 30 days.", Unit.DAYS, 30),
        ("Three: 1.5.", Unit.COUNT, Decimal("1.5")),
        ("Two: 1,200 on average.", Unit.MONEY, 1_200),
        ("Two: 12.", Unit.PERCENT, None),
        ("Two: 2 hours.", Unit.DAYS, None),
        ("Last bought lately: champions.", Unit.COUNT, None),
    ],
)
def test_the_result_of_an_example_is_read_in_its_unit(example: str, unit: Unit, said: Decimal | None) -> None:
    assert result(example, unit) == said
