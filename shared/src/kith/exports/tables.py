"""The tables of exports: the jobs, and what they have made.

What a job needs to go on is its checkpoint, and a content is there as long as its job has one (kith.exports.dropping).
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Uuid

from kith.db.tables import DERIVED, tenant_column
from kith.jobs.table import jobs_table


def export_tables(metadata: MetaData) -> Table:
    """Returns the table of the jobs."""
    Table(
        "export_pieces",
        metadata,
        tenant_column(),
        Column("export_id", Uuid, primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("first_byte", BigInteger, nullable=False, comment="of the content, where this piece begins"),
        Column("first_id", Uuid, comment="of the first record; null: it has none"),
        Column("last_id", Uuid),
        Column("content", LargeBinary, nullable=False, comment="compressed"),
        info={DERIVED: "what was made of records that are exported themselves"},
    )
    return jobs_table(metadata, "exports")


EXPORTS = export_tables(_own := MetaData())
PIECES = _own.tables["export_pieces"]
"""The same again for Kith's own statements: they are alike in every service."""
