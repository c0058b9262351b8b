"""The subgraph of contacts."""

from tests.statements import statements

from kith.ids import new_id
from kith.testing import Answer, Tenant

CREATE = """mutation ($input: CreateCustomerInput!, $key: String) {
  createCustomer(input: $input, idempotencyKey: $key) {
    ... on Customer { id name kind tags version }
    ... on Problem { type status errors { field } }
  }
}"""
AMEND = """mutation ($id: UUID!, $input: AmendCustomerInput, $ifVersion: Int) {
  amendCustomer(id: $id, input: $input, ifVersion: $ifVersion) {
    ... on Customer { name tier segment version }
    ... on Problem { type status errors { field } }
  }
}"""


async def test_a_customer_is_created_and_queried(acme: Tenant) -> None:
    made = (await acme.ask(CREATE, input={"kind": "PERSON", "name": "Ada", "tags": ["b", "a"]}))["createCustomer"]
    assert made | {"name": "Ada", "kind": "PERSON", "tags": ["a", "b"], "version": 1} == made
    found = await acme.ask("query ($id: UUID!) { customer(id: $id) { id name kind tags version } }", id=made["id"])
    assert found["customer"] == made


async def test_an_amendment_changes_what_was_sent_and_clears_what_is_null(acme: Tenant, customer: Answer) -> None:
    amended = await acme.ask(AMEND, id=customer["id"], input={"tier": "gold"})
    assert amended["amendCustomer"] == {"name": "Acme Works", "tier": "gold", "segment": "smb", "version": 2}
    amended = await acme.ask(AMEND, id=customer["id"], input={"segment": None})
    assert amended["amendCustomer"] == {"name": "Acme Works", "tier": "gold", "segment": None, "version": 3}


async def test_what_is_refused_is_answered_with_a_problem(acme: Tenant, other: Tenant, customer: Answer) -> None:
    refused = (await acme.ask(AMEND, id=customer["id"], input={"referredBy": customer["id"]}))["amendCustomer"]
    assert refused == {"type": "urn:kith:problem:invalid", "status": 422, "errors": [{"field": "referredBy"}]}
    refused = (await acme.ask(AMEND, id=customer["id"], input={"name": None}))["amendCustomer"]
    assert (refused["status"], refused["errors"]) == (422, [{"field": "name"}])
    refused = (await acme.ask(AMEND, id=customer["id"], input={"tier": "gold"}, ifVersion=9))["amendCustomer"]
    assert refused["type"] == "urn:kith:problem:version-mismatch"
    assert (await other.ask(AMEND, id=customer["id"], input={"tier": "gold"}))["amendCustomer"]["status"] == 404
    reader = acme.without("contacts:write")
    assert (await reader.ask(AMEND, id=customer["id"], input={"tier": "gold"}))["amendCustomer"]["status"] == 403


async def test_a_customer_shows_its_contacts_and_touchpoints(acme: Tenant, customer: Answer) -> None:
    referred = await acme.made("/v1/customers", kind="person", name="Bea", referred_by=customer["id"])
    contacts = [await acme.made("/v1/contacts", customer_id=customer["id"], name=name) for name in ("Ada", "Bob", "Cy")]
    for channel in ("email", "phone"):
        await acme.made(
            "/v1/touchpoints",
            customer_id=customer["id"],
            contact_id=contacts[0]["id"],
            channel=channel,
            direction="inbound",
        )
    found = await acme.ask(
        """query ($id: UUID!, $referred: UUID!) {
          customer(id: $id) {
            contacts(first: 2) { nodes { name customer { name } } }
            touchpoints { nodes { channel direction contact { name } customer { id } } }
          }
          referred: customer(id: $referred) { referrer { name } contacts { nodes { id } } }
        }""",
        id=customer["id"],
        referred=referred["id"],
    )
    works = {"name": "Acme Works"}
    assert found["customer"]["contacts"]["nodes"] == [
        {"name": "Cy", "customer": works},
        {"name": "Bob", "customer": works},
    ]
    assert found["customer"]["touchpoints"]["nodes"] == [
        {
            "channel": channel,
            "direction": "INBOUND",
            "contact": {"name": "Ada"},
            "customer": {"id": customer["id"]},
        }
        for channel in ("PHONE", "EMAIL")
    ]
    assert found["referred"] == {"referrer": works, "contacts": {"nodes": []}}


async def test_the_others_subgraphs_find_a_customer_by_its_id(acme: Tenant, other: Tenant, customer: Answer) -> None:
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Customer { name } } }"
    ids = [{"__typename": "Customer", "id": each} for each in (customer["id"], str(new_id()))]
    assert (await acme.ask(query, r=ids))["_entities"] == [{"name": "Acme Works"}, None]
    assert (await other.ask(query, r=ids))["_entities"] == [None, None]


async def test_no_other_tenant_is_shown_anything(acme: Tenant, other: Tenant, customer: Answer) -> None:
    query = """query ($id: UUID!) { customer(id: $id) { id } customers { nodes { id } }
      contacts(where: {customerId: {eq: $id}}) { nodes { id } } touchpoints { nodes { id } } }"""
    await acme.made("/v1/contacts", customer_id=customer["id"], name="Ada")
    assert (await acme.ask(query, id=customer["id"]))["contacts"]["nodes"] != []
    nothing: Answer = {"nodes": []}
    assert await other.ask(query, id=customer["id"]) == {
        "customer": None,
        "customers": nothing,
        "contacts": nothing,
        "touchpoints": nothing,
    }


async def test_what_is_personal_is_null_to_actors_who_may_not_see_it(acme: Tenant, customer: Answer) -> None:
    body = {"customer_id": customer["id"], "name": "Ada", "email": "ada@example.org", "phone": "+43 1 5125 0"}
    contact = await acme.made("/v1/contacts", **body)
    stranger = acme.without("contacts:personal")
    found = await stranger.ask(
        """query ($id: UUID!, $contact: UUID!) {
          customer(id: $id) { name segment contacts { nodes { name email phone customerId } } }
          customers { nodes { name } }
          contact(id: $contact) { name email phone customer { name } }
        }""",
        id=customer["id"],
        contact=contact["id"],
    )
    nobody = {"name": None, "email": None, "phone": None}
    assert found == {
        "customer": {"name": None, "segment": "smb", "contacts": {"nodes": [{**nobody, "customerId": customer["id"]}]}},
        "customers": {"nodes": [{"name": None}]},
        "contact": {**nobody, "customer": {"name": None}},
    }


async def test_nor_does_a_write_or_its_replay_show_it(acme: Tenant, customer: Answer) -> None:
    given = {"input": {"kind": "PERSON", "name": "Ada"}, "key": "once"}
    stranger = acme.without("contacts:personal")
    first = (await acme.ask(CREATE, **given))["createCustomer"]
    again = (await stranger.ask(CREATE, **given))["createCustomer"]
    assert (first["name"], again) == ("Ada", {**first, "name": None})
    assert (await stranger.ask(AMEND, id=customer["id"], input={"name": "New"}))["amendCustomer"]["name"] is None


LISTS = """{ customers(first: 50) { totalCount { count } edges { cursor node {
    referrer { name } children(first: 3) { nodes { name } }
    all: contacts { nodes { name } totalCount { count } }
    some: contacts(first: 2, where: {role: {eq: "cfo"}}) { edges { cursor node { customer { name } } } }
    named: contacts(orderBy: [{field: NAME, nulls: FIRST}]) { nodes { name } }
    touchpoints(first: 2) { nodes { contact { name } } }
    calls: touchpoints(where: {or: [{channel: {eq: PHONE}}, {not: {customer: {tier: {eq: "gold"}}}}]}) { nodes { id } }
} } } }"""


async def test_the_lists_of_a_page_are_as_many_statements_however_long_it_is(acme: Tenant) -> None:
    async def made(number: int) -> None:
        customer = (await acme.made("/v1/customers", kind="person", name=f"Customer {number}"))["id"]
        contact = (await acme.made("/v1/contacts", customer_id=customer, name=f"Contact {number}", role="cfo"))["id"]
        await acme.made("/v1/touchpoints", contact_id=contact, channel="phone", direction="inbound")

    async def sent_for_a_page() -> tuple[int, int]:
        with statements() as sent:
            page = (await acme.ask(LISTS))["customers"]["edges"]
        assert all(each["node"]["calls"]["nodes"] for each in page)
        return len(page), len(
            [each for each in sent if each.startswith("SELECT") and ("FROM customers" in each or "FROM unnest" in each)]
        )

    await made(0)
    few = await sent_for_a_page()
    for number in range(1, 50):
        await made(number)
    assert (few[0], await sent_for_a_page()) == (1, (50, few[1]))
    assert few[1] > 5
