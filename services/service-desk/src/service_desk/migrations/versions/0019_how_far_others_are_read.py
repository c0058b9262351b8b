"""how far the events of other services were read"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watermarks",
        sa.Column("source", sa.Text(collation="C"), primary_key=True),
        sa.Column("up_to", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("ends", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column(
            "topic",
            sa.Text(collation="C"),
            nullable=True,
            comment="whose ends they are; null: of before topics had generations",
        ),
    )
    # How much of the others is known here is every tenant's to know, and says nothing of any.
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON watermarks TO kith_worker")
    op.execute("GRANT SELECT ON watermarks, consumer_offsets TO kith_app")
