"""The questions in GraphQL, of each subgraph: lists with their relations, and what analytics says of a customer."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.upgrade.questions import Question
from tests.upgrade.scenario import BEGIN, END, Scenario

LISTS = {
    "contacts": """{ customers(first: 8) { nodes { id externalId kind name country tags segment } pageInfo
        { hasNextPage endCursor } } contacts(first: 4) { nodes { name email customer { name } } }
        touchpoints(first: 4) { nodes { channel direction customer { id name } } } settings { timeZone currency } }""",
    "sales": """{ opportunities(first: 8, where: {stage: {eq: WON}}) { nodes { name stage value currency closedAt
        product { name price } customer { id } } } orders(first: 4) { nodes { value currency customerId } }
        returns(first: 4) { nodes { value orderId } } tasks(first: 4) { nodes { title state dueAt } } }""",
    "service-desk": """{ cases(first: 8) { nodes { id state priority channel reopenedCount firstRespondedAt resolvedAt
        slaMet customer { id } } pageInfo { endCursor } } }""",
    "analytics": """{ healthModels { nodes { title state number publishedDocument draftDocument } }
        healthScores(first: 8) { nodes { customerId score band bandSince coverage model modelVersion } }
        playbooks { nodes { title state outcomes { evidence words difference treated { customers successes rate } } } }
        readings(first: 4) { nodes { value signal { code } } } healthRescoring { done total setAside }
        activityDefinitions { version state rules { segment windowDays } } }""",
}
FIGURES = """query ($from: DateTime!, $to: DateTime!) {
    metricValues(ids: ["sales.close_rate", "service.time_to_resolve", "retention.churn"], from: $from, to: $to,
        grain: YEAR) { id value numerator denominator breakdown { startsAt value components { name value } } }
    metricMembers(id: "sales.close_rate", from: $from, to: $to, first: 3)
        { nodes { subject type time value } pageInfo { hasNextPage endCursor } }
    cohorts(from: $from, to: $to, grain: QUARTER) { rows { size cells { period customers share complete } } }
    healthDistribution(at: $to, groupBy: SEGMENT)
        { whole { customers mean bands { atRisk steady healthy } } groups { group median trend { mean } } } }"""
OF_CUSTOMERS = """query ($customers: [_Any!]!, $from: DateTime!, $to: DateTime!) {
    _entities(representations: $customers) { ... on Customer { id
        health(at: $to) { score band words drivers { measure change } contributions { measure contribution }
            difference(from: $from) { change byModel words } path { up { band reachable } down { silentAt words } }
            history(from: $from) { band changes { at fromBand band cause } } }
        value(at: $to) { orders historic predicted pAlive rfm { label } }
        timeline(first: 5) { nodes { id type time data } } pulses { score expiresAt } readings { value } } } }"""
RUN = "query ($id: UUID!) { playbookRun(id: $id) { state trigger succeeded results { kind state outcome } } }"


def graphql_questions_of(scenario: Scenario, runs: Sequence[Any]) -> Iterator[Question]:
    over = {"from": BEGIN.isoformat(), "to": END.isoformat()}
    customers = [{"__typename": "Customer", "id": id} for id in (*scenario.merged, *scenario.ids["customers"][2:5])]

    def question(service: str, query: str, **variables: object) -> Question:
        return Question(service, scenario.name, "/graphql", body={"query": query, "variables": variables})

    for service, query in LISTS.items():
        yield question(service, query)
    yield question("analytics", FIGURES, **over)
    yield question("analytics", OF_CUSTOMERS, customers=customers, **over)
    for run in runs[:3]:
        yield question("analytics", RUN, id=run["id"])
