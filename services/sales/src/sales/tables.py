"""The tables of sales that belong to no noun; each noun's own is in its form."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, MetaData, Table, Uuid

from kith.audit.table import audit_table
from kith.consumer import consumer_tables
from kith.consumer.positions import watermarks_table
from kith.custom.tables import definitions_table, entries_table
from kith.customers.erasing import erasures_table
from kith.customers.known import known_customers_table
from kith.customers.links import merge_columns
from kith.customers.repointing import repointings_table
from kith.db.owned import owned_through
from kith.db.removed import removed_tenants_table
from kith.db.tables import Moment, tenant_column, values_column
from kith.exports.tables import export_tables
from kith.nouns.blinding import blinding_table
from kith.nouns.elsewhere import elsewhere_table
from kith.nouns.fills import fills_table
from kith.nouns.form import Follows
from kith.nouns.history import history_table
from kith.nouns.idempotency import idempotency_table
from kith.nouns.search.entries import search_entries_table
from kith.nouns.unconfirmed import unconfirmed_table
from kith.outbox.table import outbox_table
from kith.people.directory import directory_tables
from kith.processes.table import processes_table
from kith.reactions.pending import pending_table
from kith.reactions.refused import refused_table
from kith.timers.table import timers_table
from sales.pipelines.values import PipelineStage

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
history = history_table(metadata)
search_entries = search_entries_table(metadata)
fills = fills_table(metadata)
timers = timers_table(metadata)
audit_log = audit_table(metadata)
repointings = repointings_table(metadata)
offsets, dead_letters = consumer_tables(metadata)
watermarks = watermarks_table(metadata)
removed_tenants = removed_tenants_table(metadata)
exports = export_tables(metadata)
processes = processes_table(metadata)
erasures = erasures_table(metadata)
blinding = blinding_table(metadata)
people = directory_tables(metadata)
known_runs = elsewhere_table("known_runs", metadata, Column("playbook_id", Uuid))
known_customers = known_customers_table(metadata)
known_contacts = elsewhere_table("known_contacts", metadata, Column("erased_at", Moment), *merge_columns("contact"))
Index("known_contacts_by_merged_into", known_contacts.c.tenant_id, known_contacts.c.merged_into)
for each in (known_contacts, known_runs):
    owned_through(each, known_customers)
pending_reactions = pending_table(metadata)
refused_reactions = refused_table(metadata)
field_definitions = definitions_table(metadata)
custom_entries = entries_table(metadata)
unconfirmed_references = unconfirmed_table(metadata)
pipeline_versions = Table(
    "pipeline_versions",
    metadata,
    tenant_column(),
    Column("pipeline_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    values_column("stages", PipelineStage),
    ForeignKeyConstraint(["tenant_id", "pipeline_id"], ["pipelines.tenant_id", "pipelines.id"]),
)
CUSTOMER = Follows(known_customers.c.id, (), on_sight=True)
CONTACT = Follows(known_contacts.c.id, (), on_sight=True)
USER = Follows(people.users.c.id, (), on_sight=True)
TEAM = Follows(people.teams.c.id, (), on_sight=True)
