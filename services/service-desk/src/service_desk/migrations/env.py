import service_desk.resources  # noqa: F401 - where the tables of the nouns are
from kith.db.migrations import run
from service_desk.tables import metadata

run(metadata)
