import analytics.resources
import analytics.service  # noqa: F401 - and those of all rooms
from analytics.tables import metadata
from kith.db.migrations import run

run(metadata)
