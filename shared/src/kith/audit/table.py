"""The table of the audit log, and who may do what with it."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Text, Uuid

from kith.db.tables import EncodedJson, Moment, tenant_column
from kith.db.tenancy import APP_ROLE, REMOVED, WORKER_ROLE

AUDIT_LOG = "audit_log"
SEALED_LATER = ("position", "hash")


def audit_table(metadata: MetaData) -> Table:
    table = Table(
        AUDIT_LOG,
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("at", Moment, nullable=False),
        Column("actor", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("noun", Text, nullable=False),
        Column("subjects", EncodedJson, comment="the ids of the records; null: it was not about single ones"),
        Column("detail", Text),
        Column("position", BigInteger, comment="in the tenant's chain: 1, 2, 3, no gaps; null: not sealed yet"),
        Column("hash", LargeBinary, comment="of the entry and of the hash before it (see kith.audit.chain)"),
    )
    sealed, unsealed = table.c.position.is_not(None), table.c.position.is_(None)
    Index("audit_log_chain", table.c.tenant_id, table.c.position, unique=True, postgresql_where=sealed)
    Index("audit_log_unsealed", table.c.id, postgresql_where=unsealed)
    return table


TABLE = audit_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""


def restrict() -> Sequence[str]:
    """The statements that leave to requests to add entries, and to workers to seal them, each once. Only what is of a
    removed tenant may be deleted. They follow kith.db.tenancy.secure."""
    added = ", ".join(column.name for column in TABLE.c if column.name not in SEALED_LATER)
    removed = (
        f"EXISTS (SELECT FROM public.{REMOVED} r WHERE r.tenant_id = {AUDIT_LOG}.tenant_id AND r.readmitted_at IS NULL)"
    )
    unsealed = "position IS NULL"
    return [
        f"REVOKE INSERT, UPDATE, DELETE ON {AUDIT_LOG} FROM {APP_ROLE}, {WORKER_ROLE}",
        f"GRANT INSERT ({added}) ON {AUDIT_LOG} TO {APP_ROLE}, {WORKER_ROLE}",
        f"GRANT UPDATE ({', '.join(SEALED_LATER)}), DELETE ON {AUDIT_LOG} TO {WORKER_ROLE}",
        f"DROP POLICY worker ON {AUDIT_LOG}",
        f"CREATE POLICY worker_reads ON {AUDIT_LOG} FOR SELECT TO {WORKER_ROLE} USING (true)",
        f"CREATE POLICY worker_adds ON {AUDIT_LOG} FOR INSERT TO {WORKER_ROLE} WITH CHECK (true)",
        f"CREATE POLICY worker_seals ON {AUDIT_LOG} FOR UPDATE TO {WORKER_ROLE} USING ({unsealed}) WITH CHECK (true)",
        f"CREATE POLICY worker_removes ON {AUDIT_LOG} FOR DELETE TO {WORKER_ROLE} USING ({removed})",
    ]
