"""Every figure over the replayed sets is what a straight computation over their files comes to, cell by cell."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from tests.analytics.reference.conftest import Params, Replayed
from tests.analytics.reference.figures import FIGURES, MOVEMENTS, Cell, Counts, Figure, Query, cells
from tests.analytics.reference.questions import ABOUT, CUSTOMER, QUESTIONS, Question
from tests.recorded import needs_recorded_data

from analytics.metrics.catalogue import METRICS

pytestmark = [
    needs_recorded_data,
    pytest.mark.timeout(900),  # the first test waits for the replay of all sets
]


class Numbers(NamedTuple):
    """Of a figure or one of its cells, to four digits."""

    value: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    components: dict[str, Decimal | None]


def numbers_of(figure: Figure, counts: Counts) -> Numbers:
    above: Decimal | None = figure.above(counts)
    below: Decimal | None = figure.below(counts) if figure.below else None
    by = Decimal(1) if figure.below is None else below
    return Numbers(
        rounded(above / by * figure.scale) if above is not None and by else None,
        rounded(above),
        rounded(below),
        {name: rounded(count) for name, count in counts.items()},
    )


def rounded(number: Decimal | None) -> Decimal | None:
    return None if number is None else round(number, 4)


def numbers_in(answer: Any) -> Numbers:
    return Numbers(
        answer["value"],
        answer["numerator"],
        answer["denominator"],
        {each["name"]: each["value"] for each in answer["components"]},
    )


def cell_of(answer: Any, by: tuple[str, ...]) -> Cell:
    assert [each["dimension"] for each in answer["group"]] == list(by)
    starts_at, ends_at = (datetime.fromisoformat(answer[each]) for each in ("starts_at", "ends_at"))
    return Cell(starts_at, ends_at, tuple(each["value"] for each in answer["group"]))


def close(one: Numbers, other: Numbers) -> bool:
    """Of floats: what lies in the middle between two ten-thousandths may go either way."""

    def near(this: Decimal | None, that: Decimal | None) -> bool:
        return this == that or (this is not None and that is not None and abs(this - that) <= Decimal("0.0001"))

    return all(map(near, one[:3], other[:3])) and all(
        near(one.components[name], other.components[name]) for name in one.components.keys() | other.components.keys()
    )


def query() -> Iterator[Any]:
    for question in QUESTIONS:
        for id in question.metrics:
            yield pytest.param(question, id, id=f"{id} {question}")


@pytest.mark.parametrize(("question", "id"), list(query()))
async def test_it_is_what_the_files_come_to(replayed: dict[str, Replayed], question: Question, id: str) -> None:
    company, figure = replayed[question.of].company, FIGURES[id]
    question = question.known_as(company.users)
    query = Query(company, question.start, question.end, ZoneInfo(question.zone))
    nothing = numbers_of(figure, {name: part.of_nothing for name, part in figure.parts.items()})
    answer = await replayed[question.of].get(f"/v1/metrics/{id}", question.params)

    (whole,) = cells(figure, query, [question.start, question.end], filters=question.filters).values()
    same = close if id == "clv.simple" else Numbers.__eq__
    assert same(numbers_in(answer), numbers_of(figure, whole)), (numbers_in(answer), numbers_of(figure, whole))

    shown = {cell_of(each, question.by): numbers_in(each) for each in answer["breakdown"]}
    assert len(shown) == len(answer["breakdown"])
    straight = (
        {
            cell: numbers_of(figure, counts)
            for cell, counts in cells(figure, query, question.periods, question.by, question.filters).items()
        }
        if question.by or question.grain
        else {}
    )
    if not question.by:
        assert shown.keys() == straight.keys()
    # Of groups in which there is nothing, some are shown and some are not.
    for cell in shown.keys() | straight.keys():
        one, other = shown.get(cell, nothing), straight.get(cell, nothing)
        assert same(one, other), (cell, one, other)


async def test_the_worked_figures_of_the_definitions(replayed: dict[str, Replayed]) -> None:
    """As METRICS has them, by hand."""
    interval: Params = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
    crr = numbers_in(await replayed["retail"].get("/v1/metrics/retention.crr", interval))
    cohort = numbers_in(await replayed["retail"].get("/v1/metrics/retention.cohort", interval))
    assert (crr.value, cohort.value) == (Decimal("68.2143"), Decimal("56.4286"))
    assert crr.components == {"S": 1960, "E": 1924, "N": 587, "W": 231}


@pytest.mark.parametrize(
    ("start", "end", "figures"),
    [
        ("2024-01-01", "2024-04-01", (1_283_540, 410_444, 3_136, 631_113, 16_868, 0, 2_311_365, 147.8555, 98.6858)),
        ("2024-04-01", "2024-07-01", (2_311_365, 583_053, 0, 1_002_150, 33_002, 0, 3_863_566, 141.9297, 98.5722)),
        ("2024-01-01", "2024-12-01", (1_283_540, 4_939_165, 18_304, 2_272_455, 6_106, 0, 8_507_358, 276.5702, 99.5243)),
    ],
)
async def test_recurring_revenue_moves_as_the_definitions_have_it(
    replayed: dict[str, Replayed], start: str, end: str, figures: tuple[float, ...]
) -> None:
    """By hand, too: what it was, five movements, what it is; then net and gross retention."""
    interval: Params = {"from": f"{start}T00:00:00Z", "to": f"{end}T00:00:00Z"}
    *moves, nrr, grr = figures
    mrr = numbers_in(await replayed["saas"].get("/v1/metrics/mrr", interval))
    assert [mrr.components[name] for name in MOVEMENTS] == moves
    for id, rate in (("nrr", nrr), ("grr", grr)):
        assert numbers_in(await replayed["saas"].get(f"/v1/metrics/{id}", interval)).value == Decimal(str(rate))


@pytest.mark.parametrize("question", [next(each for each in QUESTIONS if each.of == of) for of in ABOUT], ids=str)
async def test_queried_together_metrics_return_what_each_returns_alone(
    replayed: dict[str, Replayed], question: Question
) -> None:
    it, ids = replayed[question.of], sorted(question.metrics)
    body = {"from": question.params["from"], "to": question.params["to"], "grain": "month"}
    for some in (ids[:20], ids[20:]):
        together = (await it.post("/v1/metrics:query", {**body, "metrics": some}))["figures"] if some else []
        alone = [await it.get(f"/v1/metrics/{id}", body) for id in some]
        assert [{**each, "freshness": []} for each in together] == [{**each, "freshness": []} for each in alone]


def test_every_metric_has_a_straight_computation() -> None:
    """But for two that follow from a fit, and for those of what no data set has: see test_lifecycle, test_activities
    and test_leads in tests/analytics/metrics."""
    others = {"usage.uses", "usage.customers", "usage.adoption", "usage.time_to_value", "usage.time_to_value_median"}
    others |= {"sales.renewal_rate", "sales.renewal_rate_value"}  # kinds/test_recurring has them, and these
    others |= {"sales.subscriptions_ended", "mrr.ended", "arr_at_risk"}
    others |= {"lifecycle.customers", "lifecycle.moves", "marketing.page_views"}
    others |= {"sales.leads", "sales.open_leads", "sales.lead_qualification_rate", "sales.lead_conversion_rate"}
    others |= {"sales.calls", "sales.inquiries", "sales.calls_per_opportunity"}
    others |= {
        "sales.period_forecast",
        "sales.adjusted_forecast",
        "sales.team_adjusted_forecast",
    }  # test_forecast has it, and test_attainment these
    others |= {"sales.quota_attainment", "sales.team_quota_attainment"}
    others |= {"sales.proposals", "sales.proposals_accepted", "sales.overdue_invoices"}
    others |= {"service.delivered_on_time"}  # test_deliveries
    assert METRICS.keys() - FIGURES.keys() - others == {"clv.predicted", "customers.alive"}
    for id, figure in FIGURES.items():
        assert METRICS[id].components.keys() == figure.parts.keys()
        by_team = {"opportunity_team"}  # test_attainment has it
        assert {each.name for each in METRICS[id].dimensions} - by_team == CUSTOMER | figure.own.keys()
