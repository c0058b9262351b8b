"""The table of the timers that run."""

from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, Uuid

from kith.db.tables import DERIVED, Moment, tenant_column


def timers_table(metadata: MetaData) -> Table:
    table = Table(
        "timers",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True, comment="of the record"),
        Column("command", Text(collation="C"), primary_key=True),
        Column("noun", Text(collation="C"), nullable=False),
        Column("due_at", Moment, nullable=False),
        Column("next_at", Moment, nullable=False, comment="when it goes off: later than due where it has failed"),
        Column("failures", Integer, nullable=False),
        info={DERIVED: "Timers follow from their records."},
    )
    c = table.c
    Index("timers_by_time", c.next_at)
    Index("timers_by_tenant", c.tenant_id, c.next_at)
    return table


TIMERS = timers_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""
