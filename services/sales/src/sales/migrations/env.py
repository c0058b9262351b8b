from kith.db.migrations import run
from sales.tables import metadata

run(metadata)
