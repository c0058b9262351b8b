"""A tenant's nouns, made and changed by what their forms say alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

import httpx
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from strawberry.utils.str_converters import to_camel_case
from tests.contracts.examples import FILE, OWN, Body, as_graphql, example, fields_naming, names_ids

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.api import Api, api_of
from kith.ids import new_id
from kith.nouns.lists.listing import Listing
from kith.nouns.parameters import pascal, type_name
from kith.nouns.resource import Command, Resource
from kith.nouns.validation import outcomes_of
from kith.runtime.service import Service
from kith.testing import Answer, Tenant
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

BEFORE = "2020-01-01T00:00:00Z"
"""When what a noun names was there already."""
VARIANTS = range(6)


class Noun(NamedTuple):
    service: Service
    api: Api
    resource: Resource

    @property
    def id(self) -> str:
        return f"{self.service.name}-{self.resource.name}"

    @property
    def path(self) -> str:
        return f"/v1/{self.resource.path}"

    @property
    def listing(self) -> Listing:
        return self.api.listings[self.resource.name]

    @property
    def type(self) -> str:
        """In GraphQL."""
        return type_name(self.resource.name)

    @property
    def reads(self) -> str:
        """The scope."""
        return f"{self.service.name}:read"

    @property
    def writes(self) -> str:
        return f"{self.service.name}:{self.resource.write_verb}"

    @property
    def sees(self) -> str:
        return f"{self.service.name}:personal"

    def target(self, field: str) -> "Noun | None":
        """The noun of this service that a field with an id names: by its reference, its relation or its name."""
        tables = {each.resource.table: each for each in self.siblings()}
        names = {each.resource.name: each for each in self.siblings()}
        if (column := self.resource.references.get(field)) is not None:
            return tables.get(column.table)
        if field == "into":  # what is merged is merged into one of its kind
            return self
        by = {"mentions": "user", "bundle_id": "product"} | {each.column: each.noun for each in self.resource.relations}
        return names.get(by.get(field, field.removesuffix("s").removesuffix("_id")))

    def siblings(self) -> "Iterator[Noun]":
        return (self._replace(resource=each) for each in self.api.resources)

    def where(self, command: Command, id: str) -> str:
        singleton = self.resource.singleton is not None
        return f"{self.path}:{command.name}" if singleton else f"{self.path}/{id}:{command.name}"

    def mutation(self, command: Command) -> str:
        return to_camel_case(f"{command.name}_{self.resource.name}")

    def selection(self) -> str:
        """All fields of its view."""
        return self._selection(self.type, [to_camel_case(each) for each in self.resource.view_fields])

    def _selection(self, type: str, names: list[str]) -> str:
        kind = self.api.schema._schema.type_map[type]
        assert isinstance(kind, GraphQLObjectType)
        shown = []
        for name in names:
            named = get_named_type(kind.fields[name].type)
            inner = "" if is_leaf_type(named) else f" {self._selection(named.name, list(named.fields))}"
            shown.append(name + inner)
        return f"{{ {' '.join(shown)} }}"


SERVICES = (CONTACTS, SALES, SERVICE_DESK, ANALYTICS)
NOUNS = [Noun(service, api_of(service), each) for service in SERVICES for each in api_of(service).resources]


def steps_of(command: Command) -> set[int]:
    """How many versions further a record may be after it: as many as the rule says that it publishes events, of which
    some may be of another record."""
    return {*range(1, max(len(outcome) for outcome in outcomes_of(command)) + 1)}


class Step(NamedTuple):
    command: Command
    variant: int = 0
    without: tuple[str, ...] = ()


class Request(NamedTuple):
    path: str
    body: Body
    id: str | None
    """Of what is changed."""


class Way(NamedTuple):
    """How one comes to a change: the command that creates it, if there is one, the ones between, and the change."""

    steps: tuple[Step, ...]


ONE_OF = {f"sales-{noun}": {"owner_id", "team_id"} for noun in ("quota", "forecast_adjustment")}
"""Fields of which a noun has one, and not the other."""
_ways: dict[tuple[str, str], Way] = {}
"""By noun and command: looked for once."""


@dataclass
class World:
    """A tenant of one service."""

    tenant: Tenant
    ids: dict[str, str] = field(default_factory=dict)
    """What was named so far, by the noun or by the field: what names several names such as go together."""

    def apart(self) -> "World":
        """For the next one, which names others."""
        return World(self.tenant)

    async def body(self, noun: Noun, step: Step, within: tuple[str, ...] = ()) -> Body:
        """An input of the command, and whatever it names is made."""
        model, without = step.command.input, list(step.without)
        ids = {}
        for name in names_ids(model):
            target = noun.target(name)
            if f"{model.__name__}.{name}" in OWN:
                continue
            if name == "content_id":  # which is attached once
                sent = await self.tenant.send(f"{noun.path}/content", FILE)
                ids[name] = sent.json()["id"]
            elif target is None:
                ids[name] = self.ids.setdefault(name, str(new_id()))
            elif target.id in within:
                without += fields_naming(model, name)
            else:
                if target.id not in self.ids:
                    made = await self.made(target, within=(noun.id, *within), occurred_at=BEFORE)
                    self.ids[target.id] = made["id"]
                ids[name] = self.ids[target.id]
        return example(model, ids, variant=step.variant, without=without)

    async def made(self, noun: Noun, within: tuple[str, ...] = (), **more: Any) -> Answer:
        body = await self.body(noun, await self.creation(noun), within)
        others = {each for each in ONE_OF.get(noun.id, ()) if more.keys() & ONE_OF[noun.id]} - more.keys()
        body = {name: each for name, each in body.items() if name not in others} | more
        return await self.tenant.made(noun.path, **body)

    async def alone(self, noun: Noun, **more: Any) -> Answer:
        """One that names no other of its kind."""
        return await self.made(noun, within=(noun.id,), **more)

    async def creation(self, noun: Noun) -> Step:
        """How one is made."""
        return (await self.way(noun, noun.resource.create)).steps[0]

    async def prepared(self, noun: Noun, command: Command) -> tuple[Answer, Body]:
        """One of which the command is accepted next, and the body of that."""
        way = await self.way(noun, command)
        shown = await self.start(noun, way)
        return shown, await self.body(noun, way.steps[-1])

    async def start(self, noun: Noun, way: Way) -> Answer:
        """As it is before the last step."""
        *before, _ = way.steps
        if noun.resource.singleton is not None:
            shown: Answer = (await self.tenant.get(noun.path)).json()
        else:
            first, *before = before
            shown = await self.tenant.made(noun.path, **await self.body(noun, first))
        for step in before:
            answer = await self.tenant.post(noun.where(step.command, shown["id"]), await self.body(noun, step))
            assert answer.status_code == 200, answer.text
            shown = answer.json()
        return shown

    async def way(self, noun: Noun, command: Command) -> Way:
        key = (noun.id, command.name)
        if key not in _ways:
            elsewhere = World(replace(self.tenant, name=f"t-{new_id().hex}"))
            _ways[key] = await elsewhere._searched(noun, command)
        return _ways[key]

    async def _searched(self, noun: Noun, command: Command) -> Way:
        if command.creates:
            return Way(await self._creations(noun, most=1))
        creations: tuple[Step | None, ...] = (None,)
        if noun.resource.singleton is None:
            creations = await self._creations(noun, most=3)
        others = [each for each in noun.resource.changes if each is not command]
        for path in (path for length in range(3) for path in product(others, repeat=length)):
            for creation in creations:
                way = await self._walked(noun, creation, (*path, command))
                if way is not None:
                    return way
        raise AssertionError(f"No way was found to a {noun.resource.name} of which `{command.name}` is accepted.")

    async def _creations(self, noun: Noun, most: int) -> tuple[Step, ...]:
        command, found = noun.resource.create, []
        optional = [name for name, each in command.input.model_fields.items() if not each.is_required()]
        for without, variant in product(((), *((name,) for name in optional)), VARIANTS):
            step = Step(command, variant, without)
            world = self.apart()
            if (await self.tenant.post(noun.path, await world.body(noun, step, (noun.id,)))).status_code == 201:
                found.append(step)
            if len(found) == most:
                break
        assert found, f"No way was found to make a {noun.resource.name}."
        return tuple(found)

    async def _walked(self, noun: Noun, creation: Step | None, path: tuple[Command, ...]) -> Way | None:
        world, steps, id = self.apart(), [], ""
        if creation is not None:
            id = (await self.tenant.made(noun.path, **await world.body(noun, creation)))["id"]
            steps.append(creation)
        for command in path:
            refused = ""
            for variant in VARIANTS:
                step = Step(command, variant)
                answer = await self.tenant.post(noun.where(command, id), await world.body(noun, step))
                if answer.status_code == 200:
                    steps.append(step)
                    break
                if answer.text == refused:  # it is not about what was sent
                    return None
                refused = answer.text
            else:
                return None
        return Way(tuple(steps))

    async def rows(self, noun: Noun, way: Way, external_id: str) -> list[Body]:
        """The same as rows of a bulk request, a day after the other."""
        return [
            {
                **({} if step.command.creates else {"command": step.command.name}),
                "external_id": external_id,
                "occurred_at": f"2020-02-{day:02}T12:00:00Z",
                **await self.body(noun, step),
            }
            for day, step in enumerate(way.steps, start=1)
        ]

    async def mutated(self, noun: Noun, command: Command, body: Body, id: str | None = None) -> Answer:
        """What the mutation answers: it, or a Problem."""
        sent = self.mutation(noun, command, body, id)
        answer: Answer = (await self.tenant.ask(sent["query"], **sent["variables"]))["answer"]
        return answer

    def mutation(self, noun: Noun, command: Command, body: Body, id: str | None = None) -> Body:
        takes_id = not command.creates and noun.resource.singleton is None
        takes, given_id = (", $id: UUID!", ", id: $id") if takes_id else ("", "")
        query = f"""mutation($input: {command.input.__name__}Input!{takes}) {{
            answer: {noun.mutation(command)}(input: $input{given_id}) {{
                __typename
                ... on {noun.type} {noun.selection()}
                ... on Problem {{ type status detail errors {{ field rule }} }}
            }}
        }}"""
        variables = {"input": as_graphql(command.input, body)} | ({"id": id} if takes_id else {})
        return {"query": query, "variables": variables}

    async def exported(self, noun: Noun) -> list[Answer]:
        answer = await self.tenant.get(f"{noun.path}:export")
        assert answer.status_code == 200, answer.text
        *rows, end = [httpx.Response(200, content=line).json() for line in answer.text.splitlines()]
        assert end == {"end": {"rows": len(rows)}}
        return rows

    async def request(self, noun: Noun, command: Command) -> Request:
        """One that is accepted."""
        if command.creates:
            return Request(noun.path, await self.body(noun, await self.creation(noun)), None)
        shown, body = await self.prepared(noun, command)
        return Request(noun.where(command, shown["id"]), body, shown["id"])

    async def current(self, noun: Noun, id: str) -> Answer:
        singleton = noun.resource.singleton is not None
        found: Answer = (await self.tenant.get(noun.path if singleton else f"{noun.path}/{id}")).json()
        return found

    async def one(self, noun: Noun, id: str) -> Any:
        """Over GraphQL."""
        query = f"query($id: UUID!) {{ it: {to_camel_case(noun.resource.name)}(id: $id) {noun.selection()} }}"
        return (await self.tenant.ask(query, id=id))["it"]

    async def named(self, noun: Noun, id: str) -> Any:
        """As another service's subgraph asks for it."""
        query = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on {noun.type} {noun.selection()} }} }}"
        (found,) = (await self.tenant.ask(query, r=[{"__typename": noun.type, "id": id}]))["_entities"]
        return found

    async def nodes(self, noun: Noun, where: Answer | None = None) -> Any:
        """Of the list over GraphQL."""
        query = f"""query($where: {pascal(noun.resource.plural)}Where) {{
            them: {to_camel_case(noun.resource.plural)}(where: $where) {{ nodes {noun.selection()} }}
        }}"""
        return (await self.tenant.ask(query, where=where))["them"]["nodes"]


def personal_values(noun: Noun, shown: Answer) -> list[str]:
    """What is personal of a record, fields and parts of values, as JSON writes it."""
    fields = [shown[name] for name in noun.resource.personal_fields if name in shown]
    parts = [
        value
        for name, public in noun.resource.partly_personal.items()
        for each in shown.get(name, ())
        for part, value in each.items()
        if part not in public
    ]
    return [json.dumps(each) for each in (*fields, *parts) if each not in (None, [], {})]
