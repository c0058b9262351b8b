"""when each record's last change was recorded"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("customers", "contacts", "touchpoints", "settings", "users", "teams", "roles"):
        op.add_column(
            table,
            sa.Column(
                "recorded_at",
                sa.DateTime(timezone=True),
                server_default=sa.text("now()"),
                nullable=False,
                comment="when its last change was, whenever that happened",
            ),
        )
