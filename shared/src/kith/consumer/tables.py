"""What a service's database keeps for its subscriptions. A dead letter has its tenant, as far as it could
be read, and is under row-level security like the rest; offsets belong to no tenant."""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kith.tables import Moment


class ConsumerTables(NamedTuple):
    offsets: Table
    dead_letters: Table


def consumer_tables(metadata: MetaData) -> ConsumerTables:
    """`consumer_offsets` and `dead_letters`, for the service's migrations."""
    offsets = Table(
        "consumer_offsets",
        metadata,
        Column("group_name", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
    )
    letters = Table(
        "dead_letters",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("group_name", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("message_key", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", JSONB, nullable=False, comment="[[name, base64 of the value], ..]"),
        Column("event_id", Uuid, comment="this and the next three as far as they could be read"),
        Column("tenant_id", Text),
        Column("type", Text),
        Column("subject", Uuid),
        Column("reason", Text, nullable=False),
        Column("parked", Boolean, nullable=False, comment="did not fail itself: waits behind one that did"),
        Column("attempts", Integer, nullable=False),
        Column("first_failed_at", Moment, nullable=False, server_default=func.now()),
        Column("published_at", Moment, comment="when it was copied to the dead-letter topic"),
        Column("replayed_at", Moment),
        Column("discarded_at", Moment),
        UniqueConstraint("group_name", "topic", "partition", "offset", name="dead_letters_by_message"),
    )
    Index(
        "dead_letters_unresolved",
        letters.c.group_name,
        letters.c.id,
        postgresql_where=text("replayed_at IS NULL AND discarded_at IS NULL"),
    )
    Index(
        "dead_letters_unpublished",
        letters.c.group_name,
        letters.c.id,
        postgresql_where=text("published_at IS NULL"),
    )
    return ConsumerTables(offsets, letters)


TABLES = consumer_tables(MetaData())
"""The same again for this package's own statements: they are alike in every service."""
