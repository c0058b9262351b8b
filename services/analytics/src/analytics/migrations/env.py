from analytics.tables import metadata
from kith.db.migrations import run

run(metadata)
