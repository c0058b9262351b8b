"""The tables of content: a row for each that is in the store, from before it is there until after it is gone.

Either it is in `attachment_contents`, and may be attached or is, or in `attachment_drops`, and the worker removes it.
"""

from sqlalchemy import TEXT, BigInteger, Boolean, Column, Index, MetaData, Table, Uuid, false, text

from kith.db.tables import DERIVED, Moment, tenant_column


def contents_tables(metadata: MetaData) -> Table:
    """Returns the table of contents."""
    contents = Table(
        "attachment_contents",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("size", BigInteger, nullable=False, comment="in bytes; while it comes in, the most that it may have"),
        Column("media_type", TEXT, comment="null: it is not all in"),
        Column("sha256", TEXT, comment="in hexadecimal; null: it is not all in"),
        Column("begun_at", Moment, nullable=False, server_default=text("now()")),
        Column("kept", Boolean, nullable=False, server_default=false(), comment="it was found attached, and stays"),
        info={DERIVED: "what is attached is told by the attachments"},
    )
    Index("attachment_contents_by_size", contents.c.tenant_id, contents.c.size)
    Index("attachment_contents_by_time", contents.c.begun_at, postgresql_where=text("NOT kept"))
    Table(
        "attachment_drops",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("attachment_id", Uuid, comment="of what was erased; null: it was never attached"),
        info={DERIVED: "work still to be done"},
    )
    return contents


CONTENTS = contents_tables(_own := MetaData())
DROPS = _own.tables["attachment_drops"]
"""The same again for Kith's own statements: they are alike in every service."""
