"""watermarks name their topic"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "watermarks",
        sa.Column(
            "topic",
            sa.Text(collation="C"),
            nullable=True,
            comment="whose ends they are; null: of before topics had generations",
        ),
    )
