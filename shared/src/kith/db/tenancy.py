"""Row-level security: what a table needs so that a tenant sees its own rows only.

`kith_app` serves requests: it sees the tenant its transaction has named, and with none named it sees nothing.
`kith_worker` runs relays and consumers, which serve all tenants; no request ever runs as it. Neither owns a table,
neither bypasses row-level security. The login that migrates owns the tables.
"""

from collections.abc import Sequence

APP_ROLE, WORKER_ROLE = "kith_app", "kith_worker"
TENANT_SETTING = "kith.tenant_id"
REMOVED = "removed_tenants"
"""The table of tenants that were removed (see kith.db.removed)."""
TENANT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"

# After the transaction that set it, the setting is '' and not NULL.
_OWN = f"tenant_id = NULLIF(current_setting('{TENANT_SETTING}', true), '')"

# Looked up once per statement, and not per row. A dead letter may be of no tenant that could be read.
_NONE_REMOVED = (
    f"(tenant_id = ANY (ARRAY(SELECT r.tenant_id FROM public.{REMOVED} r "  # noqa: S608 - a constant
    "WHERE r.readmitted_at IS NULL))) IS NOT TRUE"
)


def create_roles() -> Sequence[str]:
    """Makes the roles that are missing, which takes CREATEROLE, and lets this login act as them."""
    return (
        [
            # Roles belong to the whole cluster: another service's migration may make them at the same moment.
            f"""DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} NOLOGIN NOBYPASSRLS;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"""
            for role in (APP_ROLE, WORKER_ROLE)
        ]
        + [
            # Since PostgreSQL 16 who makes a role may administer it, but not act as it.
            f"""DO $$ BEGIN
            IF NOT pg_has_role(current_user, '{role}', 'SET') THEN
                EXECUTE format('GRANT {role} TO %I WITH SET TRUE', current_user);
            END IF;
        END $$"""
            for role in (APP_ROLE, WORKER_ROLE)
        ]
        + [f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {WORKER_ROLE}"]
    )


def secure(table: str) -> Sequence[str]:
    """The statements that put a table under tenancy. Call it in the migration that creates the table."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {APP_ROLE} USING ({_OWN}) WITH CHECK ({_OWN})",
        f"CREATE POLICY worker ON {table} TO {WORKER_ROLE} USING (true) WITH CHECK (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP_ROLE}, {WORKER_ROLE}",
        *([keep_removed_out(table)] if table != REMOVED else []),
    ]


def keep_removed_out(table: str) -> str:
    """The statement that lets nobody insert rows of a removed tenant. Rows that are there may be updated until they are
    deleted: whoever does so serves other tenants with the same statement."""
    roles = f"{APP_ROLE}, {WORKER_ROLE}"
    return f"CREATE POLICY removed ON {table} AS RESTRICTIVE FOR INSERT TO {roles} WITH CHECK ({_NONE_REMOVED})"


def worker_only(table: str) -> Sequence[str]:
    """The machinery's own tables, which belong to no tenant: no request may touch them."""
    return [f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {WORKER_ROLE}"]
