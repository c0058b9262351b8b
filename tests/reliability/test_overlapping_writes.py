"""Who writes at the same time as others gets through, and what is recorded has an order."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from contacts.customers.form import CUSTOMERS
from contacts.service import SERVICE as CONTACTS
from kith.api import context_for
from kith.db.connections import Database
from kith.db.login import sqlalchemy_url
from kith.db.sqlstates import sqlstate
from kith.db.statements import Statement
from kith.ids import new_id
from kith.nouns import commands
from kith.nouns.calls import By, Call
from kith.nouns.parameters import row_model
from kith.nouns.unit_of_work import UnitOfWork
from kith.reach import EVERYONE
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.testing import Answer, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]
WRITERS = 32
ROWS, ROUNDS, SENDERS = 500, 20, 2
LONG_AGO = "2026-01-05T09:00:00Z"


@dataclass(frozen=True)
class House:
    """The services, as one tenant speaks to them, and their databases."""

    serve: Serve
    issuer: Issuer
    tenant: str
    postgres: EmbeddedPostgres

    async def at(self, service: Service) -> Tenant:
        return Tenant(await self.serve(service), self.issuer, self.tenant)

    async def sql(self, service: Service, statement: str, **values: object) -> Sequence[Any]:
        """As the owner of the tables."""
        engine = create_async_engine(sqlalchemy_url(self.postgres.url(f"kith_{service.package}")))
        try:
            async with engine.begin() as connection:
                result = await connection.execute(text(statement), values | {"tenant": self.tenant})
                return result.all() if result.returns_rows else []
        finally:
            await engine.dispose()

    async def events_of(self, service: Service, id: str) -> Sequence[Any]:
        """In the order in which they leave."""
        return await self.sql(
            service,
            "SELECT aggregate_version, time, recorded_at FROM outbox WHERE tenant_id = :tenant AND subject = :id "
            "ORDER BY seq",
            id=id,
        )


@pytest.fixture
def house(serve: Serve, issuer: Issuer, tenant: str, postgres: EmbeddedPostgres) -> House:
    return House(serve, issuer, tenant, postgres)


async def customer(house: House) -> Answer:
    return await (await house.at(CONTACTS)).made("/v1/customers", kind="person", name="Ada")


async def contact(house: House) -> Answer:
    mine = await house.at(CONTACTS)
    return await mine.made("/v1/contacts", customer_id=(await customer(house))["id"], name="Ada")


async def opportunity(house: House) -> Answer:
    return await (await house.at(SALES)).made("/v1/opportunities", name="Beans", currency="EUR")


async def task(house: House) -> Answer:
    return await (await house.at(SALES)).made("/v1/tasks", title="Call")


async def case(house: House) -> Answer:
    return await (await house.at(SERVICE_DESK)).made("/v1/cases", subject="Broken", channel="email")


async def the_settings(house: House) -> Answer:
    answer: Answer = (await (await house.at(CONTACTS)).get("/v1/settings")).json()
    return answer


Body = Callable[[int], Mapping[str, object]]


@pytest.mark.parametrize(
    ("service", "made", "path", "body"),
    [
        (CONTACTS, customer, "/v1/customers/{id}:amend", lambda n: {"name": f"Ada {n}"}),
        (CONTACTS, contact, "/v1/contacts/{id}:amend", lambda n: {"name": f"Ada {n}"}),
        (CONTACTS, the_settings, "/v1/settings:amend", lambda n: {"activity": _orders_within(n + 1)}),
        (SALES, opportunity, "/v1/opportunities/{id}:amend", lambda n: {"name": f"Beans {n}"}),
        (SALES, task, "/v1/tasks/{id}:amend", lambda n: {"title": f"Call {n}"}),
        (SERVICE_DESK, case, "/v1/cases/{id}:assign", lambda _: {"assignee_id": str(new_id())}),
    ],
    ids=["customer", "contact", "settings", "opportunity", "task", "case"],
)
async def test_of_many_who_change_one_thing_at_once_none_is_refused(
    house: House, service: Service, made: Callable[[House], Awaitable[Answer]], path: str, body: Body
) -> None:
    """Nobody has said when it happened, nor which version it must be at: so it happens one after the other."""
    thing = await made(house)
    mine = await house.at(service)
    answers = await asyncio.gather(*(mine.post(path.format(**thing), dict(body(n))) for n in range(WRITERS)))
    assert {answer.status_code: answer.text for answer in answers if answer.status_code != 200} == {}
    first = thing["version"] + 1
    assert sorted(answer.json()["version"] for answer in answers) == list(range(first, first + WRITERS))
    _assert_told_in_order(await house.events_of(service, thing["id"]), first + WRITERS - 1)


async def test_nor_over_graphql(house: House) -> None:
    thing, mine = await opportunity(house), await house.at(SALES)
    change = """mutation($id: UUID!, $name: String!) { amendOpportunity(id: $id, input: {name: $name}) {
        __typename ... on Opportunity { version } ... on Problem { detail } } }"""
    answers = await asyncio.gather(*(mine.ask(change, id=thing["id"], name=f"Beans {n}") for n in range(WRITERS)))
    outcomes = [answer["amendOpportunity"] for answer in answers]
    assert [each for each in outcomes if each["__typename"] != "Opportunity"] == []
    assert sorted(each["version"] for each in outcomes) == list(range(2, WRITERS + 2))
    _assert_told_in_order(await house.events_of(SALES, thing["id"]), WRITERS + 1)


async def test_what_is_recorded_later_has_the_greater_version_and_the_later_position(house: House) -> None:
    thing, mine = await customer(house), await house.at(CONTACTS)
    path = f"/v1/customers/{thing['id']}:amend"
    answers = await asyncio.gather(*(mine.post(path, {"name": f"Ada {n}"}) for n in range(WRITERS)))
    by_version = sorted(answers, key=lambda answer: int(answer.json()["version"]))
    positions = [answer.headers["Kith-Position"].partition("@")[2] for answer in by_version]
    assert positions == sorted(positions)
    recorded = [row.recorded_at.isoformat() for row in await house.events_of(CONTACTS, thing["id"])]
    assert recorded[1:] == positions


async def test_of_writers_who_name_the_version_one_gets_through(house: House) -> None:
    thing, mine = await customer(house), await house.at(CONTACTS)
    path = f"/v1/customers/{thing['id']}:amend"
    answers = await asyncio.gather(
        *(mine.post(path, {"name": f"Ada {n}"}, **{"If-Match": '"1"'}) for n in range(WRITERS))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * (WRITERS - 1)


async def test_a_change_is_never_before_the_last_one_though_the_clock_was_put_back(house: House) -> None:
    thing, mine = await opportunity(house), await house.at(SALES)
    ahead = datetime.now(UTC) + timedelta(minutes=7)
    await house.sql(SALES, "UPDATE opportunities SET updated_at = :at WHERE id = :id", at=ahead, id=thing["id"])
    path = f"/v1/opportunities/{thing['id']}:amend"
    answer = await mine.post(path, {"name": "Tea"})
    assert answer.status_code == 200, answer.text
    assert datetime.fromisoformat(answer.json()["updated_at"]) == ahead
    refused = await mine.post(path, {"name": "Coffee", "occurred_at": LONG_AGO})
    assert refused.status_code == 422
    assert "Its last change was at" in refused.text


@pytest.fixture
def deadlocks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Deadlocks found from now on, though they are tried again."""
    found: list[str] = []

    def watched(error: Exception) -> str | None:
        state = sqlstate(error)
        found.extend([state] if state == "40P01" else [])
        return state

    monkeypatch.setattr(commands, "sqlstate", watched)
    return found


async def test_writers_of_the_same_new_rows_in_opposite_order_all_get_through(
    house: House, deadlocks: list[str]
) -> None:
    mine = await house.at(CONTACTS)
    for turn in range(ROUNDS):
        rows = [_row(f"{turn}/{n}") for n in range(ROWS)]
        answers = await asyncio.gather(*(_bulk(mine, "customers", each) for each in (rows, rows[::-1]) * SENDERS))
        assert sum(each["accepted"] for each in answers) == ROWS
        assert sum(each["unchanged"] for each in answers) == ROWS * (2 * SENDERS - 1)
        assert all(_ids(each) == _ids(answers[0]) for each in answers)
    assert deadlocks == []
    (kept,) = await house.sql(
        CONTACTS,
        "SELECT (SELECT count(*) FROM customers WHERE tenant_id = :tenant) AS rows, "
        "(SELECT count(*) FROM outbox WHERE tenant_id = :tenant) AS events",
    )
    assert (kept.rows, kept.events) == (ROWS * ROUNDS, ROWS * ROUNDS)


async def test_nor_do_writers_of_the_same_changes_in_opposite_order_wait_for_each_other(
    house: House, deadlocks: list[str]
) -> None:
    mine = await house.at(CONTACTS)
    await _bulk(mine, "customers", [_row(str(n)) for n in range(ROWS)])
    for turn in range(ROUNDS):
        at = f"2026-02-01T09:00:{turn:02}Z"
        rows = [_row(str(n), command="amend", occurred_at=at, tier=f"tier {turn}") for n in range(ROWS)]
        first, second = await asyncio.gather(*(_bulk(mine, "customers", each) for each in (rows, rows[::-1])))
        assert first["accepted"] + second["accepted"] == first["unchanged"] + second["unchanged"] == ROWS
    assert deadlocks == []


async def test_rows_are_written_in_the_order_of_their_keys(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order in which they were sent: so no two requests deadlock."""
    await house.at(CONTACTS)
    context = context_for(CONTACTS, Settings(database_url=house.postgres.url("kith_contacts"), port=0))
    keys: list[str] = []
    fetch = Statement.fetch

    async def noting(statement: Statement, connection: AsyncConnection, values: Mapping[str, Any]) -> Any:
        if statement.sql.startswith(("INSERT INTO customers ", "INSERT INTO idempotency ")):
            written = (value for row in json.loads(values["rows"]) for value in row.values())
            keys.extend(value for value in written if isinstance(value, str) and "key-" in value)
        return await fetch(statement, connection, values)

    monkeypatch.setattr(Statement, "fetch", noting)
    names = [f"key-{n:02}" for n in range(30)]
    shuffled = names[::3] + names[2::3] + names[1::3]
    for command, fields in (("create", {"kind": "person", "name": "Ada"}), ("amend", {"tier": "gold"})):
        (done,) = (each for each in CUSTOMERS.commands if each.name == command)
        sent = [_row(name, command=command, **fields) for name in shuffled]
        given = [row_model(done).model_validate_json(json.dumps(row)) for row in sent]
        calls = [Call(done, each, external_id=each.external_id, remembered=True) for each in given]
        await context.commands.run(house.tenant, CUSTOMERS, calls, by=By("service:test", EVERYONE))
    await context.database.close()
    remembered = [f"customers/{name}/amend/2026-01-05 09:00:00+00:00" for name in names]
    assert keys == names + remembered


async def test_who_changes_a_customer_does_not_hold_up_new_dealings_with_it(house: House) -> None:
    thing, mine = await customer(house), await house.at(CONTACTS)
    database = Database(house.postgres.url("kith_contacts"), pool_size=1, application="test")
    async with database.write(house.tenant) as transaction:
        uow = UnitOfWork(transaction, source="contacts", outbox=CONTACTS.outbox, by=By("service:test", EVERYONE))
        await uow.repository(CUSTOMERS).load(ids=[UUID(thing["id"])])
        await mine.made("/v1/contacts", customer_id=thing["id"], name="Grace")
        await mine.made("/v1/touchpoints", customer_id=thing["id"], channel="email", direction="inbound")
    await database.close()


def _assert_told_in_order(events: Sequence[Any], last: int) -> None:
    versions = [event.aggregate_version for event in events]
    assert versions == list(range(1, last + 1))
    times, recorded = [event.time for event in events], [event.recorded_at for event in events]
    assert times == sorted(times)
    assert recorded == sorted(recorded)


def _orders_within(days: int) -> Mapping[str, object]:
    return {"event_types": ["sales.order.placed.v1"], "window_days": days}


def _row(external_id: str, **fields: object) -> Mapping[str, object]:
    new = {} if "command" in fields else {"kind": "person", "name": "Ada"}
    return {"external_id": external_id, "occurred_at": LONG_AGO, **new, **fields}


async def _bulk(mine: Tenant, noun: str, rows: Sequence[Mapping[str, object]]) -> Answer:
    answer = await mine.post(f"/v1/{noun}:bulk", {"rows": rows})
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    assert found["rejected"] == 0, found
    return found


def _ids(answer: Answer) -> Mapping[str, str]:
    return {each["external_id"]: each["id"] for each in answer["results"]}
