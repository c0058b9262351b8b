"""Says a word in every text that any service takes of a person, and that no event tells: made of the forms alone."""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
from tests.contracts.examples import Body
from tests.contracts.nouns import NOUNS, VARIANTS, Noun, Step, World
from tests.e2e.house import House
from tests.e2e.house import Tenant as Ours

from kith.events.catalogue import EVENTS
from kith.nouns.resource import Command
from kith.testing import Tenant

OF_PERSONS = [
    each
    for each in NOUNS
    if {"customer_id", "contact_id"} & {*each.resource.table.c.keys()} or each.id == "contacts-customer"
]
FIELD = {"code": "nick", "label": "Nick", "value_type": "text", "filterable": True}


class _Issuer:
    def __init__(self, ours: Ours) -> None:
        self._ours = ours

    def token(self, *_: object, **__: object) -> str:
        return self._ours.token


class Sayer(World):
    """Of one service, as a client of the house."""

    word: str

    @classmethod
    def of(cls, ours: Ours, client: httpx.AsyncClient, word: str, ids: dict[str, str]) -> "Sayer":
        issuer: Any = _Issuer(ours)
        sayer = cls(Tenant(client, issuer, ours.name), ids)
        sayer.word = word
        return sayer

    async def body(self, noun: Noun, step: Step, within: tuple[str, ...] = ()) -> Body:
        body = await super().body(noun, step, within)
        if noun not in OF_PERSONS:
            return body
        resource, told = noun.resource, told_of(noun)
        for name, value in body.items():
            if name in resource.partly_personal:
                public = resource.partly_personal[name]
                body[name] = [
                    {part: v if part in public else self.said(v) for part, v in each.items()} for each in value
                ]
            elif name not in told:
                body[name] = self.said(value)
        if resource.is_customisable:
            body["custom_personal"] = {FIELD["code"]: self.word}
        return body

    def said(self, value: Any) -> Any:
        return json.loads(re.sub("zebulon", self.word, json.dumps(value), flags=re.IGNORECASE))


def told_of(noun: Noun) -> set[str]:
    """The fields that events tell, and nobody can take back: none of them may name a person."""
    prefix = f"{noun.service.name}.{noun.resource.name.replace('_', '-')}."
    kinds = (kind for type, kind in EVENTS.items() if type.startswith(prefix))
    return {name for kind in kinds for name in kind.__struct_encode_fields__}


def changes(noun: Noun) -> Iterator[Command]:
    yield from (each for each in noun.resource.commands if each.name == "amend")


class Said:
    """What was sent, to be sent again."""

    def __init__(self, ours: Ours, word: str, ids: dict[str, str]) -> None:
        self._ours, self._word, self._ids = ours, word, ids
        self.sent: list[tuple[Noun, Body, dict[str, str], str]] = []
        self.rows: list[tuple[Noun, Body]] = []

    @property
    def people(self) -> dict[str, str]:
        """The ids of the customers and contacts among it."""
        nouns = ("customer", "contact")
        return {id: noun.resource.name for noun, _, _, id in self.sent if noun.resource.name in nouns}

    async def all(self) -> None:
        for noun in OF_PERSONS:
            async with client(self._ours.house, noun) as http:
                await self._one(noun, Sayer.of(self._ours, http, self._word, dict(self._ids)))

    async def _one(self, noun: Noun, sayer: Sayer) -> None:
        key, named = {"Idempotency-Key": f"{self._word}-{noun.id}"}, {"external_id": f"{self._word} {noun.id} ü/1"}
        create = noun.resource.create
        optional = [name for name, each in create.input.model_fields.items() if not each.is_required()]
        for without, variant in product(((), *((each,) for each in optional)), VARIANTS):
            body = await sayer.body(noun, Step(create, variant, without), (noun.id,)) | named
            made = await sayer.tenant.post(noun.path, body, **key)
            if made.status_code == 201:
                break
        assert made.status_code == 201, made.text
        self.sent.append((noun, body, key, made.json()["id"]))
        for command in changes(noun):
            changed = await sayer.body(noun, Step(command), (noun.id,))
            changed |= {"command": command.name, "external_id": body["external_id"]}
            changed["occurred_at"] = made.json()["updated_at"]
            assert await self._row(sayer, noun, changed) == "accepted"
            self.rows.append((noun, changed))

    async def _row(self, sayer: Sayer, noun: Noun, row: Body) -> str:
        answer = await sayer.tenant.post(f"{noun.path}:bulk", {"rows": [row]})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["results"][0]["status"])

    async def again(self) -> None:
        """Sends all of it again: it is known, and makes nothing."""
        for noun, body, key, id in self.sent:
            async with client(self._ours.house, noun) as http:
                sayer = Sayer.of(self._ours, http, self._word, {})
                for headers in ({}, key):
                    answer = await sayer.tenant.post(noun.path, body, **headers)
                    assert (answer.status_code, answer.json().get("id")) == (201, id), (noun.id, answer.text)
        for noun, row in self.rows:
            async with client(self._ours.house, noun) as http:
                sayer = Sayer.of(self._ours, http, self._word, {})
                assert await self._row(sayer, noun, row) == "unchanged"


def client(house: House, noun: Noun) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=house.url(noun.service.name), timeout=30, trust_env=False)
