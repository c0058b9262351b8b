"""Events that analytics could not apply: seen, mended and replayed over the API, by the real consumer on a real bus."""

import asyncio
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.analytics.conftest import at, happened

from analytics.consumers import handle
from analytics.service import SERVICE
from kith.bus.embedded import EmbeddedBus
from kith.bus.port import Outgoing
from kith.consumer import Subscription, attend_dead_letters, run
from kith.db.sessions import create_engine
from kith.db.tenancy import APP_ROLE
from kith.dead_letters import cli as dead_letters_cli
from kith.dead_letters import rest as dead_letters
from kith.events.envelope import Envelope
from kith.events.sales import OrderPlaced
from kith.events.withdrawal import Withdrawal
from kith.ids import new_id
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.testing import ALL_SCOPES, Issuer, Tenant
from kith_local.postgres import EmbeddedPostgres

PATIENCE = 30.0
BOUGHT = OrderPlaced(value=Decimal("12.10"), currency="EUR")
TORN = b'{"value": "12.10", "curr'
"""A body that broke off: the ledger takes JSON only."""
WHOLE = {"value": "12.10", "currency": "EUR"}


class Line:
    """A topic and a group of the test's own, applied by the handler of analytics."""

    def __init__(self, bus: EmbeddedBus, worker: AsyncEngine) -> None:
        self.bus, self.worker = bus, worker
        self.topic = f"dead-{new_id().hex}"
        self.subscription = Subscription(f"group-{self.topic}", (self.topic,), handle)

    async def consume(self, messages: Sequence[Envelope | Outgoing]) -> None:
        """Publish, and run the consumer until it has had them all."""
        await self.bus.create_topics({self.topic: 1})
        async with self.bus.producer() as producer:
            await producer.publish([self._message(each) for each in messages])
            (end,) = await producer.end_offsets(self.topic)
        stop = asyncio.Event()
        running = asyncio.create_task(run(self.subscription, self.bus, self.worker, stop=stop))
        async with asyncio.timeout(PATIENCE):
            while await self._reached() < end:  # noqa: ASYNC110 - a database sends no event
                await asyncio.sleep(0.02)
            stop.set()
            await running

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Meanwhile a worker does what is requested."""
        stop = asyncio.Event()
        attending = asyncio.create_task(attend_dead_letters(self.subscription, self.worker, stop=stop))
        yield
        stop.set()
        await attending

    def _message(self, each: Envelope | Outgoing) -> Outgoing:
        if isinstance(each, Envelope):
            return Outgoing(self.topic, each.key(), each.data, each.headers())
        return each._replace(topic=self.topic)

    async def _reached(self) -> int:
        async with self.worker.connect() as connection:
            query = text("SELECT next_offset FROM consumer_offsets WHERE group_name = :group")
            return await connection.scalar(query, {"group": self.subscription.group}) or 0


@pytest.fixture(scope="session")
async def bus(postgres: EmbeddedPostgres) -> AsyncIterator[EmbeddedBus]:
    await asyncio.to_thread(postgres.create_databases, "bus_of_dead_letters")
    async with EmbeddedBus(postgres.url("bus_of_dead_letters"), session=2.0) as bus:
        yield bus


@pytest.fixture
def line(bus: EmbeddedBus, worker: AsyncEngine) -> Line:
    return Line(bus, worker)


Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def acme(serve: Serve, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, tenant)


@pytest.fixture
async def rival(serve: Serve, issuer: Issuer, other_tenant: str) -> Tenant:
    return Tenant(await serve(SERVICE), issuer, other_tenant)


def orders(tenant: str, *, aggregates: int, each: int = 1, torn: int | None = None) -> list[Envelope]:
    """Orders of one customer, some events per aggregate; the body of one is torn."""
    customer, subjects = new_id(), [new_id() for _ in range(aggregates)]
    made = [
        happened(BOUGHT, tenant, at(f"2011-08-{day:02}"), customer, subject=subject, aggregate_version=version)
        for day, (version, subject) in enumerate(
            ((version, subject) for version in range(1, each + 1) for subject in subjects), start=1
        )
    ]
    if torn is not None:
        made[torn] = happened(BOUGHT, tenant, made[torn].time, customer, **{**_of(made[torn]), "data": TORN})
    return made


def _of(envelope: Envelope) -> dict[str, Any]:
    return {name: getattr(envelope, name) for name in ("id", "subject", "aggregate_version", "recorded_at")}


def without(envelope: Envelope, header: str, value: bytes | None = None) -> Outgoing:
    """Its message with a header missing, or spoilt."""
    kept = [(name, text if name != header else value) for name, text in envelope.headers()]
    headers = tuple((name, text) for name, text in kept if text is not None)
    return Outgoing("", envelope.key(), envelope.data, headers)


async def listed(tenant: Tenant, **query: str | int) -> list[dict[str, Any]]:
    answer = await tenant.get("/v1/dead-letters", **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def settled(tenant: Tenant) -> None:
    async with asyncio.timeout(PATIENCE):
        while await listed(tenant, state="unresolved"):  # noqa: ASYNC110 - as any client would
            await asyncio.sleep(0.02)


async def test_a_withdrawal_that_nobody_can_read_holds_nobody_up(line: Line, acme: Tenant, rival: Tenant) -> None:
    (struck,), (spared,) = orders(acme.name, aggregates=1), orders(rival.name, aggregates=1)
    withdrawal = msgspec.structs.replace(struck, id=new_id(), type=Withdrawal.type)
    poison = [
        msgspec.structs.replace(withdrawal, id=new_id(), subject=new_id(), data=data)
        for data in (b"", TORN, b"{}", b'{"event_id":"1","event_type":"t"}', b"[" * 50_000, b"\x00\xff")
    ]
    foreign = msgspec.json.encode(Withdrawal(spared.id, spared.type))
    names_anothers = msgspec.structs.replace(withdrawal, subject=new_id(), data=foreign)
    await line.consume([struck, spared, *poison, names_anothers])

    letters = await listed(acme, state="unresolved")
    assert sorted(each["event_id"] for each in letters) == sorted(str(each.id) for each in poison)
    assert all(each["reason"] for each in letters)
    for tenant in (acme, rival):
        assert (await tenant.get("/v1/ledger")).json()["events"] == 1, "nothing was withdrawn"
    async with line.attended():
        for each in letters:
            discarded = await acme.post(f"/v1/dead-letters/{each['id']}:discard", {"note": "is none"})
            assert discarded.is_success, discarded.text
        await settled(acme)


async def torn_letter(line: Line, tenant: Tenant, *, behind: int = 0) -> dict[str, Any]:
    """A letter with a torn body, and so many waiting behind it."""
    await line.consume(orders(tenant.name, aggregates=1, each=1 + behind, torn=0))
    dead_letters = await listed(tenant, state="unresolved")
    assert len(dead_letters) == 1 + behind
    return dead_letters[0]


async def figures(tenant: Tenant, customer: UUID) -> list[Any]:
    interval = {"from": "2011-06-01T00:00:00Z", "to": "2011-09-01T00:00:00Z"}
    found: list[Any] = []
    for metric in ("retention.crr", "revenue"):
        answer = await tenant.get(f"/v1/metrics/{metric}", **interval)
        assert answer.status_code == 200, answer.text
        found.append({**answer.json(), "freshness": None})
    found.append((await tenant.get("/v1/ledger")).json())
    found.append((await tenant.get(f"/v1/customers/{customer}/health", at="2011-09-01T00:00:00Z")).json()["score"])
    return found


async def test_mended_and_replayed_the_figures_are_as_if_nothing_had_happened(
    line: Line, acme: Tenant, rival: Tenant
) -> None:
    spared, struck = orders(rival.name, aggregates=3, each=3), orders(acme.name, aggregates=3, each=3, torn=1)
    customer, sufferer = spared[0].customer_id, struck[0].customer_id
    assert customer is not None
    assert sufferer is not None
    await line.consume([*spared, *struck])
    expected = await figures(rival, customer)
    assert await figures(acme, sufferer) != expected

    letter, *waiting = await listed(acme)
    assert letter["event_id"] == str(struck[1].id)
    assert (letter["state"], letter["parked"], letter["attempts"]) == ("unresolved", False, 1)
    assert "invalid input syntax for type json" in letter["reason"]
    assert [(each["event_id"], each["parked"]) for each in waiting] == [
        (str(struck[4].id), True),
        (str(struck[7].id), True),
    ]
    shown = (await acme.get(f"/v1/dead-letters/{letter['id']}")).json()
    assert (shown["message"]["body"], b64decode(shown["message"]["body_base64"])) == (None, TORN)
    assert {"name": "ce_type", "value": "sales.order.placed.v1"} in shown["message"]["headers"]
    assert (shown["waiting"], [each["id"] for each in shown["next_waiting"]]) == (2, [each["id"] for each in waiting])

    amended = await acme.post(f"/v1/dead-letters/{letter['id']}:amend", {"body": WHOLE, "note": "the cable"})
    assert amended.status_code == 200, amended.text
    assert amended.json()["message"]["body"] == WHOLE
    async with line.attended():
        replayed = await acme.post(f"/v1/dead-letters/{letter['id']}:replay", {})
        await settled(acme)
    assert replayed.status_code == 200, replayed.text
    assert (replayed.json()["state"], replayed.json()["requested"]) == ("replayed", None)
    assert await figures(acme, sufferer) == expected
    # And once only, should the bus bring them all again.
    again = Line(line.bus, line.worker)
    await again.consume([each for each in struck if each.data != TORN])
    assert await figures(acme, sufferer) == expected


async def test_the_letter_tells_who_changed_what_and_how_it_was(line: Line, acme: Tenant) -> None:
    letter = await torn_letter(line, acme)
    path = f"/v1/dead-letters/{letter['id']}"
    headers = {"ce_time": "2011-08-02T00:00:00+00:00"}
    await acme.post(f"{path}:amend", {"body": WHOLE, "headers": headers, "note": "by the till"})
    body = b'{"value": 12.1000000000000000001, "currency": "EUR"}'
    answer = await acme.client.post(
        f"{path}:amend",
        content=b'{"body": %s}' % body,
        headers={"Authorization": f"Bearer {acme.issuer.token(acme.name)}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    assert body in answer.content, "kept to the last digit"
    first, second = (await acme.get(path)).json()["history"]
    assert (first["action"], first["by"], first["note"]) == ("amend", "test", "by the till")
    assert b64decode(first["before"]["body_base64"]) == TORN
    assert {"name": "ce_time", "value": "2011-08-01T00:00:00+00:00"} in first["before"]["headers"]
    assert second["before"]["body"] == WHOLE
    assert first["at"] < second["at"]


async def test_another_tenant_sees_and_touches_nothing(line: Line, acme: Tenant, rival: Tenant) -> None:
    letter = await torn_letter(line, acme)
    path = f"/v1/dead-letters/{letter['id']}"
    assert await listed(rival) == []
    assert (await rival.get(path)).status_code == 404
    for verb, body in (("replay", {}), ("discard", {"note": "mine now"}), ("amend", {"body": WHOLE})):
        assert (await rival.post(f"{path}:{verb}", body)).status_code == 404, verb
    assert (await rival.post("/v1/dead-letters:replay", {"ids": [letter["id"]]})).status_code == 404
    assert (await rival.post("/v1/dead-letters:replay", {})).json() == {
        "requested": 0, "handled": 0, "pending": 0, "left": 0,
    }  # fmt: skip
    assert await listed(acme) == [letter]


async def test_to_see_and_to_act_are_two_scopes(line: Line, acme: Tenant) -> None:
    letter = await torn_letter(line, acme)
    viewer, blind = acme.without("analytics:operate"), acme.without("analytics:read")
    path = f"/v1/dead-letters/{letter['id']}"
    assert (await viewer.get(path)).status_code == 200
    for act in (f"{path}:replay", f"{path}:discard", f"{path}:amend", "/v1/dead-letters:replay"):
        refused = await viewer.post(act, {"note": "none"})
        assert (refused.status_code, refused.json()["detail"]) == (403, "This needs the scope analytics:operate.")
    assert (await blind.get("/v1/dead-letters")).status_code == 403
    assert "analytics:operate" in ALL_SCOPES


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"body": {"value": "1"}}, "body", "required field `currency`"),
        ({"body": {**WHOLE, "valeu": "1"}}, "body", "Its fields: value, currency"),
        ({"body": {"value": True, "currency": "EUR"}}, "body.value", "Expected `decimal`"),
        (
            {"body": {**WHOLE, "order_id": "x"}, "headers": {"ce_type": "sales.order.returned.v1"}},
            "body.order_id",
            "UUID",
        ),
        ({"body": [1]}, "body", "Expected `object`"),
        ({"body": None}, "body", "Expected `object`"),
        ({"headers": {"ce_time": "2011-08-02T00:00:00+00:00"}}, "body", "It is not JSON"),
        ({"body": WHOLE, "headers": {"ce_tenantid": "victim"}}, "headers.ce_tenantid", "cannot be changed"),
        ({"body": WHOLE, "headers": {"ce_id": str(new_id())}}, "headers.ce_id", "not be changed"),
        ({"body": WHOLE, "headers": {"ce_subject": None}}, "headers.ce_subject", "not be changed"),
        ({"body": WHOLE, "headers": {"traceparent": "1"}}, "headers.traceparent", "ce_aggregateversion, ce_customerid"),
        ({"body": WHOLE, "headers": {"ce_type": "sales.order.eaten.v1"}}, "headers.ce_type", "sales.order.placed.v1"),
        ({"body": WHOLE, "headers": {"ce_source": "contacts"}}, "headers.ce_source", "comes from sales"),
        ({"body": WHOLE, "headers": {"ce_aggregateversion": "0"}}, "headers.ce_aggregateversion", "1 or more"),
        ({"body": WHOLE, "headers": {"ce_time": "2011-08-02T00:00:00"}}, "headers.ce_time", "with its zone"),
        ({"body": WHOLE, "headers": {"ce_time": "noon"}}, "headers.ce_time", "with its zone"),
        ({"body": WHOLE, "headers": {"ce_recordedat": None}}, "headers", "ce_recordedat"),
        ({"body": WHOLE, "headers": {"ce_customerid": 5}}, "headers[...]", "Expected `str | null`"),
        ({"body": WHOLE, "reason": "mended"}, "body", "Allowed: body, headers, note"),
        ({"note": "nothing"}, "body", "Send body, headers, or both"),
    ],
)
async def test_what_is_amended_must_be_an_event_then(
    line: Line, acme: Tenant, body: dict[str, Any], field: str, words: str
) -> None:
    letter = await torn_letter(line, acme)
    refused = await acme.post(f"/v1/dead-letters/{letter['id']}:amend", body)
    assert refused.status_code == 422, refused.text
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert words in error["rule"]
    assert (await acme.get(f"/v1/dead-letters/{letter['id']}")).json()["history"] == []


async def test_a_subject_that_cannot_be_read_can_be_mended(line: Line, acme: Tenant) -> None:
    (event,) = orders(acme.name, aggregates=1)
    await line.consume([without(event, "ce_subject", b"\xffnobody")])
    (letter,) = await listed(acme, type=event.type)
    assert (letter["event_id"], letter["subject"]) == (None, None)
    assert letter["reason"].startswith("not an event")
    path = f"/v1/dead-letters/{letter['id']}"
    async with line.attended():
        mended = await acme.post(f"{path}:amend", {"headers": {"ce_subject": str(event.subject)}})
        assert mended.status_code == 200, mended.text
        assert mended.json()["subject"] == str(event.subject)
        assert (await acme.post(f"{path}:replay", {})).json()["state"] == "replayed"
    refused = await acme.post(f"{path}:amend", {"body": WHOLE})
    assert (refused.status_code, refused.json()["detail"]) == (409, f"Dead letter {letter['id']} was replayed already.")


async def test_while_no_worker_runs_the_answer_is_not_yet(
    line: Line, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = await torn_letter(line, acme, behind=1)
    monkeypatch.setattr(dead_letters, "PATIENCE", 0.0)
    answer = await acme.post(f"/v1/dead-letters/{letter['id']}:replay", {})
    assert (answer.status_code, answer.json()["requested"], answer.json()["state"]) == (202, "replay", "unresolved")
    progress = await acme.post("/v1/dead-letters:replay", {})
    assert (progress.status_code, progress.json()) == (202, {"requested": 0, "handled": 0, "pending": 1, "left": 2})
    monkeypatch.undo()
    async with line.attended():
        answer = await acme.post(f"/v1/dead-letters/{letter['id']}:replay", {})
    assert answer.status_code == 200, "tried, and still torn"
    assert (answer.json()["requested"], answer.json()["state"], answer.json()["attempts"]) == (None, "unresolved", 2)


async def test_many_are_replayed_at_once_and_counted(line: Line, acme: Tenant) -> None:
    await line.consume(orders(acme.name, aggregates=4, each=2, torn=0))
    await line.consume(orders(acme.name, aggregates=1, each=3, torn=0))
    first, _, second, *_ = await listed(acme)
    await acme.post(f"/v1/dead-letters/{second['id']}:amend", {"body": WHOLE})
    async with line.attended():
        progress = await acme.post("/v1/dead-letters:replay", {})
        assert (progress.status_code, progress.json()) == (200, {"requested": 2, "handled": 3, "pending": 0, "left": 2})
        await acme.post(f"/v1/dead-letters/{first['id']}:amend", {"body": WHOLE})
        progress = await acme.post("/v1/dead-letters:replay", {"ids": [first["id"], second["id"]]})
        assert progress.json() == {"requested": 1, "handled": 2, "pending": 0, "left": 0}
    for ids in ([], [0], ["1"], list(range(1, 1002))):
        assert (await acme.post("/v1/dead-letters:replay", {"ids": ids})).status_code == 422


async def test_discarding_takes_a_note_and_lets_the_others_go_on(line: Line, acme: Tenant) -> None:
    letter = await torn_letter(line, acme, behind=2)
    path = f"/v1/dead-letters/{letter['id']}"
    for note in (None, "", "  ", "x" * 501):
        refused = await acme.post(f"{path}:discard", {"note": note})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "note")
    async with line.attended():
        discarded = (await acme.post(f"{path}:discard", {"note": "a test order"})).json()
        await settled(acme)
    assert (discarded["state"], discarded["history"][0]["note"]) == ("discarded", "a test order")
    assert [each["state"] for each in await listed(acme)] == ["discarded", "replayed", "replayed"]
    assert (await acme.post(f"{path}:replay", {})).status_code == 409


async def test_the_list_goes_on_page_by_page_and_is_filtered(line: Line, acme: Tenant) -> None:
    letter = await torn_letter(line, acme, behind=2)
    page = (await acme.get("/v1/dead-letters", first=2)).json()
    rest = (await acme.get("/v1/dead-letters", first=2, after=page["next"])).json()
    ids = [each["id"] for each in [*page["items"], *rest["items"]]]
    assert (ids, rest["next"], len(ids)) == (sorted(ids), None, 3)
    assert [each["id"] for each in await listed(acme, parked="false")] == [letter["id"]]
    assert len(await listed(acme, parked="true")) == 2
    assert await listed(acme, state="replayed") == []
    assert await listed(acme, type="sales.order.returned.v1") == []
    for query in ({"state": "lost"}, {"after": "x"}, {"after": "9" * 30}, {"first": 501}, {"order": "newest"}):
        (field,) = query
        refused = await acme.get("/v1/dead-letters", **query)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert (await acme.get("/v1/dead-letters/9223372036854775807")).status_code == 404


async def test_a_letter_that_is_being_tried_is_not_changed_under_the_worker(
    line: Line, acme: Tenant, worker: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = await torn_letter(line, acme)
    monkeypatch.setattr(dead_letters, "_LOCK_PATIENCE", "50ms")
    async with worker.begin() as connection:
        await connection.execute(text("SELECT 1 FROM dead_letters WHERE id = :id FOR UPDATE"), {"id": letter["id"]})
        refused = await acme.post(f"/v1/dead-letters/{letter['id']}:amend", {"body": WHOLE})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kith:problem:conflict")


@pytest.mark.parametrize(
    "change", ["replayed_at = now()", "tenant_id = tenant_id", "reason = ''", "published_at = NULL"]
)
async def test_a_request_cannot_say_what_became_of_a_letter(
    postgres: EmbeddedPostgres, acme: Tenant, change: str
) -> None:
    engine = create_engine(postgres.url("kith_analytics"), role=APP_ROLE, pool_size=1, application="test")
    async with engine.connect() as connection:
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text(f"UPDATE dead_letters SET {change}"))  # noqa: S608 - ours
    await engine.dispose()


async def test_a_letter_of_nobody_is_for_the_command_line_only(
    line: Line, acme: Tenant, postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, torn, whole = orders(acme.name, aggregates=4, torn=2)
    torn = happened(BOUGHT, acme.name, torn.time, **{**_of(torn), "data": TORN})
    behind = happened(BOUGHT, acme.name, torn.time, subject=torn.subject, aggregate_version=2)
    spoilt = [without(first, "ce_tenantid"), without(second, "ce_tenantid", acme.name.encode() + b"\xff")]
    await line.consume([*spoilt, torn, behind, whole])
    known, waiting = (str(each["id"]) for each in await listed(acme))
    async with line.worker.connect() as connection:
        query = text("SELECT id FROM dead_letters WHERE tenant_id IS NULL AND topic = :topic ORDER BY id")
        ids = [str(id) for id in (await connection.scalars(query, {"topic": line.topic})).all()]
    assert len(ids) == 2
    for id in ids:
        assert (await acme.get(f"/v1/dead-letters/{id}")).status_code == 404

    service = replace(SERVICE, subscriptions=(line.subscription,))
    settings = Settings(database_url=postgres.url("kith_analytics"), port=0)

    def run_it(*words: str) -> str:
        ended = ""
        try:
            dead_letters_cli.run(service, settings, words)
        except SystemExit as end:
            ended = f"{end.code}\n"
        printed = capsys.readouterr()
        return printed.out + printed.err + ended

    async def command(*words: str) -> str:
        return await asyncio.to_thread(run_it, *words)

    shown = {row.split()[0]: row for row in (await command("list", "--first", "500")).splitlines()}
    assert shown["id"].split()[:6] == ["id", "state", "requested", "parked", "attempts", "type"]
    assert {*ids, known} <= shown.keys()
    assert "header 'ce_tenantid' is missing" in shown[ids[0]]
    own = await command("list", "--tenant", acme.name, "--first", "1")
    assert own.splitlines()[1].split()[0] == known
    assert own.splitlines()[2] == f"more: --after {known}"
    assert '"ce_subject"' in await command("show", ids[0])
    assert await command("show", "1000000000") == "There is no dead letter 1000000000.\n"
    assert await command("replay") == "0 took effect, 4 are left\n1\n"
    assert await command("discard", "1000000000", "--note", "none") == (
        "0 of 1 discarded; replay what waited behind them\n1\n"
    )
    assert "--note" in await command("discard", known)
    await command("discard", known, *ids, "--note", "nobody's")
    assert await command("replay", waiting) == "1 took effect, 0 are left\n"
    (entry,) = (await acme.get(f"/v1/dead-letters/{known}")).json()["history"]
    assert (entry["by"], entry["action"], entry["note"]) == ("operator", "discard", "nobody's")


async def test_the_command_line_is_a_verb_of_the_service(postgres: EmbeddedPostgres, acme: Tenant) -> None:
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "analytics", "dead-letters", "list", "--tenant", acme.name],
        env={**os.environ, "KITH_DATABASE_URL_ANALYTICS": postgres.url("kith_analytics")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split()[:2] == ["id", "state"]
