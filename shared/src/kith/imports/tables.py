"""The tables of imports: the jobs, what was uploaded for them, and the rows that were refused."""

from sqlalchemy import TEXT, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Uuid, text

from kith.db.tables import DERIVED, Moment, tenant_column
from kith.jobs.table import jobs_table


def import_tables(metadata: MetaData) -> Table:
    """Returns the table of the jobs."""
    pieces = Table(
        "import_pieces",
        metadata,
        tenant_column(),
        Column("upload_id", Uuid, primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("first_row", BigInteger, nullable=False),
        Column("records", LargeBinary, nullable=False, comment="as they were sent, compressed"),
        Column("written_at", Moment, nullable=False, server_default=text("now()")),
        info={DERIVED: "work still to be done"},
    )
    Index("import_pieces_by_time", pieces.c.written_at)
    Table(
        "import_faults",
        metadata,
        tenant_column(),
        Column("import_id", Uuid, primary_key=True),
        Column("row", BigInteger, primary_key=True, autoincrement=False),
        Column("field", TEXT),
        Column("reason", TEXT, nullable=False),
        Column("record", TEXT, nullable=False, comment="as it was sent"),
        info={DERIVED: "rows that were refused belong to who sent them"},
    )
    return jobs_table(metadata, "imports")


IMPORTS = import_tables(_own := MetaData())
PIECES, FAULTS = _own.tables["import_pieces"], _own.tables["import_faults"]
"""The same again for Kith's own statements: they are alike in every service."""
