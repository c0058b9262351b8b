"""The outbox: an event is written in its command's transaction, and published from there by the relay."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, MetaData, Table, Text, Uuid

from kith.db.tables import Moment, TenantId


def outbox_table(metadata: MetaData) -> Table:
    """`seq` and `aggregate_version` are taken while the aggregate's row is locked, so its events leave in order."""
    table = Table(
        "outbox",
        metadata,
        Column("seq", BigInteger, Identity(always=True), primary_key=True),
        Column("id", Uuid, nullable=False),
        Column("tenant_id", TenantId, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Uuid, nullable=False),
        Column("aggregate_version", Integer, nullable=False),
        Column("customer_id", Uuid),
        Column("time", Moment, nullable=False),
        Column("recorded_at", Moment, nullable=False),
        Column("traceparent", Text),
        Column("actor", Text, comment="null: of before events said who caused them"),
        Column("data", LargeBinary, nullable=False),
        Column("published_at", Moment),
    )
    Index("outbox_unpublished", table.c.seq, postgresql_where=table.c.published_at.is_(None))
    Index("outbox_published", table.c.published_at, postgresql_where=table.c.published_at.is_not(None))
    return table
