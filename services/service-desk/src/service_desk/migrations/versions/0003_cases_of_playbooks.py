"""where a case comes from that a playbook had opened"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("explanation", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("playbook_id", sa.Uuid(), nullable=True))
    op.add_column("cases", sa.Column("run_id", sa.Uuid(), nullable=True))
    op.create_index(
        "cases_by_run", "cases", ["tenant_id", "run_id"], unique=False, postgresql_where=sa.text("run_id IS NOT NULL")
    )
