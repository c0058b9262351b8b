"""Every service's database can be distributed by tenant, as Citus does it: what a tenant has lies on one node, and so
do the keys that bind it. What lies elsewhere is listed here. That each statement says whose rows it means:
tests/tenant_filter.py."""

from typing import Any

import asyncpg
import pytest
from tests.conftest import FreshDatabase

import analytics.service
import contacts.service
import sales.service
import service_desk.service
from kith.runtime.service import Service

SERVICES = [each.service.SERVICE for each in (contacts, sales, service_desk, analytics)]

OF_NO_TENANT = {"alembic_version", "blinding", "consumer_offsets", "live_epoch", "side_table_fills", "watermarks"}
"""They are read whole by each process: reference tables."""

QUEUES = {"arrivals", "dead_letters", "health_queue", "outbox"}
"""Rows of all tenants in the order in which they came, which one process takes out again, in that order: they stay on
the coordinator, and are written in the same transaction."""

TABLES = """
    SELECT c.oid, relname, EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND attname = 'tenant_id' AND NOT attisdropped
    ) AS of_tenant
    FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"""
KEYS = """
    SELECT indexrelid::regclass::text AS name,
           'tenant_id' IN (SELECT attname FROM unnest(indkey) k JOIN pg_attribute ON attrelid = indrelid AND attnum = k)
               AS has_tenant
    FROM pg_index WHERE indrelid = $1 AND indisunique"""
REFERENCES = """
    SELECT conname, confrelid::regclass::text AS to,
           'tenant_id' IN (SELECT attname FROM unnest(conkey) k JOIN pg_attribute ON attrelid = conrelid AND attnum = k)
               AS has_tenant
    FROM pg_constraint WHERE conrelid = $1 AND contype = 'f'"""


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
async def catalogue(request: pytest.FixtureRequest, fresh_database: FreshDatabase) -> Any:
    service: Service = request.param
    connection = await asyncpg.connect(await fresh_database(service))
    yield connection
    await connection.close()


async def test_a_table_is_of_a_tenant_or_listed(catalogue: Any) -> None:
    tables = await catalogue.fetch(TABLES)
    assert {each["relname"] for each in tables if not each["of_tenant"]} <= OF_NO_TENANT
    assert sum(each["of_tenant"] for each in tables) > 5


async def test_what_is_unique_is_unique_for_a_tenant(catalogue: Any) -> None:
    for table in await catalogue.fetch(TABLES):
        if table["of_tenant"] and table["relname"] not in QUEUES:
            keys = await catalogue.fetch(KEYS, table["oid"])
            assert keys, table["relname"]
            assert [each["name"] for each in keys if not each["has_tenant"]] == []


async def test_what_refers_to_another_row_refers_to_one_of_the_tenant(catalogue: Any) -> None:
    for table in await catalogue.fetch(TABLES):
        found = await catalogue.fetch(REFERENCES, table["oid"])
        assert [each["conname"] for each in found if not each["has_tenant"]] == []
        assert not {each["to"] for each in found} & (QUEUES | OF_NO_TENANT)
        assert not (found and table["relname"] in QUEUES)
