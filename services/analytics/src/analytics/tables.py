"""The tables of analytics that belong to no room; each room has its own."""

from sqlalchemy import (
    MetaData,
)

from kith.audit.table import audit_table
from kith.consumer import consumer_tables
from kith.customers.erasing import erasures_table
from kith.db.removed import removed_tenants_table
from kith.nouns.blinding import blinding_table
from kith.nouns.fills import fills_table
from kith.nouns.history import history_table
from kith.nouns.idempotency import idempotency_table
from kith.nouns.search.entries import search_entries_table
from kith.outbox.table import outbox_table
from kith.people.directory import directory_tables

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
history = history_table(metadata)
search_entries = search_entries_table(metadata)
fills = fills_table(metadata)
audit_log = audit_table(metadata)
offsets, dead_letters = consumer_tables(metadata)
removed_tenants = removed_tenants_table(metadata)
erasures = erasures_table(metadata)
blinding = blinding_table(metadata)
people = directory_tables(metadata)
