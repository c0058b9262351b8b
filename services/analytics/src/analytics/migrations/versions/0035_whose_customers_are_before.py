"""whose customers are: those of before"""

from alembic import op

from kith.db.tenancy import WORKER_ROLE

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Who owns a table sees none of its rows. What is folded meanwhile is newer, and stays.
    op.execute(f"SET LOCAL ROLE {WORKER_ROLE}")
    op.execute(
        "INSERT INTO customer_owners (tenant_id, id, owner_id) "
        "SELECT tenant_id, subject, CAST(state->>'owner' AS uuid) FROM facts "
        "WHERE type LIKE 'contacts.customer.%' AND until IS NULL AND customer_id = subject "
        "AND CASE WHEN pg_input_is_valid(state->>'owner', 'uuid') THEN true END ON CONFLICT DO NOTHING"
    )
    op.execute("RESET ROLE")
