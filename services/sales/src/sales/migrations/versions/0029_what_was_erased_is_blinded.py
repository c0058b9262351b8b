"""what was erased is blinded"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("blinding", sa.Column("key", sa.LargeBinary(), nullable=False), sa.PrimaryKeyConstraint("key"))
    op.execute(
        "INSERT INTO blinding SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))"
    )
    op.execute("GRANT SELECT ON blinding TO kith_app, kith_worker")
    op.add_column(
        "erasures",
        sa.Column("version", sa.Integer(), server_default="0", nullable=False, comment="of what was taken out"),
    )
