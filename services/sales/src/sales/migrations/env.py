from kith.migrations import run
from sales.storage.tables import metadata

run(metadata)
