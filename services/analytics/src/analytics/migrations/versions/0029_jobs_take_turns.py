"""jobs take turns"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "health_jobs",
        sa.Column("checkpoint", postgresql.JSONB(), nullable=True, comment="where it goes on; null: it begins anew"),
    )
    op.add_column(
        "health_jobs",
        sa.Column(
            "served_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was taken last: tenants take turns",
        ),
    )
