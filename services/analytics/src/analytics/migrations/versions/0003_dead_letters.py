"""dead letters that can be asked to be replayed, discarded or amended"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
oldest_code = "0003"

UNRESOLVED = "replayed_at IS NULL AND discarded_at IS NULL"


def upgrade() -> None:
    op.add_column(
        "dead_letters",
        sa.Column(
            "requested",
            sa.Text(),
            nullable=True,
            comment="replay or discard: what a worker has been asked to do and has not done yet",
        ),
    )
    op.add_column("dead_letters", sa.Column("requested_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "dead_letters",
        sa.Column(
            "history",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="[{at, by, action, note, before}, ..]: who asked for what, and the message before it was amended",
        ),
    )
    op.create_check_constraint(
        "dead_letters_one_state",
        "dead_letters",
        "num_nonnulls(requested_at, replayed_at, discarded_at) <= 1 AND (requested IS NULL) = (requested_at IS NULL)",
    )
    op.create_index(
        "dead_letters_of_line",
        "dead_letters",
        ["tenant_id", "subject", "id"],
        unique=False,
        postgresql_where=sa.text(UNRESOLVED),
    )
    op.create_index("dead_letters_of_tenant", "dead_letters", ["tenant_id", "id"], unique=False)
    op.create_index(
        "dead_letters_requested",
        "dead_letters",
        ["group_name", "id"],
        unique=False,
        postgresql_where=sa.text("requested IS NOT NULL"),
    )
    # A request may change the message and what is asked for; whose it is and what became of it, a worker alone says.
    op.execute("REVOKE INSERT, UPDATE, DELETE ON dead_letters FROM kith_app")
    op.execute(
        "GRANT UPDATE (value, headers, event_id, type, subject, requested, requested_at, history) ON dead_letters TO kith_app"
    )
