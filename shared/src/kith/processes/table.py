"""The table of a service's processes, and the states that one is in."""

from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from kith.db.tables import Moment, tenant_column


class ProcessState(StrEnum):
    RUNNING = "running"
    UNDOING = "undoing"
    """The reason says why."""
    STUCK = "stuck"
    """Undoing it failed again and again. It is tried still, until it succeeds or somebody abandons it."""
    DONE = "done"
    UNDONE = "undone"
    """`left` names what others have changed meanwhile, if there is any."""
    ABANDONED = "abandoned"
    """`left` names what is left of it."""


BACKWARDS = (ProcessState.UNDOING, ProcessState.STUCK)
OPEN = (ProcessState.RUNNING, *BACKWARDS)


IN_HAND = timedelta(seconds=30)
"""So long nobody else takes it. A step takes less: see kith.peers.calls."""


def processes_table(metadata: MetaData) -> Table:
    table = Table(
        "processes",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("kind", Text(collation="C"), nullable=False),
        Column("about_id", Uuid, nullable=False, comment="the record that it is about"),
        Column("params", JSONB, nullable=False, comment="what was asked for"),
        Column("held", JSONB(none_as_null=True), comment="the same as far as it names people; null: it has ended"),
        Column("state", Text(collation="C"), nullable=False),
        Column("requested_at", Moment, nullable=False, server_default=func.clock_timestamp()),
        Column("requested_by", Text, nullable=False),
        Column("started_at", Moment),
        Column("finished_at", Moment),
        Column("done", Integer, nullable=False, server_default="0"),
        Column("total", Integer),
        Column("made", JSONB, nullable=False, comment="by step, the record that it has made; null: none was needed"),
        Column(
            "left", JSONB(none_as_null=True), comment="what was made and is left; before it has ended: it is abandoned"
        ),
        Column("failures", Integer, nullable=False, server_default="0", comment="in a row"),
        Column("failure", Text, comment="of the last step; null: it did not fail"),
        Column("reason", Text, comment="of undoing it"),
        Column(
            "next_at",
            Moment,
            server_default=func.clock_timestamp(),
            comment="when it goes on, or, while it is in hand, may be taken away; null: it has ended",
        ),
        Column("in_hand", Boolean, nullable=False, server_default="false"),
    )
    c = table.c
    Index("processes_by_time", c.tenant_id, c.requested_at, c.id)
    Index("processes_due", c.tenant_id, c.next_at, postgresql_where=c.next_at.is_not(None))
    return table


TABLE = processes_table(MetaData())
"""The same again for Kith's own statements: it is alike in every service."""
