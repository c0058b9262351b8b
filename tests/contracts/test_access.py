"""Who has a narrow scope reads and changes the records of its own, or of its team: over every operation that a noun
has, others' records are as if they were not there.

There is no list of nouns here: whose table says whose its rows are (kith.db.owned) is tested.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.examples import EITHER
from tests.contracts.nouns import NOUNS, Noun, Step, World

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.db.owned import ownership
from kith.events.actors import user_id
from kith.http import auth
from kith.ids import new_id
from kith.nouns.node_ids import node_id_of
from kith.nouns.parameters import type_name
from kith.runtime.service import Service
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
OWNED = [each for each in NOUNS if ownership(each.resource.table) is not None]
NARROW = [each for each in NOUNS if each.service in [owned.service for owned in OWNED]]
"""The nouns of services that have narrow scopes."""
NOBODYS = [each for each in NARROW if each not in OWNED and not each.resource.reference_data]
SHARED = [each for each in NARROW if each.resource.reference_data]


def by_name(each: Any) -> str:
    return each.id if isinstance(each, Noun) else str(getattr(each, "name", each))


every_owned_noun = pytest.mark.parametrize("noun", OWNED, ids=by_name)


@dataclass
class Sides:
    """Ann and Bob, who each have a record of a noun, and both read and write what is their own."""

    noun: Noun
    ann: Tenant
    bob: Tenant
    ours: World
    """Where all that is made is Ann's, by somebody with the whole scopes."""
    theirs: World
    """The same of Bob's."""
    mine: Answer
    other: Answer


_both_sides: dict[str, Sides] = {}


@pytest.fixture
async def sides(serve: Serve, issuer: Issuer, tenant: str, noun: Noun, postgres: EmbeddedPostgres) -> Sides:
    """Made once, for tests that change nothing."""
    if noun.id not in _both_sides:
        _both_sides[noun.id] = await _sides(Tenant(await serve(noun.service), issuer, tenant), noun, postgres)
    return _both_sides[noun.id]


@pytest.fixture
async def more(serve: Serve, issuer: Issuer, tenant: str, noun: Noun, postgres: EmbeddedPostgres) -> Sides:
    """For tests that make more records."""
    return await _sides(Tenant(await serve(noun.service), issuer, tenant), noun, postgres)


async def _sides(whole: Tenant, noun: Noun, postgres: EmbeddedPostgres) -> Sides:
    people = await _people(whole, noun.service, postgres)
    ours, theirs = [await _world(whole, noun.service, id, postgres) for id in people.values()]
    ann, bob = (acting_as(whole, noun.service, name, "own") for name in people)
    # In worlds apart: what is made next names other records, if any.
    mine, other = [
        await World(whole, dict(world.ids)).made(noun, external_id=name)
        for world, name in ((ours, "mine"), (theirs, "other"))
    ]
    return Sides(noun, ann, bob, ours, theirs, mine, other)


async def _people(whole: Tenant, service: Service, postgres: EmbeddedPostgres, **more: Any) -> dict[str, str]:
    """Returns the ids of two users by their subjects. Only contacts has commands for them; others hear of them."""
    if service is CONTACTS:
        bodies = {each: {"name": each, "email": f"{each}@example.org", "subject": each} for each in ("ann", "bob")}
        return {each: (await whole.made("/v1/users", **body, **more))["id"] for each, body in bodies.items()}
    people = {each: new_id() for each in ("ann", "bob")}
    rows: list[tuple[Any, ...]] = [
        (whole.name, id, user_id(whole.name, each), "active", []) for each, id in people.items()
    ]
    statement = "INSERT INTO known_users (tenant_id, id, actor_id, state, role_ids) VALUES ($1, $2, $3, $4, $5)"
    await _insert(postgres, service, statement, rows)
    return {each: str(id) for each, id in people.items()}


async def _world(whole: Tenant, service: Service, owner: str, postgres: EmbeddedPostgres) -> World:
    if service is CONTACTS:
        world = World(whole, {"contacts-user": owner})
        made = await whole.made("/v1/customers", kind="organisation", name="Theirs", owner_id=owner)
        return World(whole, world.ids | {"contacts-customer": made["id"]})
    customer = new_id()
    row = (whole.name, customer, UUID(owner))
    table = "customer_owners" if service is ANALYTICS else "known_customers"
    statement = f"INSERT INTO {table} (tenant_id, id, owner_id) VALUES ($1, $2, $3)"  # noqa: S608 - one of the two
    await _insert(postgres, service, statement, [row])
    return World(whole, {"customer_id": str(customer), "owner_id": owner, "assignee_id": owner})


async def _insert(postgres: EmbeddedPostgres, service: Service, statement: str, rows: list[tuple[Any, ...]]) -> None:
    connection = await asyncpg.connect(postgres.url(f"kith_{service.package}"))
    try:
        await connection.executemany(statement, rows)
    finally:
        await connection.close()


def acting_as(whole: Tenant, service: Service, subject: str, width: str) -> Tenant:
    name = service.name
    writes = f"{name}:write" if service is ANALYTICS else f"{name}:write:{width}"  # which has no narrow form
    return replace(whole, subject=subject, scopes=f"{name}:read:{width} {writes} {name}:personal")


def assert_alike(answer: httpx.Response, other: httpx.Response, id: str, other_id: str) -> None:
    """But for the ids, one of what is out of reach and one of what is not there."""
    assert (answer.status_code, answer.text.replace(id, other_id)) == (other.status_code, other.text)


MORE = "contacts:write sales:approve"
"""Scopes that some commands take, too: converting a lead, and approving a quote."""


@every_owned_noun
async def test_over_rest_others_records_are_not_there(sides: Sides) -> None:
    noun, id, none = sides.noun, sides.other["id"], str(new_id())
    ann = replace(sides.ann, scopes=f"{sides.ann.scopes} {MORE}")
    mine = await ann.get(f"{noun.path}/{sides.mine['id']}")
    assert mine.json() == sides.mine
    ways = [f"{noun.path}/{{}}"] + ([] if noun.resource.insert_only else [f"{noun.path}/{{}}/history"])
    for way in ways:
        answer = await ann.get(way.format(id))
        assert answer.status_code == 404
        assert_alike(answer, await ann.get(way.format(none)), id, none)
        assert (await ann.get(way.format(sides.mine["id"]))).status_code == 200
    everything = {each["id"] for each in (await sides.ours.tenant.get(noun.path)).json()["items"]}
    own = everything - {sides.other["id"]} - set(sides.theirs.ids.values())
    for query, wanted in (
        ({}, own),
        ({"order_by": "id"}, own),
        ({"ids": [sides.mine["id"], id]}, {sides.mine["id"]}),
        ({"external_id.in": ["mine", "other"]}, {sides.mine["id"]}),
    ):
        found = (await ann.get(noun.path, count="true", **query)).json()
        assert ({each["id"] for each in found["items"]}, found["total"]["count"]) == (wanted, len(wanted))
    sent = {"where": {"not": {"external_id": {"in": ["mine", "nil"]}}, "id": {"eq": id}}, "count": True}
    assert (await ann.post(f"{noun.path}:search", sent)).json() == {
        "items": [],
        "next": None,
        "total": {"count": 0, "is_exact": True},
    }
    found = (await ann.get(noun.path, q="other", count="true")).json()
    assert (found["items"], found["total"]["count"]) == ([], 0)
    assert [each["id"] for each in (await ann.get(noun.path, q="mine")).json()["items"]] == [sides.mine["id"]]
    assert {each["id"] for each in await World(ann).exported(noun)} == own


@every_owned_noun
async def test_over_graphql_others_records_are_not_there(sides: Sides) -> None:
    noun, id = sides.noun, sides.other["id"]
    ann, whole = World(sides.ann), sides.ours
    assert (await whole.one(noun, id))["id"] == id
    assert await ann.one(noun, id) is await ann.named(noun, id) is None
    nodes = [each["id"] for each in await ann.nodes(noun)]
    assert sides.mine["id"] in nodes
    assert not {id, *sides.theirs.ids.values()} & {*nodes}
    name = to_camel_case(noun.resource.plural)
    query = f'{{ it: {name} {{ totalCount {{ count }} }} search(q: "other") {{ {name} {{ nodes {{ id }} }} }} }}'
    found = await ann.tenant.ask(query)
    assert (found["it"]["totalCount"]["count"], found["search"][name]["nodes"]) == (len(nodes), [])
    if noun.service is CONTACTS:
        kind = type(noun.type, (), {"id": id})()
        node = "query($id: ID!) { node(id: $id) { nodeId } }"
        assert (await whole.tenant.ask(node, id=node_id_of(kind)))["node"] is not None
        assert (await ann.tenant.ask(node, id=node_id_of(kind)))["node"] is None


@every_owned_noun
async def test_lists_below_an_object_have_none_of_them(sides: Sides) -> None:
    """Whether or not the object itself is within reach, and whichever service it is of."""
    noun = sides.noun
    for relation in noun.resource.relations:
        above, field = sides.other[relation.column], to_camel_case(relation.many)
        if not relation.many or above is None:
            continue
        kind = type_name(relation.noun)
        query = f"""query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {kind} {{
            {field} {{ nodes {{ id }} totalCount {{ count }} }} }} }} }}"""
        r = [{"__typename": kind, "id": above}]
        (shown,) = (await sides.ours.tenant.ask(query, r=r))["_entities"]
        assert sides.other["id"] in [each["id"] for each in shown[field]["nodes"]]
        (seen,) = (await sides.ann.ask(query, r=r))["_entities"]
        assert seen is None or seen[field] == {"nodes": [], "totalCount": {"count": 0}}


def _conditions(noun: Noun) -> Iterator[tuple[Noun, str]]:
    """Yields the nouns whose lists have conditions over a relation to this one, with the relation."""
    for other in NOUNS:
        if other.service is noun.service and other.resource.singleton is None:
            for name, relation in other.listing.relations.items():
                if relation.table is noun.resource.table:
                    yield other, name


@every_owned_noun
async def test_a_condition_over_a_relation_does_not_tell_of_them(sides: Sides) -> None:
    for listed, relation in _conditions(sides.noun):
        if listed in NOBODYS:
            continue
        where = {f"{relation}.external_id": "other"}
        of_mine = {f"{relation}.external_id": "mine"}
        shown = [(await sides.ours.tenant.get(listed.path, **each)).json()["items"] for each in (where, of_mine)]
        seen = [(await sides.ann.get(listed.path, **each)).json()["items"] for each in (where, of_mine)]
        assert seen[0] == [], (listed.id, relation)
        assert len(seen[1]) == len(shown[1]) == len(shown[0])


@every_owned_noun
async def test_commands_find_none_of_them(sides: Sides) -> None:
    noun, id, none = sides.noun, sides.other["id"], str(new_id())
    ann = replace(sides.ann, scopes=f"{sides.ann.scopes} {MORE}")
    for command in noun.resource.changes:
        body = await sides.ours.apart().body(noun, Step(command))
        answer = await ann.post(noun.where(command, id), body)
        assert answer.status_code == 404, (command.name, answer.text)
        assert_alike(answer, await ann.post(noun.where(command, none), body), id, none)
        said, of_none = [await World(ann).mutated(noun, command, body, each) for each in (id, none)]
        assert json.dumps(said).replace(id, none) == json.dumps(of_none)
        row = {"command": command.name, "occurred_at": "2020-02-01T12:00:00Z", **body}
        rows = [{**row, "external_id": each} for each in ("other", "nil")]
        done = (await ann.post(f"{noun.path}:bulk", {"rows": rows})).json()
        first, second = (each["problem"] for each in done["results"])
        assert first["code"] == "not-found", first
        assert first == json.loads(json.dumps(second).replace("nil", "other"))
        assert [each["id"] for each in done["results"]] == [None, None]
    assert await sides.theirs.current(noun, id) == sides.other


@every_owned_noun
async def test_what_one_makes_is_ones_own(more: Sides) -> None:
    noun, path = more.noun, more.noun.path
    owned = ownership(noun.resource.table)
    assert owned is not None
    step, key = await more.ours.creation(noun), {"Idempotency-Key": "key"}
    mine, other = [await each.body(noun, step) for each in (more.ours, more.theirs)]
    made = await more.ann.post(path, mine, **key)
    assert made.status_code == 201, made.text
    assert (await more.ann.get(made.headers["location"])).json() == made.json()
    again, of_bob = [await each.post(path, mine, **key) for each in (more.ann, more.bob)]
    assert (again.status_code, again.json()) == (201, made.json())
    assert (of_bob.status_code, of_bob.json()["code"]) == (404, "not-found"), "what is remembered is Ann's too"
    refused = await more.ann.post(path, other)
    assert refused.status_code == 422, refused.text
    assert (await World(more.ann).mutated(noun, noun.resource.create, other))["__typename"] == "Problem"
    rows = [{"external_id": "row", **other}, {"external_id": "other", **mine}]
    done = (await more.ann.post(f"{path}:bulk", {"rows": rows})).json()
    assert [(each["status"], each["id"]) for each in done["results"]] == [("rejected", None)] * 2
    if owned.through is None:
        unsaid = {name: value for name, value in mine.items() if name != owned.column}
        assert (await more.ann.post(path, unsaid)).json()[owned.column] == mine[owned.column]
    taken = await more.ann.post(path, mine | {"external_id": "other"})
    again = await more.ann.post(path, (await more.ours.body(noun, step)) | {"external_id": "mine"})
    assert (taken.status_code, again.status_code) == (409, 409)
    assert taken.text == again.text.replace("mine", "other"), "that it is taken, and nothing else"


@every_owned_noun
async def test_what_one_makes_names_none_of_them(more: Sides) -> None:
    """Of what is named on sight nothing is told: it is taken, whether it is out of reach or not there."""
    noun, form = more.noun, more.noun.resource
    step, none = await more.ours.creation(noun), str(new_id())
    mine, other = [await each.body(noun, step) for each in (more.ours, more.theirs)]
    for name, follows in form.named.items():
        if ownership(follows.id.table) is not None and other.get(name) is not None:
            answers = [await more.ann.post(noun.path, mine | {name: each}) for each in (other[name], none)]
            if follows.on_sight and answers[0].status_code == answers[1].status_code == 201:
                continue
            assert answers[0].status_code == 422
            assert_alike(answers[0], answers[1], other[name], none)
    for path, follows in form.parts_name.items():
        field, _, part = path.partition(".")
        if ownership(follows.id.table) is None or follows.on_sight:
            continue
        values = [[{**each, part: id} for each in other[field]] for id in (other[field][0][part], none)]
        without = {name: value for name, value in mine.items() if name not in EITHER}
        answers = [await more.ann.post(noun.path, without | {field: each}) for each in values]
        assert answers[0].status_code == 422
        assert_alike(answers[0], answers[1], other[field][0][part], none)


@pytest.mark.parametrize("noun", SHARED, ids=by_name)
async def test_reference_data_is_read_and_not_written(
    serve: Serve, issuer: Issuer, tenant: str, noun: Noun, postgres: EmbeddedPostgres
) -> None:
    whole = Tenant(await serve(noun.service), issuer, tenant)
    people = await _people(whole, noun.service, postgres)
    made = await World(whole).made(noun)
    for subject in (*people, "stranger"):
        ann = acting_as(whole, noun.service, subject, "own")
        assert (await ann.get(f"{noun.path}/{made['id']}")).json() == made
        refused = await ann.without("analytics:write").post(noun.path, {})
        assert (refused.status_code, refused.json()["detail"]) == (403, f"This needs the scope {noun.writes}.")


def _services() -> list[Service]:
    """Returns those with narrow scopes, but analytics: of its own operations tests/analytics/test_reach.py says."""
    services = {each.service.name: each.service for each in OWNED if each.service is not ANALYTICS}
    return [services[name] for name in sorted(services)]


def _derived(noun: Noun) -> Iterator[str]:
    """Yields the paths that follow from its form."""
    yield from (f"{noun.path}{end}" for end in ("", ":search", ":export", ":bulk", "/{id}", "/{id}/history"))
    yield from (f"{noun.path}/{{id}}:{each.name}" for each in noun.resource.changes)


OPEN = {"/v1/me"}
"""Paths that need no scope."""
OF_ONES_OWN = ("/v1/exports", "/v1/processes")
"""Who may read records sees none of these but its own: tests/kith/exports, tests/sales/leads/test_conversion."""
BESIDE = {
    "contacts": {
        *("/v1/customers/{id}:merge_dry_run", "/v1/contacts/{id}:merge_dry_run"),
        *("/v1/contacts/{id}/consents", "/v1/consents:check"),
        *("/v1/attachments/content", "/v1/attachments:upload", "/v1/attachments/{id}/content"),
    },
    "sales": {"/v1/lead-queues/{id}:take", "/v1/orders/{id}/fulfilment", "/v1/quotes/{id}/document"},
}
"""Paths below those of nouns that do not follow from their forms."""


@pytest.mark.parametrize("service", _services(), ids=lambda each: each.name)
async def test_everything_else_needs_the_whole_scope(
    serve: Serve, issuer: Issuer, tenant: str, service: Service, postgres: EmbeddedPostgres
) -> None:
    """Every operation of the contract that is not of a noun whose records are somebody's, or that is reference data;
    also one that somebody will add."""
    whole = Tenant(await serve(service), issuer, tenant)
    await _people(whole, service, postgres)
    ann = acting_as(whole, service, "ann", "team")
    ours = [each for each in NARROW if each.service is service and each not in NOBODYS]
    paths = (await whole.get("/openapi.json")).json()["paths"]
    asked = 0

    def is_of_noun(path: str) -> bool:
        return any(path == each.path or path.startswith((f"{each.path}/", f"{each.path}:")) for each in ours)

    for path, operations in paths.items():
        for method in () if is_of_noun(path) or path in OPEN or path.startswith(OF_ONES_OWN) else operations:
            where = re.sub(r"\{[^}]+\}", str(new_id()), path)
            headers = ann._authorized() | {"Content-Type": "text/csv" if method == "put" else "application/json"}
            answer = await ann.client.request(method, where, headers=headers, content=b"" if method == "get" else b"{}")
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path, answer.text)
            asked += 1
    assert asked > 3
    # What is beside a noun has to look at the reach itself: there is a test of each.
    beside = {each for each in paths if is_of_noun(each)} - {each for noun in ours for each in _derived(noun)}
    assert beside == BESIDE.get(service.name, set())
    for noun in NOBODYS:
        if noun.service is service:
            name = to_camel_case(noun.resource.name if noun.resource.singleton else noun.resource.plural)
            inner = "{ id }" if noun.resource.singleton else "{ nodes { id } }"
            said = (await ann.post("/graphql", {"query": f"{{ {name} {inner} }}"})).json()
            assert said["errors"][0]["extensions"]["code"] == "forbidden"


async def test_a_team_is_reached_with_all_teams_within_it(
    serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Tenant(await serve(CONTACTS), issuer, tenant)
    north = (await whole.made("/v1/teams", name="North"))["id"]
    oslo = (await whole.made("/v1/teams", name="Oslo", parent_id=north))["id"]
    south = (await whole.made("/v1/teams", name="South"))["id"]
    people = {"lea": north, "ann": oslo, "bob": oslo, "eve": south}
    ids, customers = {}, {}
    for name, team in people.items():
        body = {"name": name, "email": f"{name}@example.org", "subject": name, "team_id": team}
        ids[name] = (await whole.made("/v1/users", **body))["id"]
        customers[name] = await whole.made("/v1/customers", kind="person", name=name, owner_id=ids[name])
    await whole.made("/v1/customers", kind="person", name="Nobody's")

    async def seen_by(name: str) -> set[str]:
        found = (await acting_as(whole, CONTACTS, name, "team").get("/v1/customers")).json()["items"]
        return {each["name"] for each in found}

    assert await seen_by("lea") == {"lea", "ann", "bob"}
    assert await seen_by("ann") == await seen_by("bob") == {"ann", "bob"}
    assert await seen_by("eve") == {"eve"}
    assert await seen_by("stranger") == set()
    lea = acting_as(whole, CONTACTS, "lea", "team")
    given = await lea.post(f"/v1/customers/{customers['ann']['id']}:amend", {"owner_id": ids["bob"]})
    assert given.json()["owner_id"] == ids["bob"]
    for away in (ids["eve"], None):
        refused = await lea.post(f"/v1/customers/{customers['ann']['id']}:amend", {"owner_id": away})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "owner_id")
    monkeypatch.setattr(auth, "MOST_OF_TEAM", 2)
    many = await lea.get("/v1/customers")
    assert (many.status_code, many.json()["code"]) == (403, "forbidden")
    assert "more than 2 users" in many.json()["detail"]


async def test_a_role_narrows_what_the_token_has(serve: Serve, issuer: Issuer, tenant: str) -> None:
    whole = Tenant(await serve(CONTACTS), issuer, tenant)
    role = (await whole.made("/v1/roles", code="own", name="Own", scopes=["contacts:read:own"]))["id"]
    body = {"name": "Ann", "email": "ann@example.org", "subject": "ann", "role_ids": [role]}
    ann = (await whole.made("/v1/users", **body))["id"]
    mine = await whole.made("/v1/customers", kind="person", name="Mine", owner_id=ann)
    await whole.made("/v1/customers", kind="person", name="Other")
    it = replace(whole, subject="ann")
    assert (await it.get("/v1/me")).json()["scopes"] == ["contacts:read:own"]
    assert [each["id"] for each in (await it.get("/v1/customers")).json()["items"]] == [mine["id"]]
    assert (await it.post("/v1/customers", {"kind": "person", "name": "No"})).status_code == 403


async def test_of_a_merge_both_have_to_be_within_reach(
    serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres
) -> None:
    whole = Tenant(await serve(CONTACTS), issuer, tenant)
    people = await _people(whole, CONTACTS, postgres)
    mine, also, other = [
        (await whole.made("/v1/customers", kind="person", name="Ida", owner_id=people[each]))["id"]
        for each in ("ann", "ann", "bob")
    ]
    ann, none = acting_as(whole, CONTACTS, "ann", "own"), str(new_id())
    for verb in ("merge_dry_run", "merge"):
        into = [await ann.post(f"/v1/customers/{mine}:{verb}", {"into": each}) for each in (other, none)]
        assert into[0].status_code == 422
        assert_alike(into[0], into[1], other, none)
        of = [await ann.post(f"/v1/customers/{each}:{verb}", {"into": mine}) for each in (other, none)]
        assert of[0].status_code == 404
        assert_alike(of[0], of[1], other, none)
        assert (await ann.post(f"/v1/customers/{mine}:{verb}", {"into": also})).status_code == 200
    assert (await whole.post(f"/v1/customers/{also}:merge", {"into": other})).status_code == 200
    touchpoint = {"customer_id": also, "channel": "email", "direction": "inbound"}
    refused = await ann.post("/v1/touchpoints", touchpoint)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "customer_id"), "it would be Bob's"


async def test_consents_are_told_of_contacts_within_reach(
    serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres
) -> None:
    whole = Tenant(await serve(CONTACTS), issuer, tenant)
    contacts = []
    for owner in (await _people(whole, CONTACTS, postgres)).values():
        customer = await whole.made("/v1/customers", kind="person", name="Ida", owner_id=owner)
        contacts.append((await whole.made("/v1/contacts", customer_id=customer["id"], name="Ida"))["id"])
    ann, none = acting_as(whole, CONTACTS, "ann", "own"), str(new_id())
    may = 'query($id: UUID!) { mayContact(contactId: $id, purpose: "news", channel: EMAIL) { allowed } }'

    async def asked(id: str) -> list[httpx.Response]:
        return [
            await ann.get(f"/v1/contacts/{id}/consents"),
            await ann.post("/v1/consents:check", {"contact_id": id, "purpose": "news", "channel": "email"}),
            await ann.post("/graphql", {"query": may, "variables": {"id": id}}),
        ]

    mine, other = contacts
    assert [each.status_code for each in await asked(mine)] == [200, 200, 200]
    for of_other, of_none in zip(await asked(other), await asked(none), strict=True):
        assert "not-found" in of_other.text
        assert_alike(of_other, of_none, other, none)
    # Of two that are one the consents of each stay with its own customer.
    for id in (mine, other):
        await whole.made("/v1/consents", contact_id=id, purpose="news", state="given")
    merged = await whole.post(f"/v1/contacts/{other}:merge", {"into": mine})
    assert merged.status_code == 200, merged.text
    assert len((await whole.get(f"/v1/contacts/{mine}/consents")).json()["items"]) == 2
    assert len((await ann.get(f"/v1/contacts/{mine}/consents")).json()["items"]) == 1
