from kith.db.migrations import run
from service_desk.tables import metadata

run(metadata)
