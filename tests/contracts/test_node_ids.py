"""Every record has a `nodeId`, by which contacts finds it: its own, and those of other services as far as their ids."""

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable

import httpx
import pytest
from graphql import GraphQLObjectType, build_schema
from tests.contracts.nouns import NOUNS, Noun, World
from tests.contracts.test_search import COLLECTIONS

from contacts.service import SERVICE as CONTACTS
from kith.api import api_of
from kith.ids import new_id
from kith.nouns.parameters import type_name
from kith.runtime.service import Service
from kith.testing import Issuer, Tenant

NODE = "query($id: ID!) { node(id: $id) { __typename nodeId } }"
every_collection = pytest.mark.parametrize("noun", COLLECTIONS, ids=lambda noun: noun.id)


@pytest.fixture
async def contacts(serve: Callable[[Service], Awaitable[httpx.AsyncClient]], issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(CONTACTS), issuer, tenant)


@every_collection
async def test_a_record_is_found_by_its_node_id(
    serve: Callable[[Service], Awaitable[httpx.AsyncClient]],
    issuer: Issuer,
    tenant: str,
    other_tenant: str,
    contacts: Tenant,
    noun: Noun,
) -> None:
    client, kind = await serve(noun.service), type_name(noun.resource.name)
    ours = World(Tenant(client, issuer, tenant))
    record = await ours.made(noun)
    shown = "query($r: [_Any!]!) { _entities(representations: $r) { ... on %s { nodeId id } } }" % kind  # noqa: UP031 - braces
    representation = {"__typename": kind, "id": record["id"]}
    (entity,) = (await ours.tenant.ask(shown, r=[representation]))["_entities"]
    assert b64decode(entity["nodeId"]).decode() == f"{kind}:{record['id']}"
    found = (await contacts.ask(NODE, id=entity["nodeId"]))["node"]
    assert found == {"__typename": kind, "nodeId": entity["nodeId"]}
    if noun.service is CONTACTS:
        theirs = Tenant(contacts.client, issuer, other_tenant)
        assert (await theirs.ask(NODE, id=entity["nodeId"]))["node"] is None


def test_types_without_records_are_no_nodes() -> None:
    nodes = {type_name(noun.resource.name) for noun in NOUNS if noun.resource.singleton is None}
    types = build_schema(api_of(CONTACTS).schema.as_str(), assume_valid=True).type_map.values()
    implementing = {
        each.name
        for each in types
        if isinstance(each, GraphQLObjectType) and "Node" in {interface.name for interface in each.interfaces}
    }
    assert implementing == nodes


async def test_what_is_no_node_id_is_refused_or_found_nowhere(contacts: Tenant) -> None:
    for wrong in ("", "x", "é", "Q3VzdG9tZXI=", "////", b64encode(b"Customer:1").decode(), "a" * 10_000):
        answer = (await contacts.post("/graphql", {"query": NODE, "variables": {"id": wrong}})).json()
        assert answer["errors"][0]["extensions"]["code"] == "invalid", wrong
        assert answer["data"] == {"node": None}
    for nowhere in (f"Nothing:{new_id()}", f"Query:{new_id()}", f"Customer:{new_id()}", f"Settings:{new_id()}"):
        assert (await contacts.ask(NODE, id=b64encode(nowhere.encode()).decode()))["node"] is None
