"""What a service's database keeps for its subscriptions. A dead letter has its tenant, as far as it could
be read, and is under row-level security like the rest; offsets belong to no tenant."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
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

from kith.db.tables import Moment
from kith.db.tenancy import APP_ROLE

APP_MAY_UPDATE = ("value", "headers", "event_id", "type", "subject", "requested", "requested_at", "history")


def restrict(table: str) -> Sequence[str]:
    """The statements that leave to requests, of a dead letter, the message and the wish. Whose it is and what became
    of it, a worker alone says. They follow kith.db.tenancy.secure in the migration that creates the table."""
    return [
        f"REVOKE INSERT, UPDATE, DELETE ON {table} FROM {APP_ROLE}",
        f"GRANT UPDATE ({', '.join(APP_MAY_UPDATE)}) ON {table} TO {APP_ROLE}",
    ]


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
    dead_letters = Table(
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
        Column("requested", Text, comment="replay or discard: what a worker has been asked to do and has not done yet"),
        Column("requested_at", Moment),
        Column("replayed_at", Moment),
        Column("discarded_at", Moment),
        Column(
            "history",
            JSONB,
            nullable=False,
            server_default="[]",
            comment="[{at, by, action, note, before}, ..]: who asked for what, and the message before it was amended",
        ),
        UniqueConstraint("group_name", "topic", "partition", "offset", name="dead_letters_by_message"),
        CheckConstraint(
            "num_nonnulls(requested_at, replayed_at, discarded_at) <= 1"
            " AND (requested IS NULL) = (requested_at IS NULL)",
            name="dead_letters_one_state",
        ),
    )
    Index(
        "dead_letters_unresolved",
        dead_letters.c.group_name,
        dead_letters.c.id,
        postgresql_where=text("replayed_at IS NULL AND discarded_at IS NULL"),
    )
    Index(
        "dead_letters_unpublished",
        dead_letters.c.group_name,
        dead_letters.c.id,
        postgresql_where=text("published_at IS NULL"),
    )
    Index(
        "dead_letters_requested",
        dead_letters.c.group_name,
        dead_letters.c.id,
        postgresql_where=text("requested IS NOT NULL"),
    )
    Index(
        "dead_letters_of_line",
        dead_letters.c.tenant_id,
        dead_letters.c.subject,
        dead_letters.c.id,
        postgresql_where=text("replayed_at IS NULL AND discarded_at IS NULL"),
    )
    Index("dead_letters_of_tenant", dead_letters.c.tenant_id, dead_letters.c.id)
    return ConsumerTables(offsets, dead_letters)


TABLES = consumer_tables(MetaData())
"""The same again for this package's own statements: they are alike in every service."""
