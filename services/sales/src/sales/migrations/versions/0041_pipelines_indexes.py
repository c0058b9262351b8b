"""pipelines: indexes"""

from kith.db.migrations import build_index, rebuild_index

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index(
        "opportunities_by_forecast_category", "opportunities", ["tenant_id", "forecast_category", "created_at", "id"]
    )
    build_index("opportunities_by_pipeline_id", "opportunities", ["tenant_id", "pipeline_id", "created_at", "id"])
    build_index("opportunities_by_rots_at", "opportunities", ["tenant_id", "rots_at", "created_at", "id"])
    # A stage is a tenant's own text, and compared as such.
    rebuild_index("opportunities_by_stage", "opportunities", ["tenant_id", 'stage COLLATE "C"', "created_at", "id"])
