import analytics.service  # noqa: F401 - where the tables of all rooms are
from analytics.tables import metadata
from kith.db.migrations import run

run(metadata)
