"""What the services' requests ask of their databases in a run of the tests: each statement names the tenant itself.
Row-level security binds it anyhow; but PostgreSQL finds rows by an index, and Citus the node, by what the statement
says."""

import re
from functools import cache
from typing import Any

import asyncpg

from kith.db.tenancy import APP_ROLE

_FROM = re.compile(r'\b(?:FROM|JOIN|UPDATE|INTO)\s+"?(\w+)', re.IGNORECASE)
_TENANT = re.compile(r"\btenant_id\s*(?:=|IN\b)|INSERT INTO \w+ \([^)]*\btenant_id\b")

_connect = asyncpg.connect
_issued: set[str] = set()
unfiltered: set[str] = set()
"""The statements that read or write what tenants have, and name none."""


async def connect(*arguments: Any, **options: Any) -> Any:
    settings = options.get("server_settings") or {}
    if settings.get("role") != APP_ROLE or not settings.get("application_name", "").startswith("kith "):
        return await _connect(*arguments, **options)
    connection = await _connect(*arguments, connection_class=_Watched, **options)
    connection.add_query_logger(lambda issued: _look_at(issued.query))
    return connection


class _Watched(asyncpg.Connection):
    async def prepare(self, query: str, **options: Any) -> Any:  # as SQLAlchemy does, which no query logger sees
        _look_at(query)
        return await super().prepare(query, **options)


def _look_at(statement: str) -> None:
    if statement not in _issued:
        _issued.add(statement)
        if not _TENANT.search(statement) and not _of_tenants().isdisjoint(_FROM.findall(statement)):
            unfiltered.add(statement)


@cache
def _of_tenants() -> frozenset[str]:
    import analytics.resources  # the tables of nouns are known once these are
    import analytics.service
    import contacts.resources
    import contacts.service
    import sales.resources
    import sales.service
    import service_desk.resources
    import service_desk.service

    services = (each.service.SERVICE for each in (contacts, sales, service_desk, analytics))
    tables = (table for service in services for table in service.outbox.metadata.tables.values())
    return frozenset(table.name for table in tables if "tenant_id" in table.c)


def watch() -> None:
    asyncpg.connect = connect
