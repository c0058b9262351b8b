import sales.resources  # noqa: F401 - where the tables of the nouns are
from kith.db.migrations import run
from sales.tables import metadata

run(metadata)
