"""All that a service holds of a tenant, as files: complete, of one instant, and nobody else's."""

import asyncio
import json
import stat
import tracemalloc
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from tests.conftest import FreshDatabase
from tests.kith.tenants.filled import fill

from analytics.service import SERVICE as ANALYTICS
from contacts.service import SERVICE as CONTACTS
from kith.db.connections import Database
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.runtime.progress import Silent
from kith.runtime.service import Service
from kith.runtime.settings import Settings
from kith.tenants import cli, export
from kith.tenants.export import MANIFEST, ExportRefused, Manifest, export_tenant
from kith.testing import Issuer, Tenant, serving
from sales.service import SERVICE as SALES
from service_desk.service import SERVICE as SERVICE_DESK

Serve = Callable[[Service], Awaitable[httpx.AsyncClient]]


def lines_of(folder: Path, table: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_bytes().splitlines()]


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.fixture
async def sales(fresh_database: FreshDatabase, issuer: Issuer, tenant: str) -> AsyncIterator[tuple[str, Tenant]]:
    url = await fresh_database(SALES)
    async with serving(SALES, url, issuer) as client:
        yield url, Tenant(client, issuer, tenant)


@pytest.fixture
async def database(sales: tuple[str, Tenant]) -> AsyncIterator[Database]:
    database = Database(sales[0], pool_size=1, application="kith test")
    yield database
    await database.close()


async def exported(database: Database, tenant: str, to: Path, progress: Silent | None = None) -> Manifest:
    return await export_tenant(database, "sales", SALES.outbox.metadata, tenant=tenant, to=to, progress=progress)


async def place_order(shop: Tenant, amount: str = "123456789012.3456") -> dict[str, Any]:
    return await shop.made("/v1/orders", value=amount, currency="CLF")


async def test_each_row_of_the_tenant_is_a_line_that_is_read_without_kith(
    sales: tuple[str, Tenant], tmp_path: Path, other_tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url, shop = sales
    order = await place_order(shop)
    await place_order(Tenant(shop.client, shop.issuer, other_tenant))
    folder = tmp_path / "export"
    words = ["export", "--tenant", shop.name, "--to", str(folder)]
    await asyncio.to_thread(cli.run, SALES, Settings(database_url=url, port=0), words)
    assert "2 rows as of" in capsys.readouterr().out
    (row,) = lines_of(folder, "orders")
    assert row["id"] == order["id"]
    assert row["tenant_id"] == shop.name
    assert row["value"] == "123456789012.3456"
    assert datetime.fromisoformat(row["created_at"]).utcoffset() is not None
    (event,) = lines_of(folder, "outbox")
    assert event["type"] == "sales.order.placed.v1"
    assert event["data"]["value"] == "123456789012.3456"
    assert other_tenant not in "".join((folder / name).read_text() for name in names_in(folder))


async def test_the_manifest_says_what_there_is(sales: tuple[str, Tenant], database: Database, tmp_path: Path) -> None:
    for _ in range(3):
        await place_order(sales[1])
    await exported(database, sales[1].name, tmp_path / "export")
    manifest = json.loads((tmp_path / "export" / MANIFEST).read_bytes())
    assert manifest["service"] == "sales"
    assert manifest["revision"]
    assert datetime.fromisoformat(manifest["at"]).tzinfo is not None
    rows = {each["table"]: each["rows"] for each in manifest["tables"]}
    assert rows["orders"] == rows["outbox"] == 3
    for each in manifest["tables"]:
        content = (tmp_path / "export" / each["file"]).read_bytes()
        assert sha256(content).hexdigest() == each["sha256"]
        assert content.count(b"\n") == each["rows"]
    assert names_in(tmp_path / "export") == sorted([MANIFEST, *(each["file"] for each in manifest["tables"])])


async def test_nobody_else_may_read_it(sales: tuple[str, Tenant], database: Database, tmp_path: Path) -> None:
    await exported(database, sales[1].name, tmp_path / "export")
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o700
    for name in names_in(tmp_path / "export"):
        assert stat.S_IMODE((tmp_path / "export" / name).stat().st_mode) == 0o600


async def test_bytes_are_the_json_that_they_are_or_base64(
    sales: tuple[str, Tenant], database: Database, tmp_path: Path
) -> None:
    url, shop = sales
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test")
    put = text(
        'INSERT INTO dead_letters (group_name, topic, partition, "offset", message_key, value, headers, tenant_id, '
        "reason, parked, attempts) VALUES ('sales', 'kith.analytics', 0, :offset, :key, :value, '[]', :tenant, '', "
        "false, 1)"
    )
    async with engine.begin() as connection:
        for offset, value in enumerate([b'{"a":\n 1.50}', b'{"a": ', b"\xff\x00"]):
            key = b"1234567890123456"
            await connection.execute(put, {"offset": offset, "key": key, "value": value, "tenant": shop.name})
    await engine.dispose()
    await exported(database, shop.name, tmp_path / "export")
    structured, broken, octets = lines_of(tmp_path / "export", "dead_letters")
    assert structured["value"] == {"a": 1.5}
    assert b64decode(broken["value_base64"]) == b'{"a": '
    assert b64decode(octets["value_base64"]) == b"\xff\x00"
    assert b64decode(octets["message_key_base64"]) == b"1234567890123456"


async def test_all_is_of_one_instant(sales: tuple[str, Tenant], database: Database, tmp_path: Path) -> None:
    _, shop = sales
    await place_order(shop)
    write = export._write_table

    async def after_another(driver: Any, table: Any, *rest: Any) -> Any:
        if table.name == "outbox":  # after the orders
            await place_order(shop)
        return await write(driver, table, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_write_table", after_another)
        await exported(database, shop.name, tmp_path / "export")
    assert len(lines_of(tmp_path / "export", "orders")) == len(lines_of(tmp_path / "export", "outbox")) == 1


async def test_it_is_there_whole_or_not_at_all(
    sales: tuple[str, Tenant], database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = export._write_table

    async def breaking(driver: Any, table: Any, *rest: Any) -> Any:
        if table.name == "outbox":
            raise OSError(28, "No space left on device")
        return await write(driver, table, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(export, "_write_table", breaking)
        with pytest.raises(OSError, match="No space"):
            await exported(database, sales[1].name, tmp_path / "export")
    assert names_in(tmp_path) == []
    (tmp_path / ".export.unfinished").mkdir()  # as a killed run leaves it
    (tmp_path / ".export.unfinished" / "orders.jsonl").write_text("half a l")
    await exported(database, sales[1].name, tmp_path / "export")
    assert names_in(tmp_path) == ["export"]
    with pytest.raises(ExportRefused, match="something in"):
        await exported(database, sales[1].name, tmp_path / "export")


async def test_no_table_is_in_memory(sales: tuple[str, Tenant], database: Database, tmp_path: Path) -> None:
    url, shop = sales
    engine = create_engine(url, role=WORKER_ROLE, pool_size=1, application="test")
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO idempotency (tenant_id, key, subject, fingerprint, outcome, recorded_at) "
                "SELECT :tenant, n, gen_random_uuid(), 0, convert_to(to_json(repeat('x', 2000))::text, 'UTF8'), now() "
                "FROM generate_series(1, 20000) n"
            ),
            {"tenant": shop.name},
        )
    await engine.dispose()
    await exported(database, shop.name, tmp_path / "warm")
    tracemalloc.start()
    await exported(database, shop.name, tmp_path / "export")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "export" / "idempotency.jsonl").stat().st_size > 40_000_000
    assert most < 15_000_000


@pytest.mark.parametrize("service", [CONTACTS, SALES, SERVICE_DESK, ANALYTICS], ids=lambda each: each.name)
async def test_each_table_of_tenants_is_written_or_says_why_not(
    service: Service, fresh_database: FreshDatabase, tenant: str, other_tenant: str, tmp_path: Path
) -> None:
    url = await fresh_database(service)
    owner = await asyncpg.connect(url)
    tables = set(await fill(owner, tenant, 3))
    await fill(owner, other_tenant, 3)
    await owner.close()
    words = ["export", "--tenant", tenant, "--to", str(tmp_path / "export")]
    await asyncio.to_thread(cli.run, service, Settings(database_url=url, port=0), words)
    manifest = json.loads((tmp_path / "export" / MANIFEST).read_bytes())
    written = {each["table"]: each["rows"] for each in manifest["tables"]}
    assert written.keys() == tables - manifest["left_out"].keys()
    assert set(written.values()) == {3}
    derived = manifest["left_out"].keys() - {"removed_tenants"}
    if service is ANALYTICS:
        assert {"ledger", "health_changes", "playbook_runs", "outbox"} <= written.keys()
        assert {"facts", "totals", "health_queue"} <= derived
    else:
        learnt = {"known_roles", "known_teams", "known_users", "known_customers", "unconfirmed_references"}
        of_contacts = {"duplicate_checks", "import_pieces", "import_faults", "retention_passes"}
        of_contacts |= {"attachment_contents", "attachment_drops"}
        assert derived == {
            "repointings",
            "search_entries",
            "custom_entries",
            "export_pieces",
            *(of_contacts if service is CONTACTS else {*learnt, "field_definitions"}),
            *({"timers", "pending_reactions", "refused_reactions"} if service is SALES else ()),
        }
    assert other_tenant not in "".join(
        (tmp_path / "export" / name).read_text() for name in names_in(tmp_path / "export")
    )
