"""Attachments of customers, contacts, and what is theirs: sent, fetched, limited, erased."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from contacts.attachments.form import ATTACHMENTS, attachments
from contacts.erasure.forgetting import forgetting
from contacts.service import SERVICE
from contacts.settings import ContactsSettings
from kith.attachments import receiving
from kith.attachments.checking import lost, unknown
from kith.attachments.store import FolderStore, StoreFault
from kith.attachments.sweeping import sweeping
from kith.attachments.watched import FAULTS
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.http.app import Context
from kith.ids import new_id
from kith.tenants import cli
from kith.testing import Answer, Tenant
from kith_local.postgres import EmbeddedPostgres

PATH = "/v1/attachments"
UPLOAD = f"{PATH}:upload"
PDF = b"%PDF-1.7\n" + b"offer " * 2000
KIND = "application/pdf"


@pytest.fixture
async def contact(acme: Tenant, customer: Answer) -> Answer:
    return await acme.made("/v1/contacts", customer_id=customer["id"], name="Ann Berg")


@pytest.fixture
def context(acme: Tenant) -> Context:
    found: Context = acme.client._transport.app.state.context  # type: ignore[attr-defined]
    return found


@pytest.fixture
def folder(attachments_folder: Path, tenant: str) -> Path:
    """Where the content of the tenant is."""
    return attachments_folder / "contacts" / tenant


def kept(folder: Path) -> list[bytes]:
    return [each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()]


async def swept(postgres: EmbeddedPostgres, context: Context) -> None:
    assert context.contents is not None
    store = context.contents.store
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    try:
        for task in (forgetting(ATTACHMENTS), sweeping(attachments, lambda: store)):
            while await task.step(engine):
                pass
    finally:
        await engine.dispose()


def faults() -> dict[str, float]:
    return {each: FAULTS.labels(each)._value.get() for each in ("lost", "put")}  # as it is scraped


async def a_day_passes(postgres: EmbeddedPostgres, of: Tenant) -> None:
    """For what was sent."""
    await _fetched(postgres, "UPDATE attachment_contents SET begun_at = begun_at - interval '25 hours' %s", of)


async def sizes(postgres: EmbeddedPostgres, of: Tenant) -> list[int]:
    """Of what counts against the tenant's limit."""
    return [each["size"] for each in await _fetched(postgres, "SELECT size FROM attachment_contents %s", of)]


async def _fetched(postgres: EmbeddedPostgres, statement: str, of: Tenant) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(postgres.url("kith_contacts"))
    try:
        return await connection.fetch(statement % "WHERE tenant_id = $1", of.name)
    finally:
        await connection.close()


async def uploaded(by: Tenant, of: Answer, **headers: str) -> Answer:
    name = {"Kith-File-Name": "offer.pdf"} | headers
    answer = await by.send(f"{UPLOAD}?customer_id={of['id']}", PDF, KIND, **name)
    assert answer.status_code == 201, answer.text
    found: Answer = answer.json()
    return found


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    said = answer.json()
    return answer.status_code, said["code"], next((each["field"] for each in said.get("errors", ())), None)


async def test_a_file_is_added_in_one_request_and_fetched_as_it_was(acme: Tenant, customer: Answer) -> None:
    name = {"Kith-File-Name": "Gr%C3%BC%C3%9Fe%20%22an%22%20%E8%8C%B6.pdf"}
    answer = await acme.send(f"{UPLOAD}?customer_id={customer['id']}&category=offer", PDF, KIND, **name)
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{PATH}/{made['id']}")
    assert (made["file_name"], made["category"], made["author"]) == ('Grüße "an" 茶.pdf', "offer", "client:test")
    assert (made["media_type"], made["size"], made["sha256"]) == (KIND, len(PDF), sha256(PDF).hexdigest())
    assert (await acme.get(f"{PATH}/{made['id']}")).json() == made
    fetched = await acme.get(f"{PATH}/{made['id']}/content")
    assert (fetched.status_code, fetched.content) == (200, PDF)
    assert fetched.headers["content-disposition"] == (
        "attachment; filename=\"Gr__e _an_ _.pdf\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%22an%22%20%E8%8C%B6.pdf"
    )
    wanted = {
        "content-type": KIND,
        "content-length": str(len(PDF)),
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-store",
        "etag": f'"{made["sha256"]}"',
    }
    assert {each: fetched.headers[each] for each in wanted} == wanted


async def test_what_is_theirs_in_another_service_has_attachments_too(acme: Tenant, contact: Answer) -> None:
    deal = str(new_id())
    where = f"{UPLOAD}?contact_id={contact['id']}&about=sales.opportunity&about_id={deal}"
    made = (await acme.send(where, PDF, KIND, **{"Kith-File-Name": "offer.pdf"})).json()
    assert made["customer_id"] == contact["customer_id"]
    query = """query($r: [_Any!]!) { _entities(representations: $r) {
        ... on Opportunity { attachments { nodes { id size } } }
        ... on Contact { attachments { nodes { fileName } } } } }"""
    named = [{"__typename": kind, "id": id} for kind, id in (("Opportunity", deal), ("Contact", contact["id"]))]
    of_deal, of_contact = (await acme.ask(query, r=named))["_entities"]
    assert of_deal["attachments"]["nodes"] == [{"id": made["id"], "size": len(PDF)}]
    assert of_contact["attachments"]["nodes"] == [{"fileName": "offer.pdf"}]


async def test_content_that_was_sent_alone_is_attached_once(acme: Tenant, customer: Answer) -> None:
    sent = (await acme.send(f"{PATH}/content", PDF, KIND)).json()
    assert (sent["size"], sent["sha256"]) == (len(PDF), sha256(PDF).hexdigest())
    add = """mutation($input: AddAttachmentInput!) { addAttachment(input: $input) {
        ... on Attachment { id size fileName } ... on Problem { status errors { field } } } }"""
    given = {"customerId": customer["id"], "contentId": sent["id"], "fileName": "offer.pdf"}
    wrong = (await acme.ask(add, input=given | {"size": 3}))["addAttachment"]
    assert wrong == {"status": 422, "errors": [{"field": "size"}]}
    made = (await acme.ask(add, input=given))["addAttachment"]
    assert (made["size"], made["fileName"]) == (len(PDF), "offer.pdf")
    again = (await acme.ask(add, input=given))["addAttachment"]
    assert again == {"status": 409, "errors": [{"field": "contentId"}]}
    unknown = (await acme.ask(add, input=given | {"contentId": str(new_id())}))["addAttachment"]
    assert unknown == {"status": 422, "errors": [{"field": "contentId"}]}


async def test_another_tenant_neither_fetches_nor_attaches_it(acme: Tenant, other: Tenant, customer: Answer) -> None:
    made = await uploaded(acme, customer)
    assert (await other.get(f"{PATH}/{made['id']}/content")).status_code == 404
    sent = (await acme.send(f"{PATH}/content", PDF, KIND)).json()
    theirs = await other.made("/v1/customers", kind="person", name="Bo")
    taken = await other.post(PATH, {"customer_id": theirs["id"], "content_id": sent["id"], "file_name": "x"})
    assert refusal(taken) == (422, "invalid", "content_id")


@pytest.mark.parametrize(
    ("asked", "status", "wanted"),
    [
        ({"Range": "bytes=0-7"}, 206, PDF[:8]),
        ({"Range": "bytes=12000-"}, 206, PDF[12000:]),
        ({"Range": "bytes=-3"}, 206, PDF[-3:]),
        ({"Range": "bytes=0-1,4-5"}, 200, PDF),
        ({"Range": "lines=1-2"}, 200, PDF),
        ({"If-None-Match": f'"{sha256(PDF).hexdigest()}"'}, 304, b""),
    ],
    ids=["first", "rest", "last", "several", "lines", "had"],
)
async def test_a_range_of_it_may_be_fetched(
    acme: Tenant, customer: Answer, asked: dict[str, str], status: int, wanted: bytes
) -> None:
    made = await uploaded(acme, customer)
    where, headers = f"{PATH}/{made['id']}/content", acme._authorized() | asked
    fetched = await acme.client.get(where, headers=headers)
    assert (fetched.status_code, fetched.content) == (status, wanted)
    beyond = await acme.client.get(where, headers=headers | {"Range": "bytes=99999-", "If-None-Match": ""})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(PDF)}")


async def test_without_the_scope_for_personal_data_it_has_no_name_and_is_not_fetched(
    acme: Tenant, customer: Answer
) -> None:
    blind = acme.without("contacts:personal")
    made = await uploaded(blind, customer)
    assert not {"file_name", "sha256"} & set(made)
    refused = await blind.get(f"{PATH}/{made['id']}/content")
    assert (refused.status_code, refused.json()["detail"]) == (403, "This needs the scope contacts:personal.")
    assert (await blind.get(PATH, q="offer")).json()["items"] == []
    assert [each["id"] for each in (await acme.get(PATH, q="offer")).json()["items"]] == [made["id"]]


REFUSED: dict[str, tuple[bytes, str, int]] = {
    "page": (b"<html><script>alert(1)</script>", "text/html", 415),
    "picture with a script": (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml", 415),
    "page as text": (b"\xef\xbb\xbf \n<!DOCTYPE html>", "text/plain", 422),
    "program as octets": (b"MZ\x90\x00" + b"\0" * 5000, "application/octet-stream", 422),
    "program as a document": (b"\x7fELF\x02\x01\x01", KIND, 422),
    "picture as a document": (b"\x89PNG\r\n\x1a\n", KIND, 422),
    "octets as text": (b"a\0b", "text/csv", 422),
    "nothing": (b"", KIND, 422),
    "no type": (PDF, "", 415),
}


@pytest.mark.parametrize(("content", "kind", "status"), REFUSED.values(), ids=list(REFUSED))
async def test_what_is_not_taken_leaves_nothing(
    acme: Tenant, customer: Answer, folder: Path, content: bytes, kind: str, status: int
) -> None:
    name = {"Kith-File-Name": "offer.pdf"}
    answer = await acme.send(f"{UPLOAD}?customer_id={customer['id']}", content, kind, **name)
    assert answer.status_code == status, answer.text
    assert kept(folder) == []
    assert (await acme.get(PATH)).json()["items"] == []


@pytest.mark.parametrize(
    "name", ["%0Ax.pdf", "..%2F..%2Fetc%2Fpasswd", "a%5Cb", "%00", "%E2%80%A8", "%FF", "", "x" * 256, "%20"]
)
async def test_a_name_is_a_name(acme: Tenant, customer: Answer, folder: Path, name: str) -> None:
    answer = await acme.send(f"{UPLOAD}?customer_id={customer['id']}", PDF, KIND, **{"Kith-File-Name": name})
    assert answer.status_code == 422
    assert kept(folder) == []


async def test_it_is_limited_by_size_and_a_tenant_by_all_of_its_own(
    acme: Tenant, other: Tenant, customer: Answer, context: Context, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = receiving.Limits(20_000, 30_000, frozenset({KIND}))
    monkeypatch.setattr(context.contents, "_limits", limits)
    where, name = f"{UPLOAD}?customer_id={customer['id']}", {"Kith-File-Name": "offer.pdf"}
    large = await acme.send(where, PDF * 2, KIND, **name)
    assert refusal(large)[:2] == (413, "content-too-large")
    assert "20000 bytes" in large.json()["detail"]
    in_pieces = await acme.client.post(
        where, content=pieces([PDF, PDF]), headers=acme._authorized() | {"Content-Type": KIND} | name
    )
    assert refusal(in_pieces)[:2] == (413, "content-too-large")
    for _ in range(2):
        await uploaded(acme, customer)
    assert refusal(await acme.send(where, PDF, KIND, **name))[:2] == (409, "attachments-full")
    assert kept(folder) == [PDF, PDF]
    await uploaded(other, await other.made("/v1/customers", kind="person", name="Bo"))


async def pieces(them: Iterable[bytes]) -> AsyncIterator[bytes]:
    for each in them:
        yield each


async def test_what_comes_is_what_was_announced(
    acme: Tenant, customer: Answer, folder: Path, context: Context, postgres: EmbeddedPostgres
) -> None:
    name = {"Kith-File-Name": "offer.pdf"}
    where = f"{UPLOAD}?customer_id={customer['id']}"
    other = sha256(b"other").hexdigest()
    assert refusal(await acme.send(f"{where}&sha256={other}", PDF, KIND, **name)) == (422, "invalid", "sha256")
    lying = acme._authorized() | {"Content-Type": KIND, "Content-Length": "5"} | name
    short = await acme.client.post(where, content=pieces([PDF]), headers=lying)
    assert refusal(short) == (422, "invalid", "content")
    await swept(postgres, context)
    assert kept(folder) == []
    right = await acme.send(f"{where}&sha256={sha256(PDF).hexdigest()}", PDF, KIND, **name)
    assert right.status_code == 201


async def test_what_is_sent_again_is_kept_once(
    acme: Tenant, customer: Answer, folder: Path, postgres: EmbeddedPostgres, context: Context
) -> None:
    first = await uploaded(acme, customer, **{"Idempotency-Key": "once"})
    assert await uploaded(acme, customer, **{"Idempotency-Key": "once"}) == first
    where = f"{UPLOAD}?customer_id={customer['id']}"
    name = {"Kith-File-Name": "offer.pdf"}
    other = await acme.send(where, PDF + b"!", KIND, **name, **{"Idempotency-Key": "once"})
    assert refusal(other)[1] == "idempotency-key-reused"
    own = [await acme.send(f"{where}&external_id=o-1", PDF, KIND, **name) for _ in range(2)]
    assert [each.json()["version"] for each in own] == [1, 1]
    taken = await acme.send(f"{where}&external_id=o-1", PDF + b"!", KIND, **name)
    assert refusal(taken)[::2] == (409, "external_id")
    await swept(postgres, context)
    assert kept(folder) == [PDF, PDF]
    assert len((await acme.get(PATH)).json()["items"]) == 2


async def test_who_goes_away_half_way_leaves_nothing(
    acme: Tenant, customer: Answer, folder: Path, context: Context, postgres: EmbeddedPostgres
) -> None:
    """And while it sends, it holds no connection to the database."""
    both = asyncio.Barrier(3)

    async def slow() -> AsyncIterator[bytes]:
        yield PDF
        await both.wait()
        await asyncio.Event().wait()

    headers = acme._authorized() | {"Content-Type": KIND, "Kith-File-Name": "x.pdf"}
    where = f"{UPLOAD}?customer_id={customer['id']}"
    sending = [asyncio.create_task(acme.client.post(where, content=slow(), headers=headers)) for _ in range(2)]
    await both.wait()
    assert context.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert (await acme.get("/v1/customers")).status_code == 200
    for each in sending:
        each.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    assert kept(folder) == []
    await a_day_passes(postgres, acme)
    made = await uploaded(acme, customer)
    await swept(postgres, context)
    assert await sizes(postgres, acme) == [made["size"]]


async def test_what_nobody_has_attached_goes_after_a_day_and_the_rest_stays(
    acme: Tenant, customer: Answer, folder: Path, context: Context, postgres: EmbeddedPostgres
) -> None:
    await acme.send(f"{PATH}/content", PDF + b"left over", KIND)
    made = await uploaded(acme, customer)
    await swept(postgres, context)
    assert len(kept(folder)) == 2
    await a_day_passes(postgres, acme)
    await swept(postgres, context)
    assert kept(folder) == [PDF]
    assert (await acme.get(f"{PATH}/{made['id']}/content")).content == PDF


@pytest.mark.parametrize("whose", ["contact", "customer"])
async def test_who_is_erased_is_erased_with_what_is_attached(
    acme: Tenant, contact: Answer, folder: Path, context: Context, postgres: EmbeddedPostgres, whose: str
) -> None:
    where = f"{UPLOAD}?contact_id={contact['id']}"
    made = (await acme.send(where, PDF, KIND, **{"Kith-File-Name": "Ann%20Berg.pdf"})).json()
    id = contact["id" if whose == "contact" else "customer_id"]
    assert (await acme.post(f"/v1/{whose}s/{id}:erase", {})).status_code == 200
    await swept(postgres, context)
    shown = (await acme.get(f"{PATH}/{made['id']}")).json()
    assert (shown["file_name"], shown["sha256"], shown["size"]) == (None, None, len(PDF))
    assert kept(folder) == []
    assert (await acme.get(f"{PATH}/{made['id']}/content")).status_code == 404
    history = (await acme.get(f"{PATH}/{made['id']}/history")).text
    assert "Ann Berg" not in history
    assert made["sha256"] not in history


async def test_a_store_that_fails_is_not_the_callers_doing(
    acme: Tenant, customer: Answer, context: Context, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await uploaded(acme, customer)
    shutil.rmtree(folder)
    before = faults()
    lost = await acme.get(f"{PATH}/{made['id']}/content")
    assert refusal(lost)[:2] == (500, "internal")

    async def full(*_: Any) -> None:
        raise StoreFault("The store cannot be used: No space left on device.")

    monkeypatch.setattr(FolderStore, "put", full)
    where, name = f"{UPLOAD}?customer_id={customer['id']}", {"Kith-File-Name": "offer.pdf"}
    assert refusal(await acme.send(where, PDF, KIND, **name))[:2] == (503, "unavailable")
    assert {each: count - before[each] for each, count in faults().items()} == {"lost": 1, "put": 1}
    monkeypatch.setitem(vars(context), "contents", None)
    assert refusal(await acme.send(where, PDF, KIND, **name))[:2] == (503, "unavailable")


async def test_what_cannot_be_removed_holds_up_nothing_else(
    acme: Tenant, customer: Answer, context: Context, folder: Path, postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for made in [await uploaded(acme, customer) for _ in range(3)]:
        assert (await acme.post(f"{PATH}/{made['id']}:erase", {})).status_code == 200
    drop, refused = FolderStore.drop, set[UUID]()

    async def locked(store: FolderStore, tenant: str, id: UUID) -> None:
        if tenant == acme.name and refused in (set(), {id}):
            refused.add(id)
            raise StoreFault("The store cannot be used: the object is locked.")
        await drop(store, tenant, id)

    monkeypatch.setattr(FolderStore, "drop", locked)
    with pytest.raises(StoreFault, match="is locked"):
        await swept(postgres, context)
    assert len(kept(folder)) == 1
    monkeypatch.setattr(FolderStore, "drop", drop)
    await swept(postgres, context)
    assert kept(folder) == []


async def test_what_is_lost_and_what_is_left_over_is_found(
    acme: Tenant, customer: Answer, folder: Path, context: Context, postgres: EmbeddedPostgres
) -> None:
    await uploaded(acme, customer)
    (whole,) = (each for each in folder.rglob("*") if each.is_file())  # noqa: ASYNC240 - of this test alone
    left = whole.with_name(whole.name[:-1] + ("1" if whole.name[-1] == "0" else "0"))
    left.write_bytes(PDF)
    os.utime(left, (0, 0))
    engine = create_engine(postgres.url("kith_contacts"), role=WORKER_ROLE, pool_size=1, application="worker")
    assert context.contents is not None
    store = context.contents.store

    async def found() -> tuple[list[str], list[str]]:
        async with engine.connect() as connection:
            gone = [each.id.hex async for each in lost(connection, store) if each.tenant == acme.name]
            return gone, [each.id.hex async for each in unknown(connection, store) if each.tenant == acme.name]

    try:
        assert await found() == ([], [left.name])
        whole.unlink()
        assert await found() == ([whole.name], [left.name])
    finally:
        await engine.dispose()


async def test_a_tenant_that_is_removed_has_nothing_in_the_store(
    acme: Tenant, other: Tenant, customer: Answer, folder: Path, attachments_folder: Path, postgres: EmbeddedPostgres
) -> None:
    await uploaded(acme, customer)
    await uploaded(other, await other.made("/v1/customers", kind="person", name="Bo"))
    settings = ContactsSettings(
        database_url=postgres.url("kith_contacts"), port=0, attachments_folder=attachments_folder
    )
    await asyncio.to_thread(cli.run, SERVICE, settings, ["remove", "--tenant", acme.name, "--confirm", acme.name])
    assert kept(folder) == []
    assert kept(attachments_folder / "contacts" / other.name) == [PDF]
    name = {"Kith-File-Name": "offer.pdf"}
    refused = await acme.send(f"{UPLOAD}?customer_id={customer['id']}", PDF, KIND, **name)
    assert refusal(refused)[:2] == (403, "tenant-removed")
