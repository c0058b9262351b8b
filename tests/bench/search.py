"""Searches of a tenant with 200,000 customers, beside the same for one of 200 in the same database: for a rare word,
for the one that most names have, for the beginning of one, for several, in Chinese, and for contacts by address and
number. And what the entries cost who creates a customer, or changes its name."""
# ruff: noqa: S608 - the statements are made of this file's constants

import json
from dataclasses import replace
from itertools import count
from time import perf_counter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
from tests.bench.measure import Figure, rate

from contacts.contacts.form import CONTACTS
from contacts.contacts.rules import Contact
from contacts.customers.form import CUSTOMERS
from contacts.customers.rules import Customer, CustomerKind
from contacts.resources import RESOURCES
from contacts.service import SERVICE
from contacts.values import EmailAddress, PhoneNumber
from kith.api import context_for
from kith.db.connections import Database
from kith.db.migrations import migrate
from kith.ids import new_id
from kith.nouns.calls import By, Call
from kith.nouns.commands import Commands
from kith.nouns.lists.listing import Listing, listings_of
from kith.nouns.queries import Queries
from kith.nouns.resource import Resource
from kith.reach import EVERYONE
from kith.runtime.settings import Settings
from kith_local.postgres import EmbeddedPostgres

WHALE, SMALL, MOST_MS = "whale", "small", 20
CUSTOMERS_OF_WHALE, CUSTOMERS_OF_SMALL, TIMES = 200_000, 200, 200

_NOT_NOTED: Any = SimpleNamespace(note=lambda *_: None)

# Two in five are a GmbH, one in ten is called Müller, one in twenty has a name in Chinese.
_FIRST = "Anna Ben Clara David Emma Finn Greta Hugo Ida Jonas Klara Leon Mia Noah Olivia Paul Rosa Simon Thea Vera"
_LAST = "Müller Schmidt Núñez O'Brien Łukaszewicz Sørensen Dubois Rossi Novák Yildiz"
_FIRSTS, _LASTS = _FIRST.split(), _LAST.split()
_CHINESE, _TRADES = "王李张刘陈杨黄赵吴周", ["上海", "北京", "东方", "华南", "天河", "新星"]


def name_of(number: int) -> str:
    if number % 20 == 7:
        return f"{_TRADES[number // 20 % 6]}{_CHINESE[number // 7 % 10]}{_CHINESE[number // 91 % 10]}有限公司"
    person = f"{_FIRSTS[number // 10 % 20]} {_LASTS[number % 10]}"
    return f"{person} {number:x} GmbH" if number % 5 < 2 else f"{person}-{_LASTS[number // 13 % 10]} {number:x}"


_SEARCHES: dict[str, tuple[Resource, dict[str, Any]]] = {
    "rare word": (CUSTOMERS, {"q": "1e240"}),
    "the most common word": (CUSTOMERS, {"q": "gmbh"}),
    "common name": (CUSTOMERS, {"q": "muller"}),
    "beginning of a common name": (CUSTOMERS, {"q": "mül"}),
    "one letter": (CUSTOMERS, {"q": "a"}),
    "two common words": (CUSTOMERS, {"q": "anna gmbh"}),
    "two words that few have together": (CUSTOMERS, {"q": "sorensen muller"}),
    "three words": (CUSTOMERS, {"q": "greta rossi gmbh"}),
    "one character of Chinese": (CUSTOMERS, {"q": "王"}),
    "the most common pair of Chinese": (CUSTOMERS, {"q": "公司"}),
    "a name in Chinese": (CUSTOMERS, {"q": "上海王"}),
    "nothing there": (CUSTOMERS, {"q": "zzzzzz"}),
    "common word, filtered": (CUSTOMERS, {"q": "gmbh", "where": {"segment": {"eq": "s17"}}}),
    "common word, counted": (CUSTOMERS, {"q": "gmbh", "count": True}),
    "external id": (CUSTOMERS, {"q": "x-1200"}),
    "address": (CONTACTS, {"q": "anna.muller.150@mail.example"}),
    "domain that all have": (CONTACTS, {"q": "mail.example"}),
    "number, at home": (CONTACTS, {"q": "0512 000150"}),
    "end of a number": (CONTACTS, {"q": "0150"}),
}


async def fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    for tenant, number in ((WHALE, CUSTOMERS_OF_WHALE), (SMALL, CUSTOMERS_OF_SMALL)):
        for first in range(0, number, 20_000):
            await _fill(connection, tenant, range(first, min(first + 20_000, number)))
    for table in ("customers", "contacts", "search_entries"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.close()


async def _fill(connection: Any, tenant: str, numbers: range) -> None:
    customers, contacts, entries = [], [], []
    for number in numbers:
        customer = Customer(id=new_id(), kind=CustomerKind.PERSON, name=name_of(number))
        address = f"{_FIRSTS[number // 10 % 20]}.muller.{number}@mail.example".lower()
        contact = Contact(id=new_id(), customer_id=customer.id, name=name_of(number))
        contact.emails = [EmailAddress(address=address, primary=True)]
        contact.phones = [PhoneNumber(number=f"+43512{number:06}", primary=True)]
        customers.append((tenant, customer.id, f"x-{number}", number, customer.name, f"s{number % 97}"))
        contacts.append((tenant, contact.id, customer.id, number, contact.name))
        for resource, record in ((CUSTOMERS, customer), (CONTACTS, contact)):
            (side,) = resource.side_tables
            entries += [(tenant, record.id, row["field"], row["token"], number) for row in side.rows(record)]
    at = "timestamptz '2020-01-01' + g.number * interval '10 minutes'"
    await connection.execute(
        f"""INSERT INTO customers
                (tenant_id, id, external_id, version, created_at, updated_at, kind, name, segment, tags)
            SELECT g.tenant, g.id, g.external_id, 1, {at}, {at}, 'person', g.name, g.segment, '{{}}'
            FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[])
                AS g(tenant, id, external_id, number, name, segment)""",
        *map(list, zip(*customers, strict=True)),
    )
    await connection.execute(
        f"""INSERT INTO contacts (tenant_id, id, customer_id, version, created_at, updated_at, name)
            SELECT g.tenant, g.id, g.customer_id, 1, {at}, {at}, g.name
            FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::int[], $5::text[])
                AS g(tenant, id, customer_id, number, name)""",
        *map(list, zip(*contacts, strict=True)),
    )
    await connection.execute(
        f"""INSERT INTO search_entries (tenant_id, id, field, token, at) SELECT g.tenant, g.id, g.field, g.token, {at}
            FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::int[])
                AS g(tenant, id, field, token, number)""",
        *map(list, zip(*entries, strict=True)),
    )


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE search")
    await connection.close()
    url = postgres.url("search")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    await fill(url)
    return [*await searched(url), *await written(url)]


async def searched(url: str) -> list[Figure]:
    database, listings = Database(url, pool_size=2, application="bench"), listings_of("contacts", RESOURCES)
    found = []
    try:
        for name, (resource, asked) in _SEARCHES.items():
            whale, small = [
                await _milliseconds(database, listings[resource.name], tenant, asked) for tenant in (WHALE, SMALL)
            ]
            found.append(Figure(f"{name}, p95", whale[1], "its median", whale[0], MOST_MS, unit="ms"))
            found.append(Figure(f"{name}, p95 for 200", small[1], "its median", small[0], MOST_MS, unit="ms"))
    finally:
        await database.close()
    return found


async def _milliseconds(database: Database, listing: Listing, tenant: str, sent: dict[str, Any]) -> tuple[float, float]:
    """Returns the median, and what 95 in a hundred take at most."""
    asked = listing.asked_in_body(json.dumps({"first": 50, **sent}).encode(), personal=True)
    queries = Queries[Any](listing, listing.resource.view, reach=EVERYONE, personal=_NOT_NOTED)
    took = []
    for _ in range(TIMES):
        begun = perf_counter()
        async with database.read(tenant, by_values=asked.has_values) as connection:
            if asked.counts:
                await queries.count(connection, tenant, asked)
            await queries.page(connection, tenant, asked)
        took.append(1000 * (perf_counter() - begun))
    took = sorted(took)
    return took[TIMES // 2], took[TIMES * 95 // 100]


async def written(url: str) -> list[Figure]:
    """Creations and changes of names, beside the same of a noun that is not searched."""
    context = context_for(SERVICE, Settings(database_url=url, port=0, pool_size=2))
    plain, found = replace(CUSTOMERS, searched=()), []
    try:
        for work in (_created, _renamed, _moved):
            rates = [await work(context.commands, each) for each in (CUSTOMERS, plain)]
            found.append(Figure(work.__name__.strip("_"), rates[0], "not searched", rates[1], 0.7))
    finally:
        await context.database.close()
    return found


async def _created(commands: Commands, resource: Resource) -> float:
    numbers = count()

    async def once() -> object:
        return await _made(commands, resource, name_of(next(numbers)))

    return await rate(once)


async def _renamed(commands: Commands, resource: Resource) -> float:
    return await _changed(commands, resource, "name")


async def _moved(commands: Commands, resource: Resource) -> float:
    return await _changed(commands, resource, "segment")


async def _changed(commands: Commands, resource: Resource, field: str) -> float:
    customer, numbers = await _made(commands, resource, "Anna Müller"), count()
    (amend,) = (each for each in resource.commands if each.name == "amend")

    async def once() -> object:
        given = amend.input.model_validate({field: f"Anna Müller {next(numbers)}"})
        return await commands.run_one(SMALL, resource, Call(amend, given, id=customer), by=By("client:bench", EVERYONE))

    return await rate(once)


async def _made(commands: Commands, resource: Resource, name: str) -> UUID:
    given = resource.create.input.model_validate({"kind": CustomerKind.PERSON, "name": name})
    answer = await commands.run_one(SMALL, resource, Call(resource.create, given), by=By("client:bench", EVERYONE))
    return answer.view.id
