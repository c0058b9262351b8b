"""The tables of sales. Their columns and the aggregates' fields have the same names."""

from sqlalchemy import Column, Date, Index, MetaData, Text, Uuid

from kith.consumer import consumer_tables
from kith.db.tables import Amount, Moment, aggregate_table, one_of, reference
from kith.nouns.elsewhere import elsewhere_table
from kith.nouns.idempotency import idempotency_table
from kith.outbox.table import outbox_table
from sales.opportunities.rules import Stage
from sales.tasks.rules import TaskState

metadata = MetaData()
outbox = outbox_table(metadata)
idempotency = idempotency_table(metadata)
offsets, dead_letters = consumer_tables(metadata)
known_runs = elsewhere_table("known_runs", metadata, Column("playbook_id", Uuid))

products = aggregate_table(
    "products",
    metadata,
    Column("name", Text, nullable=False),
    Column("family", Text),
    Column("price", Amount, nullable=False),
    Column("currency", Text, nullable=False),
)

opportunities = aggregate_table(
    "opportunities",
    metadata,
    Column("name", Text, nullable=False),
    Column("stage", one_of(Stage), nullable=False),
    Column("owner", Text),
    *reference("product_id", products),
    Column("value", Amount),
    Column("currency", Text, nullable=False),
    Column("source", Text),
    Column("expected_close", Date),
    Column("closed_at", Moment),
    Column("lost_reason", Text),
    customer_owned=True,
)

orders = aggregate_table(
    "orders",
    metadata,
    Column("value", Amount, nullable=False),
    Column("currency", Text, nullable=False),
    Column("country", Text),
    *reference("opportunity_id", opportunities),
    customer_owned=True,
)

returns = aggregate_table(
    "returns",
    metadata,
    Column("value", Amount, nullable=False),
    Column("currency", Text, nullable=False),
    Column("country", Text),
    *reference("order_id", orders),
    customer_owned=True,
)

tasks = aggregate_table(
    "tasks",
    metadata,
    Column("title", Text, nullable=False),
    Column("owner", Text),
    Column("due_at", Moment),
    Column("state", one_of(TaskState), nullable=False),
    Column("reason", Text),
    Column("explanation", Text),
    Column("playbook_id", Uuid),
    Column("run_id", Uuid),
    Column("outcome", Text),
    Column("closed_at", Moment),
    customer_owned=True,
)
Index("tasks_by_run", tasks.c.tenant_id, tasks.c.run_id, postgresql_where=tasks.c.run_id.is_not(None))
