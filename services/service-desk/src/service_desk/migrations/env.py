from kith.migrations import run
from service_desk.storage.tables import metadata

run(metadata)
