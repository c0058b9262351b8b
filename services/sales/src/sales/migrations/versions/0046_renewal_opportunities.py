"""renewal opportunities"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("opens_renewals", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("subscriptions", sa.Column("renewal_opportunity_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None,
        "subscriptions",
        "opportunities",
        ["tenant_id", "renewal_opportunity_id"],
        ["tenant_id", "id"],
        postgresql_not_valid=True,
    )
