"""Exports as jobs: the file has every record, once, for whoever may see it, and nobody who was erased."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase
from tests.contracts.test_access import acting_as

from contacts.resources import RESOURCES
from contacts.service import SERVICE
from kith.audit.disclosures import AuditWriter
from kith.audit.entries import Entry
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.exports import api as exports_api
from kith.exports import run as running
from kith.exports.dropping import CANCELLED, ERASED, EXPIRED, sweep
from kith.exports.run import Exporter
from kith.exports.tables import EXPORTS
from kith.jobs.runner import Jobs
from kith.testing import Issuer, Tenant, serving

EXPORTER = Exporter("contacts", RESOURCES)
JOBS = Jobs(EXPORTS, {each.name: EXPORTER.run for each in RESOURCES})
KINDS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    """A database of this file's own: a step takes any tenant's export."""
    return await fresh_database(SERVICE)


@pytest.fixture(scope="module")
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, role=WORKER_ROLE, pool_size=5, application="test worker")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def api(url: str, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(SERVICE, url, issuer) as client:
        yield client


@pytest.fixture
async def us(api: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    """With five customers, and a contact."""
    us = Tenant(api, issuer, tenant)
    rows = [
        {
            "command": "create",
            "kind": "person",
            "name": f"N{n}",
            "external_id": f"c-{n}",
            "occurred_at": f"2026-01-0{n + 1}T12:00:00Z",
        }
        for n in range(5)
    ]
    done = await us.post("/v1/customers:bulk", {"rows": rows})
    assert done.json()["accepted"] == len(rows), done.text
    return us


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PIECE_ROWS", 2)


async def asked(us: Tenant, noun: str = "customer", **more: Any) -> str:
    answer = await us.post("/v1/exports", {"noun": noun, **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/exports/{answer.json()['id']}"
    return str(answer.json()["id"])


async def made(us: Tenant, engine: AsyncEngine, noun: str = "customer", **more: Any) -> str:
    id = await asked(us, noun, **more)
    await finish(engine)
    return id


async def finish(engine: AsyncEngine) -> None:
    while await JOBS.step(engine):
        pass


async def look(us: Tenant, id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await us.get(f"/v1/exports/{id}")).json()
    return found


async def content(us: Tenant, id: str, **headers: str) -> httpx.Response:
    return await us.client.get(f"/v1/exports/{id}/content", headers={**us._authorized(), **headers})


async def streamed(us: Tenant, format: str, **query: str) -> bytes:
    headers = {**us._authorized(), "Accept": KINDS[format]}
    return (await us.client.get("/v1/customers:export", params=query, headers=headers)).content


async def pieces(engine: AsyncEngine, id: str) -> int:
    async with engine.connect() as connection:
        number = text("SELECT count(*) FROM export_pieces WHERE export_id = CAST(:id AS uuid)")
        return int(await connection.scalar(number, {"id": id}) or 0)


async def customers(us: Tenant) -> list[str]:
    """Their ids, in this order."""
    return sorted(each["id"] for each in (await us.get("/v1/customers")).json()["items"])


@pytest.mark.parametrize("format", KINDS)
async def test_an_export_has_what_the_stream_has(us: Tenant, engine: AsyncEngine, format: str) -> None:
    id = await made(us, engine, format=format)
    job, answer, expected = await look(us, id), await content(us, id), await streamed(us, format)
    assert answer.content == expected
    assert (job["state"], job["done"], job["total"], await pieces(engine, id)) == ("done", 5, 5, 3)
    found = {"rows": 5, "bytes": len(expected), "sha256": sha256(expected).hexdigest()}
    assert job["report"] == found
    assert answer.headers["etag"] == f'"{found["sha256"]}"'
    assert answer.headers["content-type"].startswith(KINDS[format])
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="customers-{id}.{format}"')


@pytest.mark.parametrize("format", KINDS)
async def test_some_records_and_some_fields_are_exported(us: Tenant, engine: AsyncEngine, format: str) -> None:
    where = {"external_id": {"in": ["c-1", "c-2", "c-3", "c-4"]}}
    id = await made(us, engine, format=format, where=where, fields=["external_id", "name"])
    query = {"external_id.in": ["c-1", "c-2", "c-3", "c-4"], "fields": ["external_id", "name"]}
    assert (await content(us, id)).content == await streamed(us, format, **query)  # type: ignore[arg-type]
    assert (await look(us, id))["params"] == {
        "format": format,
        "fields": ["external_id", "name"],
        "personal": True,
    }, "an external id may be an address"
    none = await made(us, engine, format=format, where={"segment": {"eq": "none"}}, fields=["name"])
    assert (await content(us, none)).text == {"csv": "name\r\n", "ndjson": '{"end":{"rows":0}}\n'}[format]
    assert (await look(us, none))["params"]["where"] == {"segment": {"eq": "none"}}


async def test_an_export_that_is_cut_off_goes_on_without_loss_or_double(
    us: Tenant, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await streamed(us, "ndjson")

    class Killed(BaseException):
        """The process ends: nothing is put back, and what was not committed is not there."""

    read, before = running._read, [0]

    async def dies_in_the_second_piece(*given: Any) -> Any:
        before[0] += 1
        if before[0] == 2:
            raise Killed
        return await read(*given)

    id = await asked(us, format="ndjson")
    monkeypatch.setattr(running, "_read", dies_in_the_second_piece)
    with pytest.raises(Killed):
        await Jobs(EXPORTS, JOBS.kinds, lease=timedelta(seconds=0.01)).step(engine)
    job = await look(us, id)
    assert (job["state"], job["done"], job["total"], job["report"]["rows"]) == ("running", 2, 5, 2)
    refused = await content(us, id)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "It is running: there is a content once it is done.",
    )
    await us.made("/v1/customers", kind="person", name="Later")
    await finish(engine)
    assert (await content(us, id)).content == expected


async def test_a_download_that_broke_off_goes_on(us: Tenant, engine: AsyncEngine) -> None:
    id = await made(us, engine, fields=["external_id"])
    whole = await content(us, id)
    assert whole.text == "external_id\r\nc-0\r\nc-1\r\nc-2\r\nc-3\r\nc-4\r\n"
    for first in range(0, len(whole.content), 5):
        rest = await content(us, id, Range=f"bytes={first}-", **{"If-Range": whole.headers["etag"]})
        assert (rest.status_code, rest.content) == (206, whole.content[first:])
    some = await content(us, id, Range="bytes=3-20")
    assert (some.content, some.headers["content-range"]) == (whole.content[3:21], "bytes 3-20/38")
    assert (await content(us, id, Range="bytes=38-")).status_code == 416
    assert (await content(us, id, Range="bytes=3-", **{"If-Range": '"another"'})).status_code == 200
    assert (await content(us, id, **{"If-None-Match": whole.headers["etag"]})).status_code == 304


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"noun": "order"}, "noun"),
        ({"noun": "settings"}, "noun"),
        ({"format": "xls"}, "format"),
        ({"where": {"nowhere": {"eq": "x"}}}, "where.nowhere"),
        ({"where": {"segment": {"like": "x"}}}, "where.segment.like"),
        ({"where": {"segment": {"eq": "a\0b"}}}, "where.segment.eq"),
        ({"where": {"not": {"not": {"not": {"not": {"not": {"segment": {"eq": "x"}}}}}}}}, "where"),
        ({"where": {"custom": [{"code": "none", "eq": "x"}]}}, "custom.none"),
        ({"where": []}, "where"),
        ({"fields": ["nothing"]}, "fields"),
        ({"after": "x"}, "after"),
    ],
)
async def test_what_cannot_be_exported_is_refused_at_once(
    api: httpx.AsyncClient, issuer: Issuer, tenant: str, wrong: dict[str, Any], field: str
) -> None:
    us = Tenant(api, issuer, tenant)
    answer = await us.post("/v1/exports", {"noun": "customer", **wrong})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.text
    given = {"noun": "customer", **wrong}
    create = "mutation ($it: CreateExportInput!) {made: createContactsExport(input: $it) {... on Problem {code}}}"
    if "after" not in wrong and "where" in wrong and isinstance(wrong["where"], dict):
        assert await us.ask(create, it=given) == {"made": {"code": "INVALID"}}
    assert (await us.get("/v1/exports")).json()["items"] == []


async def test_an_export_is_paused_resumed_and_cancelled(us: Tenant, engine: AsyncEngine) -> None:
    id = await asked(us)
    for verb, state in (("pause", "paused"), ("resume", "requested")):
        answer = await us.post(f"/v1/exports/{id}:{verb}", {})
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    await finish(engine)
    assert (await us.post(f"/v1/exports/{id}:pause", {})).status_code == 409
    cancelled = (await us.post(f"/v1/exports/{id}:cancel", {})).json()
    assert (cancelled["state"], cancelled["reason"], await pieces(engine, id)) == ("done", CANCELLED, 0)
    gone = await content(us, id)
    assert (gone.status_code, gone.json()["code"], gone.json()["detail"]) == (410, "content-gone", CANCELLED)
    assert (await us.post(f"/v1/exports/{id}:cancel", {})).status_code == 409


async def test_exports_are_asked_for_over_graphql(us: Tenant, engine: AsyncEngine) -> None:
    given = 'noun: "customer", format: "ndjson", where: $where'
    create = (
        "mutation ($where: JSON) {made: createContactsExport(input: {%s}) {... on ContactsExport {id state params}}}"
    )
    made = (await us.ask(create % given, where={"kind": {"eq": "person"}}))["made"]
    assert (made["state"], made["params"]["where"]) == ("requested", {"kind": {"eq": "person"}})
    for verb, state in (("pause", "paused"), ("resume", "requested")):
        change = f"mutation($id: UUID!) {{done: {verb}ContactsExport(id: $id) {{... on ContactsExport {{state}}}}}}"
        assert (await us.ask(change, id=made["id"]))["done"] == {"state": state}
    await finish(engine)
    query = "query($id: UUID!) {contactsExport(id: $id) {state done total report} contactsExports {nodes {id}}}"
    found = await us.ask(query, id=made["id"])
    assert found["contactsExports"]["nodes"] == [{"id": made["id"]}]
    assert (found["contactsExport"]["done"], found["contactsExport"]["report"]["rows"]) == (5, 5)
    cancel = "mutation($id: UUID!) {done: cancelContactsExport(id: $id) {... on ContactsExport {reason}}}"
    assert (await us.ask(cancel, id=made["id"]))["done"] == {"reason": CANCELLED}


async def test_the_content_is_for_those_who_see_what_is_in_it(
    us: Tenant, engine: AsyncEngine, other_tenant: str
) -> None:
    blind, them = us.without("contacts:personal"), replace(us, name=other_tenant)
    whole, hidden = await asked(us), await asked(blind)
    by_name = {"noun": "customer", "where": {"name": {"eq": "N1"}}}
    assert (await blind.post("/v1/exports", by_name)).status_code == 403
    await finish(engine)
    assert "N1" in (await content(us, whole)).text
    assert "N1" not in (await content(us, hidden)).text
    assert "N1" not in (await content(blind, hidden)).text
    refused = await content(blind, whole)
    assert (refused.status_code, refused.json()["detail"]) == (403, "This needs the scope contacts:personal.")
    for id in (whole, hidden):
        assert (await them.get(f"/v1/exports/{id}")).status_code == 404
        assert (await content(them, id)).status_code == 404
        assert (await them.post(f"/v1/exports/{id}:cancel", {})).status_code == 404
    assert (await them.get("/v1/exports")).json()["items"] == []


async def test_a_download_of_personal_fields_is_in_the_audit_log(
    us: Tenant, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Entry] = []
    monkeypatch.setattr(AuditWriter, "note", lambda _, entry: noted.append(entry))
    whole, hidden = await asked(us), await asked(us.without("contacts:personal"))
    touchpoints = await made(us, engine, "touchpoint")
    assert noted == []
    for id in (whole, hidden, touchpoints):
        assert (await content(us, id)).status_code == 200
    assert [(each.action, each.noun, each.subjects) for each in noted] == [("export", "customer", None)]


async def test_whoever_reads_its_own_exports_its_own(us: Tenant, engine: AsyncEngine) -> None:
    people = {each: {"name": each, "email": f"{each}@example.org", "subject": each} for each in ("ann", "bob")}
    owners = {each: (await us.made("/v1/users", **body))["id"] for each, body in people.items()}
    first, second, *_ = await customers(us)
    for id, owner in ((first, "ann"), (second, "bob")):
        assert (await us.post(f"/v1/customers/{id}:amend", {"owner_id": owners[owner]})).status_code == 200
    ann, bob = (acting_as(us, SERVICE, each, "own") for each in people)
    hers, whole = await asked(ann), await asked(us)
    await finish(engine)
    assert first in (file := (await content(ann, hers)).text)
    assert file.count("\r\n") == 2
    assert [each["id"] for each in (await ann.get("/v1/exports")).json()["items"]] == [hers]
    for other in (await ann.get(f"/v1/exports/{whole}"), await content(ann, whole), await content(bob, hers)):
        assert other.status_code == 404
    assert (await bob.post(f"/v1/exports/{hers}:cancel", {})).status_code == 404
    assert (await content(us, hers)).text == file, "who sees all sees hers"
    assert (await ann.post("/v1/exports", {"noun": "web_visit"})).status_code == 202
    narrowed = replace(us, subject="ann", scopes=ann.scopes)
    wide = await asked(replace(us, subject="ann"))
    await finish(engine)
    refused = await content(narrowed, wide)
    assert refused.status_code == 403, "her role has less than it had"


async def test_whoever_is_erased_is_in_no_content(us: Tenant, engine: AsyncEngine) -> None:
    ids = await customers(us)
    done, some = await asked(us), await asked(us, where={"id": {"in": ids[3:]}})
    await finish(engine)
    named = await asked(us, "contact", where={"name": {"eq": "N1"}})
    assert (await us.post(f"/v1/exports/{named}:pause", {})).status_code == 200
    touchpoints = await made(us, engine, "touchpoint")
    assert (await us.post(f"/v1/customers/{ids[1]}:erase", {})).status_code == 200
    for id, state in ((done, "done"), (named, "failed")):
        job = await look(us, id)
        assert (job["state"], job["reason"], await pieces(engine, id)) == (state, ERASED, 0)
        gone = await content(us, id)
        assert (gone.status_code, gone.json()["detail"]) == (410, ERASED)
        assert (await us.post(f"/v1/exports/{id}:resume", {})).status_code == 409
    for id in (some, touchpoints):
        assert (await content(us, id)).status_code == 200
    async with engine.connect() as connection:
        kept = text("SELECT count(*) FROM exports WHERE tenant_id = :tenant AND exports::text LIKE '%N1%'")
        assert await connection.scalar(kept, {"tenant": us.name}) == 0


async def test_a_piece_that_was_read_before_an_erasure_is_read_again(
    us: Tenant, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, ids = await asked(us, fields=["name"]), await customers(us)
    read, pieces_read = running._read, [0]

    async def erased_meanwhile(*given: Any) -> Any:
        found = await read(*given)
        pieces_read[0] += 1
        if pieces_read[0] == 2:  # the third record is in no piece yet, and in this process's hands
            assert (await us.post(f"/v1/customers/{ids[2]}:erase", {})).status_code == 200
        return found

    monkeypatch.setattr(running, "_read", erased_meanwhile)
    await finish(engine)
    assert pieces_read[0] == 4
    assert (await look(us, id))["state"] == "done"
    assert (await content(us, id)).text.split() == ["name", "N0", "N1", '""', "N3", "N4"]


async def test_contents_that_are_old_are_swept(us: Tenant, engine: AsyncEngine) -> None:
    old, young = await asked(us), await asked(us)
    await finish(engine)
    paused = await asked(us)
    await us.post(f"/v1/exports/{paused}:pause", {})
    async with engine.begin() as connection:
        aged = text("UPDATE exports SET requested_at = now() - interval '8 days' WHERE id::text IN (:one, :other)")
        await connection.execute(aged, {"one": old, "other": paused})
    while await sweep(engine):
        pass
    for id, state in ((old, "done"), (paused, "cancelled")):
        job = await look(us, id)
        assert (job["state"], job["reason"], (await content(us, id)).status_code) == (state, EXPIRED, 410)
        assert await pieces(engine, id) == 0
    assert (await content(us, young)).status_code == 200


async def test_a_tenant_keeps_no_more_than_its_share(
    us: Tenant, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = [await asked(us) for _ in range(3)]
    assert (await us.post("/v1/exports", {"noun": "customer"})).json()["code"] == "too-many-jobs"
    monkeypatch.setattr(running, "MOST_BYTES", 0)
    await finish(engine)
    jobs = (await us.get("/v1/exports")).json()["items"]
    assert {(each["state"], "are kept" in each["reason"]) for each in jobs} == {("failed", True)}
    monkeypatch.undo()
    await us.post(f"/v1/exports/{first}:resume", {})
    await finish(engine)
    assert (await content(us, first)).text.count("\r\n") == 6
    for most, number in (("MOST_KEPT", 3), ("MOST_BYTES", 0)):
        with monkeypatch.context() as patched:
            patched.setattr(exports_api, most, number)
            refused = await us.post("/v1/exports", {"noun": "customer"})
            assert (refused.status_code, "are kept" in refused.json()["detail"]) == (409, True)
    assert (await us.post("/v1/exports", {"noun": "customer"})).status_code == 202
