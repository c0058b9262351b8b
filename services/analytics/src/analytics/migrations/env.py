from analytics.storage.tables import metadata
from kith.migrations import run

run(metadata)
