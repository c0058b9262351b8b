"""A record is given a command by itself when its instant has come: once, whatever happens meanwhile, and however many
others are due."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase

from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.events.sales import TaskReminded
from kith.ids import new_id
from kith.testing import Answer, Issuer, Tenant, serving
from kith.timers.firing import Timers
from sales.opportunities.form import OPPORTUNITIES
from sales.resources import RESOURCES
from sales.service import SERVICE
from sales.tables import idempotency, outbox
from sales.tasks.form import TASKS
from sales.tasks.rules import Task

pytestmark = pytest.mark.own_database
ADVANCE = next(each for each in OPPORTUNITIES.commands if each.name == "advance")
"""It needs a stage."""
SOON = timedelta(milliseconds=1)


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    return await fresh_database(SERVICE)


@pytest.fixture(scope="module")
async def client(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SERVICE, url, issuer) as client:
        yield client


@pytest.fixture(scope="module")
async def worker(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=2, application="test")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def rows(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def ours(client: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(client, issuer, tenant)


def timers(remind: Any = Task.remind) -> Timers:
    """Those of sales, whose tasks are reminded of by this rule."""
    commands = tuple(replace(each, rule=remind) if each.name == "remind" else each for each in TASKS.commands)
    nouns = [replace(each, commands=commands) if each is TASKS else each for each in RESOURCES]
    return Timers(nouns, source="sales", outbox=outbox, idempotency=idempotency)


async def task(tenant: Tenant, remind_at: datetime | None, **more: Any) -> Answer:
    when = None if remind_at is None else remind_at.isoformat()
    return await tenant.made("/v1/tasks", title="Call", remind_at=when, **more)


async def shown(tenant: Tenant, made: Answer) -> Answer:
    answer: Answer = (await tenant.get(f"/v1/tasks/{made['id']}")).json()
    return answer


async def change(tenant: Tenant, made: Answer, verb: str, **fields: Any) -> None:
    answer = await tenant.post(f"/v1/tasks/{made['id']}:{verb}", fields)
    assert answer.status_code == 200, answer.text


async def reminders(rows: asyncpg.Connection, made: Answer) -> list[datetime]:
    found = await rows.fetch(
        "SELECT time FROM outbox WHERE subject = $1 AND type = 'sales.task.reminded.v1' ORDER BY seq", made["id"]
    )
    return [row["time"] for row in found]


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def past(rows: asyncpg.Connection, made: Answer, seconds: float = 60) -> datetime:
    """As if it had been made, and due, before: the worker was not there."""
    due = ago(seconds)
    await rows.execute("UPDATE tasks SET remind_at = $2, updated_at = $2 WHERE id = $1", made["id"], due)
    await rows.execute("UPDATE timers SET due_at = $2, next_at = $2 WHERE id = $1", made["id"], due)
    return due


def far() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


async def test_it_goes_off_once_as_of_its_instant(ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection) -> None:
    made = await task(ours, far())
    assert not await timers().step(worker), "it is not due"
    due = await past(rows, made)
    assert await timers().step(worker)
    assert not await timers().step(worker)
    assert await reminders(rows, made) == [due], "it happened when it was due, though nobody was there"
    assert datetime.fromisoformat((await shown(ours, made))["reminded_at"]) == due
    history = (await ours.get(f"/v1/tasks/{made['id']}/history")).json()["items"]
    assert (history[0]["command"], history[0]["actor"]) == ("remind", "service:sales")


async def test_what_was_changed_since_is_reminded_of_now(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    made = await task(ours, far())
    due = await past(rows, made)
    await change(ours, made, "amend", title="Call again")
    await timers().step(worker)
    (at,) = await reminders(rows, made)
    assert at > due + timedelta(seconds=50), "a change is never before the last one"


async def test_of_a_record_with_several_each_goes_off(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    """The first one happens now, as the record was changed since, and so does the second, though it was due before."""
    made = await task(ours, far())
    await past(rows, made, 60)
    await rows.execute(
        "INSERT INTO timers VALUES ($1, $2, 'cancel', 'task', $3, $3, 0)", ours.name, made["id"], ago(10)
    )
    await rows.execute("UPDATE tasks SET updated_at = $2 WHERE id = $1", made["id"], ago(30))
    await timers().step(worker)
    now = await shown(ours, made)
    assert (now["reminded_at"] is not None, now["state"]) == (True, "cancelled")


async def test_one_that_is_set_for_the_past_is_not_late(ours: Tenant, worker: AsyncEngine) -> None:
    def sum_() -> float:
        return REGISTRY.get_sample_value("kith_timer_lateness_seconds_sum", {"noun": "task"}) or 0.0

    before = sum_()
    await task(ours, ago(86_400))
    await timers().step(worker)
    assert sum_() - before < 3600


async def test_it_follows_the_record(ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection) -> None:
    async def runs(made: Answer) -> list[datetime]:
        return [row["due_at"] for row in await rows.fetch("SELECT due_at FROM timers WHERE id = $1", made["id"])]

    at = far()
    made = await task(ours, at)
    assert await runs(made) == [at]
    await change(ours, made, "amend", remind_at=(at + SOON).isoformat())
    assert await runs(made) == [at + SOON]
    await change(ours, made, "complete")
    assert await runs(made) == []
    await change(ours, made, "reopen")
    assert await runs(made) == [at + SOON]
    await change(ours, made, "amend", remind_at=None)
    assert await runs(made) == []
    await change(ours, made, "amend", remind_at=ago(3600).isoformat())
    await timers().step(worker)
    await change(ours, made, "cancel")
    await change(ours, made, "reopen")
    assert await runs(made) == [], "who was reminded is not reminded of the same once more"
    assert len(await reminders(rows, made)) == 1


async def test_workers_that_come_together_let_it_go_off_once(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    made = [await task(ours, ago(n)) for n in range(20)]
    await asyncio.gather(*(timers().step(worker) for _ in range(4)))
    assert [len(await reminders(rows, each)) for each in made] == [1] * 20


async def test_one_that_fails_is_put_off_and_the_others_go_off(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    good, bad, other = await task(ours, ago(3)), await task(ours, ago(2)), await task(ours, ago(1))

    def poisoned(it: Task, *, at: datetime) -> TaskReminded:
        if str(it.id) == bad["id"]:
            raise ZeroDivisionError
        return it.remind(at=at)

    before = datetime.now(UTC)
    await timers(poisoned).step(worker)
    assert [len(await reminders(rows, each)) for each in (good, bad, other)] == [1, 0, 1]
    row = await rows.fetchrow("SELECT failures, next_at FROM timers WHERE id = $1", bad["id"])
    assert row is not None
    assert row["failures"] == 1
    assert row["next_at"] > before + timedelta(milliseconds=900)
    assert not await timers(poisoned).step(worker), "it waits"
    await rows.execute("UPDATE timers SET next_at = now(), failures = 5000 WHERE id = $1", bad["id"])
    await timers(poisoned).step(worker)
    row = await rows.fetchrow("SELECT next_at - now() AS pause FROM timers WHERE id = $1", bad["id"])
    assert row is not None
    assert timedelta(minutes=30) < row["pause"] < timedelta(minutes=40)
    await rows.execute("UPDATE timers SET next_at = now() WHERE id = $1", bad["id"])
    await timers().step(worker)
    assert len(await reminders(rows, bad)) == 1


async def test_one_that_the_rules_refuse_is_over(ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection) -> None:
    made = await task(ours, far())
    await change(ours, made, "complete")
    await rows.execute("INSERT INTO timers VALUES ($1, $2, 'remind', 'task', now(), now(), 0)", ours.name, made["id"])
    await timers().step(worker)
    assert await reminders(rows, made) == []
    assert not await timers().step(worker)


async def test_tenants_take_turns(ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection) -> None:
    """One has more due than goes off in a turn, all of it before another's."""
    one = await task(ours, far())
    flood = replace(ours, name=f"t-{new_id().hex}")
    await rows.execute(
        "INSERT INTO timers SELECT $1, gen_random_uuid(), 'remind', 'task', now() - interval '1 hour',"
        " now() - interval '1 hour', 0 FROM generate_series(1, 1000)",
        flood.name,
    )
    await past(rows, one)
    await timers().step(worker)
    assert len(await reminders(rows, one)) == 1
    left = await rows.fetchval("SELECT count(*) FROM timers WHERE tenant_id = $1", flood.name)
    assert left == 900, "of records that are gone: they are refused"
    await rows.execute("DELETE FROM timers WHERE tenant_id = $1", flood.name)


def test_a_form_names_a_command_and_an_attribute_that_there_are() -> None:
    wrong = {
        "expire": "a timer gives the command `expire`, which no record has",
        "create": "a timer gives the command `create`, which no record has",
        "advance": "whose input has fields that nobody fills in",
    }
    for command, problem in wrong.items():
        with pytest.raises(TypeError, match=problem):
            replace(TASKS, commands=(*TASKS.commands, ADVANCE), timers=(replace(TASKS.timers[0], command=command),))
    with pytest.raises(TypeError, match="goes by `expires_at`, which the aggregate has not"):
        replace(TASKS, timers=(replace(TASKS.timers[0], at="expires_at"),))


async def test_a_quote_ends_by_itself_unless_it_was_accepted(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    until = ago(60)
    body = {"currency": "EUR", "lines": [{"quantity": 1, "unit_price": 5}], "valid_until": until.isoformat()}
    draft, open, taken = [await ours.made("/v1/quotes", **body, occurred_at=ago(120).isoformat()) for _ in range(3)]
    for each in (open, taken):
        await ours.post(f"/v1/quotes/{each['id']}:send", {"occurred_at": ago(110).isoformat()})
    accepted = {"signature": "Ann", "occurred_at": ago(100).isoformat()}
    assert (await ours.post(f"/v1/quotes/{taken['id']}:accept", accepted)).status_code == 200
    while await timers().step(worker):
        pass
    found = [(await ours.get(f"/v1/quotes/{each['id']}")).json() for each in (draft, open, taken)]
    assert [each["state"] for each in found] == ["draft", "expired", "accepted"]
    assert datetime.fromisoformat(found[1]["closed_at"]) == until
    assert await rows.fetchval("SELECT count(*) FROM timers WHERE tenant_id = $1", ours.name) == 0


async def test_an_invoice_is_overdue_once_unless_it_was_paid(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    day = ago(10 * 86_400)
    body = {
        "value": 100,
        "currency": "EUR",
        "due_on": day.date().isoformat(),
        "occurred_at": ago(20 * 86_400).isoformat(),
    }
    late, part, paid, void = [await ours.made("/v1/invoices", **body) for _ in range(4)]
    for each, amount in ((part, 60), (paid, 100)):
        done = await ours.post(f"/v1/invoices/{each['id']}:pay", {"amount": amount, "occurred_at": day.isoformat()})
        assert done.status_code == 200, done.text
    assert (await ours.post(f"/v1/invoices/{void['id']}:void", {"occurred_at": day.isoformat()})).status_code == 200
    while await timers().step(worker):
        pass
    shown = [(await ours.get(f"/v1/invoices/{each['id']}")).json() for each in (late, part, paid, void)]
    assert [each["state"] for each in shown] == ["overdue", "overdue", "paid", "voided"]
    found = await rows.fetch(
        "SELECT subject, time FROM outbox WHERE tenant_id = $1 AND type = 'sales.invoice.overdue.v1'", ours.name
    )
    over = datetime.combine(day.date() + timedelta(days=1), datetime.min.time(), UTC)
    assert sorted((str(row["subject"]), row["time"]) for row in found) == sorted(
        (each["id"], over) for each in (late, part)
    )
    assert await rows.fetchval("SELECT count(*) FROM timers WHERE tenant_id = $1", ours.name) == 0


async def test_a_milestone_is_missed_once_for_each_date_unless_it_was_met(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    due, before = ago(100), ago(200).isoformat()
    body = {"title": "All trained", "due_at": due.isoformat(), "occurred_at": before}
    late, met, moved, dropped = [await ours.made("/v1/milestones", **body) for _ in range(4)]
    again = ago(50)
    for each, command, more in (
        (met, "meet", {}),
        (moved, "move", {"due_at": again.isoformat()}),
        (dropped, "drop", {}),
    ):
        done = await ours.post(f"/v1/milestones/{each['id']}:{command}", {"occurred_at": before, **more})
        assert done.status_code == 200, done.text
    while await timers().step(worker):
        pass
    shown = [(await ours.get(f"/v1/milestones/{each['id']}")).json() for each in (late, met, moved, dropped)]
    assert [each["state"] for each in shown] == ["missed", "met", "missed", "dropped"]
    found = await rows.fetch(
        "SELECT subject, time FROM outbox WHERE tenant_id = $1 AND type = 'sales.milestone.missed.v1'", ours.name
    )
    assert {str(row["subject"]): row["time"] for row in found} == {late["id"]: due, moved["id"]: again}
    assert await rows.fetchval("SELECT count(*) FROM timers WHERE tenant_id = $1", ours.name) == 0


async def test_an_opportunity_rots_as_of_when_it_had_been_in_its_stage_for_too_long(
    ours: Tenant, worker: AsyncEngine, rows: asyncpg.Connection
) -> None:
    stages = [{"key": key, "name": key, "probability_percent": 5, "rotting_days": 14} for key in ("call", "offer")]
    await ours.made("/v1/pipelines", name="Machines", is_default=True, stages=stages)
    began = ago(20 * 86_400)
    made = await ours.made("/v1/opportunities", name="Lease", currency="EUR", occurred_at=began.isoformat())
    closed = await ours.made("/v1/opportunities", name="Lease", currency="EUR", occurred_at=began.isoformat())
    await ours.post(f"/v1/opportunities/{closed['id']}:lose", {})
    while await timers().step(worker):
        pass
    found = await rows.fetch("SELECT subject, time FROM outbox WHERE type = 'sales.opportunity.rotted.v1'")
    assert [(str(row["subject"]), row["time"]) for row in found] == [(made["id"], began + timedelta(days=14))]
    shown = (await ours.get(f"/v1/opportunities/{made['id']}")).json()
    assert shown["rotted_at"] == shown["rots_at"]
