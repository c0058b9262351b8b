"""The subgraph of service-desk."""

from kith.ids import new_id
from kith.testing import Answer, Tenant

OPEN = """mutation ($input: OpenCaseInput!) {
  openCase(input: $input) {
    ... on Case { id state priority channel customer { id } }
    ... on Problem { type status errors { field } }
  }
}"""


async def test_a_case_is_opened_and_queried(acme: Tenant) -> None:
    customer = str(new_id())
    opened = (await acme.ask(OPEN, input={"subject": "No light", "channel": "PHONE", "customerId": customer}))[
        "openCase"
    ]
    assert opened | {"state": "NEW", "priority": "MODERATE", "channel": "PHONE", "customer": {"id": customer}} == opened
    found = await acme.ask(
        "query ($id: UUID!) { case(id: $id) { id state priority channel customer { id } } }", id=opened["id"]
    )
    assert found["case"] == opened


async def test_a_move_is_made_and_refused(acme: Tenant, other: Tenant, case: Answer) -> None:
    resolve = """mutation ($id: UUID!) { resolveCase(id: $id, input: {slaMet: true}) {
      ... on Case { state slaMet } ... on Problem { type status } } }"""
    assert (await other.ask(resolve, id=case["id"]))["resolveCase"]["status"] == 404
    assert (await acme.ask(resolve, id=case["id"]))["resolveCase"] == {"state": "RESOLVED", "slaMet": True}
    refused = (await acme.ask(resolve, id=case["id"]))["resolveCase"]
    assert refused == {"type": "urn:kith:problem:case-already-resolved", "status": 409}


async def test_what_is_missing_is_answered_with_a_problem(acme: Tenant) -> None:
    refused = (await acme.ask(OPEN, input={"subject": " ", "channel": "WEB"}))["openCase"]
    assert refused == {"type": "urn:kith:problem:invalid", "status": 422, "errors": [{"field": "subject"}]}


async def test_a_customer_shows_its_cases(acme: Tenant, other: Tenant) -> None:
    busy, quiet = str(new_id()), str(new_id())
    for subject in ("One", "Two", "Three"):
        await acme.made("/v1/cases", subject=subject, channel="web", customer_id=busy)
    query = """query ($r: [_Any!]!) { _entities(representations: $r) {
      ... on Customer { id cases(first: 2) { nodes { subject } } } } }"""
    references = [{"__typename": "Customer", "id": id} for id in (busy, quiet)]
    assert (await acme.ask(query, r=references))["_entities"] == [
        {"id": busy, "cases": {"nodes": [{"subject": "Three"}, {"subject": "Two"}]}},
        {"id": quiet, "cases": {"nodes": []}},
    ]
    assert [each["cases"]["nodes"] for each in (await other.ask(query, r=references))["_entities"]] == [[], []]


async def test_cases_are_filtered(acme: Tenant, other: Tenant, case: Answer) -> None:
    query = "query ($state: CaseState) { cases(where: {state: {eq: $state}}) { nodes { id } } }"
    assert (await acme.ask(query, state="NEW"))["cases"]["nodes"] == [{"id": case["id"]}]
    assert (await acme.ask(query, state="OPEN"))["cases"]["nodes"] == []
    assert (await other.ask(query, state="NEW"))["cases"]["nodes"] == []
