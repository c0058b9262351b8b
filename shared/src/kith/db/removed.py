"""The tenants that an operator has removed (kith.tenants.removal): nothing is read or written for them any more.

The table says so, and three guards go by it: requests are refused (kith.db.connections), events are dropped
(kith.consumer.removed), and a policy of every table with rows of tenants refuses to insert one, whoever tries: a task
that had read them before, say (kith.db.tenancy). Whoever is let past the first two has read the table in his own
transaction, and removing a tenant waits for all that have: see `LOCK`.
"""

from collections.abc import Sequence

from sqlalchemy import Column, MetaData, Table, text
from sqlalchemy.dialects.postgresql import JSONB

from kith.db.tables import DERIVED, Moment, tenant_column
from kith.db.tenancy import APP_ROLE, REMOVED


def removed_tenants_table(metadata: MetaData) -> Table:
    return Table(
        REMOVED,
        metadata,
        tenant_column(),
        Column("removed_at", Moment, nullable=False, comment="nothing was written from then on"),
        Column("finished_at", Moment, comment="when its last row was deleted; null: not all are yet"),
        Column("readmitted_at", Moment, comment="events recorded before are of its former life, and are dropped"),
        Column("receipt", JSONB, nullable=False, server_default="{}", comment="rows deleted, by table"),
        info={DERIVED: "that the tenant was removed is not the tenant's"},
    )


def restrict(table: str = REMOVED) -> Sequence[str]:
    """The statement that keeps requests from readmitting themselves. It follows kith.db.tenancy.secure."""
    return [f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {APP_ROLE}"]


LOCK = text(f"LOCK TABLE {REMOVED} IN ACCESS SHARE MODE")
"""For a transaction that inserts and goes by one snapshot from its beginning: its first statement. Others take this
lock as the policy is read, and then see what was committed before."""

TABLE = removed_tenants_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""
