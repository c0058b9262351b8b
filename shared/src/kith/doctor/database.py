"""Checks of a service's database."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from kith.db import migrations
from kith.db.tenancy import APP_ROLE, WORKER_ROLE
from kith.doctor.check import Check, Examined, Problem, fault, warning

OLDEST_VERSION = 160_000
SKEW_SECONDS = 5.0
LONG_SECONDS = 60
CONNECTIONS_SHARE = 0.8
OLD_TRANSACTION_IDS = 1_000_000_000
"""PostgreSQL stops writing at 2^31."""


async def rows(of: Examined, statement: str, **parameters: object) -> Sequence[Row[Any]]:
    return (await of.connection.execute(text(statement), parameters)).all()


async def rows_of_cluster(of: Examined, statement: str) -> Sequence[Row[Any]]:
    """As the login itself: the worker's role sees nothing of other sessions."""
    await of.connection.execute(text("SET ROLE NONE"))
    try:
        return await rows(of, statement)
    finally:
        await of.connection.execute(text(f"SET ROLE {WORKER_ROLE}"))


async def server(of: Examined) -> Sequence[Problem]:
    before = time.time()
    (found,) = await rows(
        of,
        "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version, "
        "extract(epoch FROM clock_timestamp())::float AS now",
    )
    problems = []
    if found.number < OLDEST_VERSION:
        problems.append(fault(f"PostgreSQL is {found.version}.", "Upgrade it to 16 or newer."))
    skew = max(before - found.now, found.now - time.time())
    if skew > SKEW_SECONDS:
        problems.append(
            warning(
                f"The clocks of this machine and of PostgreSQL differ by {skew:.0f} s: tokens expire by the one, and "
                "events are recorded by the other.",
                "Synchronise both by NTP.",
            )
        )
    return problems


async def revision(of: Examined) -> Sequence[Problem]:
    behind = await migrations.behind(of.settings.database, of.package, role=WORKER_ROLE)
    if behind is None:
        return []
    return [fault(f"No process of {of.name} starts: {behind}.", f"python -m {of.package} migrate")]


async def roles(of: Examined) -> Sequence[Problem]:
    found = {
        row.rolname: row.unbound
        for row in await rows(
            of,
            "SELECT rolname, rolsuper OR rolbypassrls AS unbound FROM pg_roles WHERE rolname IN (:app, :worker)",
            app=APP_ROLE,
            worker=WORKER_ROLE,
        )
    }
    return [
        fault(
            f"The role {role} is not bound by row-level security: API processes refuse to start.",
            f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS",
        )
        for role, unbound in found.items()
        if unbound
    ]


async def row_level_security(of: Examined) -> Sequence[Problem]:
    open_to_all = await rows(
        of,
        """
        SELECT relname FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id'
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND NOT attisdropped AND has_table_privilege(:app, t.oid, 'SELECT')
          AND NOT (relrowsecurity AND relforcerowsecurity)
        ORDER BY relname
        """,
        app=APP_ROLE,
    )
    return [
        fault(
            f"Requests see the rows of every tenant in the table {row.relname}: row-level security is off.",
            f"ALTER TABLE {row.relname} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        )
        for row in open_to_all
    ]


async def removed_tenants(of: Examined) -> Sequence[Problem]:
    unfinished = await rows(
        of,
        """
        SELECT tenant_id FROM removed_tenants
        WHERE finished_at IS NULL AND readmitted_at IS NULL
          AND NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                          AND (classid::bigint << 32) | objid::bigint = hashtextextended('remove ' || tenant_id, 0))
        ORDER BY tenant_id
        """,
    )
    return [
        warning(
            f"The tenant {row.tenant_id} was not removed to the end: it is refused, and some of its rows are here.",
            f"python -m {of.package} tenant remove --tenant {row.tenant_id} --confirm {row.tenant_id}",
        )
        for row in unfinished
    ]


async def indexes(of: Examined) -> Sequence[Problem]:
    broken = await rows(
        of,
        """
        SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS of_table FROM pg_index i
        WHERE NOT i.indisvalid
          AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
        ORDER BY 1
        """,
    )
    return [
        warning(
            f"The index {row.name} of {row.of_table} was not built to its end: it costs writes and serves no read.",
            f"REINDEX INDEX CONCURRENTLY {row.name}",
        )
        for row in broken
    ]


async def transactions(of: Examined) -> Sequence[Problem]:
    running = await rows_of_cluster(
        of,
        f"""
        SELECT pid, datname, application_name, extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds
        FROM pg_stat_activity
        WHERE backend_xid IS NOT NULL AND xact_start < clock_timestamp() - interval '{LONG_SECONDS} seconds'
        ORDER BY xact_start LIMIT 5
        """,  # noqa: S608 - a number of ours
    )
    problems = [
        warning(
            f"A transaction has been writing for {row.seconds} s: process {row.pid}, database {row.datname}, "
            f"application {row.application_name or 'unnamed'}. Subscriptions and vacuum wait for it.",
            f"Let it end, or end it: SELECT pg_terminate_backend({row.pid})",
        )
        for row in running
    ]
    prepared = await rows_of_cluster(of, "SELECT gid FROM pg_prepared_xacts ORDER BY prepared LIMIT 5")
    problems += [
        warning(f"The prepared transaction {row.gid} is open.", f"COMMIT PREPARED or ROLLBACK PREPARED '{row.gid}'")
        for row in prepared
    ]
    return problems


async def room(of: Examined) -> Sequence[Problem]:
    """Of connections, and of transaction ids."""
    (found,) = await rows_of_cluster(
        of,
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used, "
        "current_setting('max_connections')::int AS most, (SELECT max(age(datfrozenxid)) FROM pg_database) AS age",
    )
    problems = []
    if found.used > CONNECTIONS_SHARE * found.most:
        problems.append(
            warning(
                f"{found.used} of {found.most} connections are in use.",
                "Raise max_connections, lower KITH_POOL_SIZE, or put a connection pooler between.",
            )
        )
    if found.age > OLD_TRANSACTION_IDS:
        problems.append(
            fault(
                f"The oldest transaction id is {found.age:,} old; PostgreSQL stops writing at 2,147,483,648.",
                "Look for long transactions and stopped autovacuum, then VACUUM the oldest tables.",
            )
        )
    return problems


CHECKS = (
    Check("database server", server),
    Check("migrations", revision),
    Check("roles", roles),
    Check("row-level security", row_level_security),
    Check("removed tenants", removed_tenants),
    Check("indexes", indexes),
    Check("transactions", transactions),
    Check("room", room),
)
