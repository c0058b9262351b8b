"""rows of removed tenants are refused"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    "contacts",
    "customers",
    "dead_letters",
    "idempotency",
    "outbox",
    "settings",
    "touchpoints",
)
_NONE_REMOVED = (
    "AS RESTRICTIVE FOR INSERT TO kith_app, kith_worker WITH CHECK ((tenant_id = ANY (ARRAY("
    "SELECT r.tenant_id FROM public.removed_tenants r WHERE r.readmitted_at IS NULL))) IS NOT TRUE)"
)


def upgrade() -> None:
    # Each in a transaction of its own: none is locked while another is waited for.
    # squawk: ban-drop-policy - of a run of this migration that was broken off
    with op.get_context().autocommit_block():
        for table in _TABLES:
            op.execute(f"DROP POLICY IF EXISTS removed ON {table}")
            op.execute(f"CREATE POLICY removed ON {table} {_NONE_REMOVED}")
