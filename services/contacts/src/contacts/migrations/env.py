import contacts.resources  # noqa: F401 - where the tables of the nouns are
from contacts.tables import metadata
from kith.db.migrations import run

run(metadata)
