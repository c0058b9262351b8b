"""The tables of contacts that belong to no noun; each noun's own is in its form."""

from sqlalchemy import TEXT, Boolean, Column, Integer, MetaData, Table, Uuid

from kith.attachments.tables import contents_tables
from kith.audit.table import audit_table
from kith.consumer import consumer_tables
from kith.custom.tables import entries_table
from kith.customers.erasing import erasures_table
from kith.customers.repointing import repointings_table
from kith.db.removed import removed_tenants_table
from kith.db.tables import DERIVED, EncodedJson, Moment, tenant_column
from kith.exports.tables import export_tables
from kith.imports.tables import import_tables
from kith.nouns.blinding import blinding_table
from kith.nouns.fills import fills_table
from kith.nouns.history import history_table
from kith.nouns.idempotency import idempotency_table
from kith.nouns.search.entries import search_entries_table
from kith.outbox.table import outbox_table

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
history = history_table(metadata)
search_entries = search_entries_table(metadata)
fills = fills_table(metadata)
audit_log = audit_table(metadata)
repointings = repointings_table(metadata)
offsets, dead_letters = consumer_tables(metadata)
custom_entries = entries_table(metadata)
removed_tenants = removed_tenants_table(metadata)
imports = import_tables(metadata)
contents = contents_tables(metadata)
exports = export_tables(metadata)
erasures = erasures_table(metadata)
blinding = blinding_table(metadata)
erasures.append_column(
    Column("known_by", EncodedJson, comment="what rows of imports name it by; null: they were looked at")
)
retention_passes = Table(
    "retention_passes",
    metadata,
    tenant_column(),
    Column("next_at", Moment, nullable=False, comment="when they are applied again; if it is past, they are being"),
    Column("version", Integer, nullable=False, comment="of the settings whose rules they are"),
    Column("erases", Boolean, nullable=False, comment="or counts what it would erase"),
    Column("rule", TEXT, comment="the code of the rule that is being applied"),
    Column("after", Uuid, comment="the last record that it has looked at"),
    Column("results", EncodedJson, nullable=False, comment="by the codes of rules"),
    info={DERIVED: "how far the rules of retention have come"},
)
