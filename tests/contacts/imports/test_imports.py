"""Imports: rows become records by the rules of the API, none is lost or done twice, and those that are refused say
why."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import FreshDatabase
from tests.kith.tenants.filled import tables_with

from contacts.erasure.confirming import confirming
from contacts.resources import IMPORTED
from contacts.service import SERVICE
from contacts.tables import idempotency, outbox
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.ids import new_id
from kith.imports import run as running
from kith.imports import uploads
from kith.imports.forgetting import REASON
from kith.imports.rows import Wiring
from kith.imports.run import Importer, sweep
from kith.imports.tables import IMPORTS
from kith.jobs.runner import Jobs
from kith.nouns import batch
from kith.testing import Issuer, Tenant, serving

IMPORTER = Importer(IMPORTED, Wiring("contacts", outbox, idempotency))
JOBS = Jobs(IMPORTS, dict.fromkeys(("customer", "contact"), IMPORTER.run))


@pytest.fixture(scope="module")
async def url(fresh_database: FreshDatabase) -> str:
    """A database of this file's own: a step takes any tenant's import."""
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
def us(api: httpx.AsyncClient, issuer: Issuer, tenant: str) -> Tenant:
    return Tenant(api, issuer, tenant)


async def sent(us: Tenant, content: str | bytes, kind: str = "text/csv", **asked: Any) -> dict[str, Any]:
    job = await us.made("/v1/imports", **{"noun": "customer", **asked})
    answer = await us.client.put(
        f"/v1/imports/{job['id']}/content", content=content, headers={**us._authorized(), "Content-Type": kind}
    )
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def imported(us: Tenant, engine: AsyncEngine, content: str | bytes, **asked: Any) -> dict[str, Any]:
    job = await sent(us, content, **asked)
    while await JOBS.step(engine):
        pass
    return await look(us, job)


async def look(us: Tenant, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await us.get(f"/v1/imports/{job['id']}")).json()
    return found


def counts(job: dict[str, Any]) -> dict[str, int]:
    return {name: number for name, number in job["report"].items() if name != "faults" and number}


async def customers(us: Tenant, **query: Any) -> dict[str, dict[str, Any]]:
    return {each["external_id"]: each for each in (await us.get("/v1/customers", first=500, **query)).json()["items"]}


async def faults(us: Tenant, job: dict[str, Any]) -> list[dict[str, str]]:
    answer = await us.get(f"/v1/imports/{job['id']}/faults")
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_rows_become_records_and_again_change_nothing(us: Tenant, engine: AsyncEngine) -> None:
    file = (
        "\ufeffexternal_id;Name;Kind;Segment;Tags;Nobody\r\n"
        'a;"Kaffee; ""Kuchen""";organisation;office;x;"1\r\n\r\n""2"""\r\n'
        "b;Müller;person;;y;2\r\n\r\n"
    )
    job = await imported(us, engine, file)
    assert (job["state"], counts(job), job["done"], job["total"]) == ("done", {"created": 2}, 3, 3)
    assert job["params"]["mapping"] == {
        "external_id": "external_id",
        "Name": "name",
        "Kind": "kind",
        "Segment": "segment",
        "Tags": "tags",
        "Nobody": None,
    }
    found = await customers(us)
    assert (found["a"]["name"], found["a"]["tags"], found["b"]["segment"]) == (
        'Kaffee; "Kuchen"',
        ["x"],
        None,
    )
    history = (await us.get(f"/v1/customers/{found['a']['id']}/history")).json()["items"]
    assert [each["command"] for each in history] == ["create"]
    assert counts(await imported(us, engine, file)) == {"unchanged": 2}
    changed = await imported(us, engine, file.replace("office", "home"))
    assert counts(changed) == {"updated": 1, "unchanged": 1}
    assert (await customers(us))["a"]["segment"] == "home"


async def test_each_row_that_is_refused_says_why_in_a_file_that_can_be_mended(us: Tenant, engine: AsyncEngine) -> None:
    file = (
        "external_id,name,kind\n"
        "a,A,organisation\n"
        "b,B,company\n"
        ",,person\n"
        'c,"=cmd()",person\n'
        "d,D,person,too,many\n"
        'e,"E" F,person\n'
    )
    job = await imported(us, engine, file)
    assert counts(job) == {"created": 2, "failed": 4}
    assert [(each["row"], each["field"]) for each in job["report"]["faults"]] == [
        (3, "kind"),
        (4, "name"),
        (6, None),
        (7, None),
    ]
    found = await faults(us, job)
    assert [(each["external_id"], each["import_row"]) for each in found] == [
        ("b", "3"),
        ("", "4"),
        ("d", "6"),
        ("e", "7"),
    ] or found
    assert "organisation" in found[0]["import_reason"]
    assert (await customers(us))["c"]["name"] == "=cmd()"
    hidden = await faults(us.without("contacts:personal"), job)
    assert set(hidden[0]) == {"import_row", "import_field", "import_reason"}


async def test_a_dry_run_says_what_would_be_done_and_is_then_applied(us: Tenant, engine: AsyncEngine) -> None:
    await us.made("/v1/customers", kind="person", name="B", external_id="b")
    file = "external_id,name,kind\na,A,person\nb,Bea,person\nc,C,nobody\n"
    job = await imported(us, engine, file, dry_run=True)
    expected = {"created": 1, "updated": 1, "failed": 1}
    assert (counts(job), set(await customers(us))) == (expected, {"b"})
    applied = await us.post(f"/v1/imports/{job['id']}:apply", {})
    assert (applied.status_code, applied.json()["state"]) == (200, "requested")
    while await JOBS.step(engine):
        pass
    assert (counts(await look(us, job)), set(await customers(us))) == (expected, {"a", "b"})
    assert len(await faults(us, job)) == 1
    assert (await us.post(f"/v1/imports/{job['id']}:apply", {})).status_code == 409


async def test_values_relations_and_custom_fields_have_columns(us: Tenant, engine: AsyncEngine) -> None:
    for code, kind in (("vat", "text"), ("seats", "number"), ("areas", "multi_choice")):
        choices = {"choices": ["north", "south"]} if kind == "multi_choice" else {}
        unique = {"unique": True, "personal": False} if code == "vat" else {}
        await us.made(
            "/v1/field-definitions", of_noun="customer", code=code, value_type=kind, label=code, **choices, **unique
        )
    file = (
        "external_id,name,kind,parent,City,Country,vat,seats,areas\n"
        "hq,Head,organisation,,Oslo,NO,V1,12,north;south\n"
        "shop,Shop,organisation,hq,Bergen,NO,V2,3.5,\n"
        "kiosk,Kiosk,organisation,shop,,,V2,1,west\n"
        "stand,Stand,organisation,nowhere,,,,,\n"
    )
    mapping = {
        **{each: each for each in ("external_id", "name", "kind")},
        "parent": "parent.external_id",
        "City": "addresses.city",
        "Country": "addresses.country",
        **{each: f"custom.{each}" for each in ("vat", "seats", "areas")},
    }
    job = await imported(us, engine, file, mapping=mapping)
    assert counts(job) == {"created": 2, "failed": 2}, job
    found = await customers(us)
    assert found["shop"]["parent_id"] == found["hq"]["id"]
    assert (found["hq"]["addresses"][0]["city"], found["hq"]["custom"]) == (
        "Oslo",
        {"areas": ["north", "south"], "seats": 12.0, "vat": "V1"},
    )
    assert {each["field"] for each in job["report"]["faults"]} == {"custom.areas", "parent.external_id"}
    by_vat = "vat,Segment\nV2,retail\nV9,none\n,none\n"
    asked = {"mapping": {"vat": "custom.vat", "Segment": "segment"}, "match_by": "custom.vat", "mode": "update"}
    assert counts(await imported(us, engine, by_vat, **asked)) == {"updated": 1, "failed": 2}
    assert (await customers(us))["shop"]["segment"] == "retail"


async def test_contacts_are_matched_by_their_primary_email(us: Tenant, engine: AsyncEngine) -> None:
    await us.made("/v1/customers", kind="organisation", name="A", external_id="a")
    file = (
        "customer,name,email,phone\na,Ann,Ann@EXAMPLE.com,+4930901820\na,Bea,bea@example.com,\n"
        "a,Anna,Ann@example.com,\n"
    )
    mapping = {"customer": "customer.external_id", "name": "name", "email": "email", "phone": "phone"}
    asked = {"noun": "contact", "mapping": mapping, "match_by": "email"}
    job = await imported(us, engine, file, **asked)
    assert counts(job) == {"created": 2, "updated": 1}, job
    found = {each["email"]: each for each in (await us.get("/v1/contacts")).json()["items"]}
    assert found["Ann@example.com"]["name"] == "Anna"
    assert found["Ann@example.com"]["phone"] == "+4930901820"
    again = await imported(us, engine, file.replace("Anna", "Anne"), noun="contact", match_by="email")
    assert again["params"]["mapping"] == mapping
    assert counts(again)["updated"] == 2


async def test_who_only_creates_may_skip_or_fail_what_is_there(us: Tenant, engine: AsyncEngine) -> None:
    file = "external_id,name,kind\na,A,person\na,B,person\n"
    assert counts(await imported(us, engine, file, mode="create")) == {"created": 1, "skipped": 1}
    assert counts(await imported(us, engine, file, mode="create", on_duplicate="fail")) == {"failed": 2}
    assert counts(await imported(us, engine, "external_id,name\nb,B\na,Z\n", mode="update")) == {
        "updated": 1,
        "failed": 1,
    }
    cleared = "external_id,segment\na,\n"
    await imported(us, engine, "external_id,segment\na,s\n")
    await imported(us, engine, cleared)
    assert (await customers(us))["a"]["segment"] == "s"
    await imported(us, engine, cleared, blanks="clear")
    assert (await customers(us))["a"]["segment"] is None


async def test_lines_of_json_are_taken_as_the_api_takes_them(us: Tenant, engine: AsyncEngine) -> None:
    file = (
        '{"external_id": "a", "name": "A", "kind": "person", "addresses": [{"city": "Oslo"}]}\n'
        '{"external_id": "b", "name": "B", "kind": "person"}\n'
        '{"external_id": "c", "name": 3, "kind": "person"}\nno json\n'
        '{"end": {"rows": 3}}\n'
    )
    job = await imported(us, engine, file, kind="application/x-ndjson", format="ndjson")
    assert counts(job) == {"created": 2, "failed": 2}
    assert (await customers(us))["a"]["addresses"][0]["city"] == "Oslo"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "empty"),
        (b"a,\xff\n", "UTF-8"),
        (b"\xff\xfea\x00,\x00", "UTF-8"),
        (b"name,name\n", "two columns"),
        (b"external_id,,name\n", "names the columns"),
        (b'external_id\n"open', "not closed"),
        (b"external_id\n" + b"x" * 300_000, "longer"),
        (b"name\nA\n", "No column is mapped to external_id"),
    ],
)
async def test_a_content_that_cannot_be_read_is_refused_and_leaves_nothing(
    us: Tenant, engine: AsyncEngine, content: bytes, rule: str
) -> None:
    job = await us.made("/v1/imports", noun="customer")
    headers = {**us._authorized(), "Content-Type": "text/csv"}
    answer = await us.client.put(f"/v1/imports/{job['id']}/content", content=content, headers=headers)
    assert (answer.status_code, rule in answer.text) == (422, True), answer.text
    assert (await look(us, job))["state"] == "waiting"
    async with engine.connect() as connection:
        left = text("SELECT count(*) FROM import_pieces WHERE tenant_id = :tenant")
        assert await connection.scalar(left, {"tenant": us.name}) == 0


async def test_an_import_is_checked_before_its_content_is_sent(us: Tenant, tenant: str, other_tenant: str) -> None:
    for wrong, field in (
        ({"noun": "order"}, "noun"),
        ({"format": "xls"}, "format"),
        ({"mode": "merge"}, "mode"),
        ({"delimiter": "x"}, "delimiter"),
        ({"mapping": {"a": "nowhere"}}, "mapping.a"),
        ({"mapping": {"a": "addresses.99.city"}}, "mapping.a"),
        ({"mapping": {"a": "custom_fields"}}, "mapping.a"),
        ({"match_by": "name.first"}, "match_by"),
    ):
        answer = await us.post("/v1/imports", {"noun": "customer", **wrong})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    job = await us.made("/v1/imports", noun="customer")
    path = f"/v1/imports/{job['id']}"
    them = Tenant(us.client, us.issuer, other_tenant)
    assert (await them.get(path)).status_code == 404
    assert (await them.get(f"{path}/faults")).status_code == 404
    assert (await us.without("contacts:write").post("/v1/imports", {"noun": "customer"})).status_code == 403
    for kind, status in (("text/plain", 415), ("application/json", 415)):
        headers = {**us._authorized(), "Content-Type": kind}
        assert (await us.client.put(f"{path}/content", content=b"a", headers=headers)).status_code == status
    for one in (them, us):
        headers = {**one._authorized(), "Content-Type": "text/csv"}
        status = (await us.client.put(f"{path}/content", content=b"external_id\n", headers=headers)).status_code
        assert status == (202 if one is us else 404)
    assert (await us.client.put(f"{path}/content", content=b"external_id\n", headers=headers)).status_code == 409
    suggested = (await us.post("/v1/imports:suggest", {"noun": "contact", "columns": ["E-Mail", "Name", "x"]})).json()
    assert suggested["mapping"] == {"E-Mail": "email", "Name": "name", "x": None}


async def test_what_says_who_is_there_takes_the_scopes_to_see_it(us: Tenant) -> None:
    defined = {"of_noun": "customer", "value_type": "text", "label": "Number", "unique": True, "filterable": True}
    for code, personal in (("tax_id", True), ("branch", False)):
        await us.made("/v1/field-definitions", **defined, code=code, personal=personal)
    blind = us.without("contacts:personal")
    for noun, match_by, status in (
        ("contact", "email", 403),
        ("customer", "name", 403),
        ("customer", "custom.tax_id", 403),
        ("customer", "custom_personal.tax_id", 403),
        ("customer", "custom.branch", 201),
        ("customer", "external_id", 201),
    ):
        asked = {"noun": noun, "match_by": match_by}
        assert (await blind.post("/v1/imports", asked)).status_code == status, match_by
    refused = await us.without("contacts:read").post("/v1/imports", {"noun": "customer"})
    assert (refused.status_code, refused.json()["detail"]) == (403, "This needs the scope contacts:read.")


async def test_an_import_that_is_cut_off_goes_on_without_loss_or_double(
    us: Tenant, engine: AsyncEngine, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PIECE_ROWS", 50)
    rows = 500
    file = "name,kind\n" + "".join(f"N{n},person\n" for n in range(rows))

    class Killed(BaseException):
        """The process ends: nothing is put back, and what was not committed is not there."""

    kept, before = running._keep, [0]

    async def dies_in_the_third_piece(*given: Any) -> None:
        before[0] += 1
        if before[0] == 3:
            raise Killed
        await kept(*given)

    while await JOBS.step(engine):
        pass
    job = await sent(us, file, mode="create")
    monkeypatch.setattr(running, "_keep", dies_in_the_third_piece)
    with pytest.raises(Killed):
        await Jobs(IMPORTS, JOBS.kinds, lease=timedelta(seconds=0.01)).step(engine)
    assert ((await look(us, job))["state"], (await look(us, job))["done"]) == ("running", 100)
    while await JOBS.step(engine):
        pass
    assert counts(await look(us, job)) == {"created": rows}
    async with engine.connect() as connection:
        for table, number in (("customers", rows), ("outbox", rows), ("import_pieces", 0)):
            found = text(f"SELECT count(*) FROM {table} WHERE tenant_id = :tenant")  # noqa: S608 - a constant
            assert await connection.scalar(found, {"tenant": tenant}) == number


async def test_one_row_that_breaks_the_machine_is_refused_alone(
    us: Tenant, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out = batch.carry_out

    async def breaks(transaction: Any, resource: Any, calls: Any, **more: Any) -> Any:
        if any(call.input.name == "poison" for call in calls):
            raise ValueError("a bug of ours")
        return await carry_out(transaction, resource, calls, **more)

    monkeypatch.setattr("kith.imports.rows.carry_out", breaks)
    job = await imported(us, engine, "external_id,name,kind\na,A,person\nb,poison,person\nc,C,person\n")
    assert (counts(job), set(await customers(us))) == ({"created": 2, "failed": 1}, {"a", "c"})


async def test_an_import_is_paused_resumed_and_cancelled_over_graphql(us: Tenant, engine: AsyncEngine) -> None:
    made = await us.ask('mutation {createImport(input: {noun: "customer", mode: "create"}) {... on Import {id state}}}')
    id = made["createImport"]["id"]
    headers = {**us._authorized(), "Content-Type": "text/csv"}
    await us.client.put(f"/v1/imports/{id}/content", content="name,kind\nA,person\n", headers=headers)
    for verb, state in (("pause", "paused"), ("resume", "requested"), ("cancel", "cancelled")):
        done = await us.ask(f"mutation($id: UUID!) {{done: {verb}Import(id: $id) {{... on Import {{state}}}}}}", id=id)
        assert done["done"] == {"state": state}
    assert not await JOBS.step(engine)
    refused = await us.ask("mutation($id: UUID!) {pauseImport(id: $id) {... on Problem {code}}}", id=id)
    assert refused["pauseImport"]["code"] == "CONFLICT"
    asked = await us.ask("query($id: UUID!) {import(id: $id) {state params} imports {nodes {id}}}", id=id)
    assert (asked["import"]["state"], asked["imports"]["nodes"]) == ("cancelled", [{"id": id}])


async def test_what_nobody_will_import_any_more_is_swept(us: Tenant, engine: AsyncEngine, tenant: str) -> None:
    waiting = await us.made("/v1/imports", noun="customer")
    tried = await imported(us, engine, "external_id,name,kind\na,,person\n", dry_run=True)
    due = await sent(us, "name,kind\nA,person\n", mode="create")
    async with engine.begin() as connection:
        for aged in (
            "UPDATE import_pieces SET written_at = now() - interval '25 hours'",
            "UPDATE imports SET requested_at = now() - interval '25 hours'",
            "UPDATE imports SET finished_at = finished_at - interval '31 days'",
        ):
            await connection.execute(text(f"{aged} WHERE tenant_id = :tenant"), {"tenant": tenant})
    while await sweep(engine):
        pass
    assert [(await look(us, each))["state"] for each in (waiting, tried, due)] == ["cancelled", "done", "requested"]
    assert await faults(us, tried) == []
    while await JOBS.step(engine):
        pass
    assert counts(await look(us, due)) == {"created": 1}
    await us.post(f"/v1/imports/{tried['id']}:apply", {})
    while await JOBS.step(engine):
        pass
    assert "import it anew" in (await look(us, tried))["reason"]


async def test_an_export_to_csv_is_safe_to_open_and_is_imported_again(us: Tenant, engine: AsyncEngine) -> None:
    await us.made("/v1/field-definitions", of_noun="customer", code="note", value_type="text", label="Note")
    made = await us.made(
        "/v1/customers",
        kind="organisation",
        name=" =HYPERLINK(1)",
        external_id="a",
        segment="@x",
        tags=["a", "b"],
        addresses=[{"city": "+1"}],
        custom_personal={"note": "-2"},
    )
    headers = {**us._authorized(), "Accept": "text/csv"}
    exported = (await us.client.get("/v1/customers:export", headers=headers)).text
    (row,) = csv.DictReader(io.StringIO(exported))
    assert (row["name"], row["segment"], row["tags"]) == ("'=HYPERLINK(1)", "'@x", "a;b")
    assert row["custom_personal.note"] == "'-2"
    assert counts(await imported(us, engine, exported)) == {"unchanged": 1}
    assert counts(await imported(us, engine, exported.replace(",a,", ",b,", 1))) == {"created": 1}
    again = (await customers(us))["b"]
    kept = ("name", "segment", "tags", "addresses", "custom_personal")
    assert {name: again[name] for name in kept} == {name: made[name] for name in kept}
    hidden = {**us.without("contacts:personal")._authorized(), "Accept": "text/csv"}
    header = (await us.client.get("/v1/customers:export", headers=hidden)).text.splitlines()[0].split(",")
    assert not {"name", "website", "custom_personal.note"} & set(header)


async def test_contacts_that_were_exported_are_imported_again_as_they_are(us: Tenant, engine: AsyncEngine) -> None:
    customer = await us.made("/v1/customers", kind="organisation", name="Tea", external_id="t")
    await us.made(
        "/v1/contacts",
        customer_id=customer["id"],
        name="Ada",
        external_id="a",
        role="buyer",
        emails=[{"address": "a@tea.example"}, {"address": "b@tea.example", "primary": True}],
        phones=[{"number": "+43 1 58058"}],
    )
    headers = {**us._authorized(), "Accept": "text/csv"}
    exported = (await us.client.get("/v1/contacts:export", headers=headers)).text
    job = await imported(us, engine, exported, noun="contact")
    assert counts(job) == {"unchanged": 1}, job["report"]
    assert counts(await imported(us, engine, exported.replace("Ada", "Ida"), noun="contact")) == {"updated": 1}
    another = exported.replace(",a,", ",c,", 1)
    assert counts(await imported(us, engine, another, noun="contact")) == {"created": 1}
    made = {each["external_id"]: each for each in (await us.get("/v1/contacts")).json()["items"]}
    assert made["c"]["emails"] == made["a"]["emails"]


async def test_a_file_of_refused_rows_goes_where_the_file_went_that_was_sent(us: Tenant, engine: AsyncEngine) -> None:
    mapping = {"Nr": "external_id", "Wer": "name", "Art": "kind"}
    job = await imported(us, engine, "Nr;Wer;Art\na;A;person\nb;B;human\n", mapping=mapping)
    refused = (await us.client.get(f"/v1/imports/{job['id']}/faults", headers=us._authorized())).text
    again = await imported(us, engine, refused.replace(",human,", ",person,", 1))
    assert counts(again) == {"created": 1}, again["report"]


async def test_whoever_is_erased_goes_from_refused_rows_and_from_what_was_sent(
    us: Tenant, engine: AsyncEngine, url: str
) -> None:
    word = f"kanari{new_id().hex}"
    fields = {"name": f"Ann {word}", "email": f"{word}x@before.example"}
    shop = await us.made("/v1/customers", kind="organisation", name="Shop", external_id="shop")
    ann = await us.made("/v1/contacts", customer_id=shop["id"], **fields)
    await us.post(f"/v1/contacts/{ann['id']}:amend", {"email": f"new@{word}.example"})
    file = (
        "customer.external_id,Name,Email,Language\n"
        f'shop,"{word.upper()}, ann",,de\n'
        f"no-{word},Ann {word},,de\n"  # the reason quotes it
        f"shop,Who,{word}X@Before.example,?\n"  # as it was before
        "shop,Bob,bob@stays.example,?\n"
    )
    asked = {"noun": "contact", "mode": "create"}
    await imported(us, engine, file, **asked)
    dry = await imported(us, engine, file.replace("shop,Bob", "shop,Bill"), **asked, dry_run=True)
    other = await imported(us, engine, "customer.external_id,Name\nshop,Carl", **asked, dry_run=True)
    begun = await sent(us, file, **asked)
    step = confirming().step
    for each in (await us.get("/v1/contacts", q=word)).json()["items"]:
        assert (await us.post(f"/v1/contacts/{each['id']}:erase", {})).status_code == 200
    assert not await step(engine), "what is under way may come to name her"
    await us.post(f"/v1/imports/{begun['id']}:cancel", {})
    owner = await asyncpg.connect(url)
    try:
        assert await tables_with(owner, word) == {f"public.{each}" for each in ("erasures", "import_faults", "imports")}
        while await step(engine):
            pass
        assert await tables_with(owner, word) == set()
        told = await owner.fetch("SELECT data FROM outbox WHERE type LIKE '%erasure.confirmed%' ORDER BY seq")
    finally:
        await owner.close()
    assert sum(json.loads(each["data"])["records"].get("import_rows", 0) for each in told) == 4
    rows = await faults(us, dry)
    assert [(each["import_row"], each["import_field"], each["Name"]) for each in rows] == [
        ("3", "customer.external_id", ""),
        ("4", "language", ""),
        ("5", "language", "Bill"),
    ]
    told_by = [[each["reason"] == REASON for each in job["report"]["faults"]] for job in (dry, await look(us, dry))]
    assert told_by == [[False] * 3, [True, True, False]]
    for job, ends in ((dry, "failed"), (other, "done")):
        await us.post(f"/v1/imports/{job['id']}:apply", {})
        while await JOBS.step(engine):
            pass
        assert (await look(us, job))["state"] == ends, "a content that names her is not there any more"
