"""The record of what was carried out, so that it is not carried out twice: one table for the Idempotency-Key header and
for the rows of bulk requests.

The key is written in the transaction of its call, so either both are there or neither.
"""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, Table, Uuid

from kith.db.tables import Moment, TenantId, tenant_column


def idempotency_table(metadata: MetaData) -> Table:
    table = Table(
        "idempotency",
        metadata,
        tenant_column(),
        Column("key", TenantId, primary_key=True),
        Column("fingerprint", BigInteger, nullable=False),
        Column("subject", Uuid, nullable=False),
        Column("outcome", LargeBinary),
        Column("recorded_at", Moment, nullable=False),
    )
    # Who is erased goes from remembered answers; of rows of bulk requests, which are kept for good, there are none.
    c = table.c
    Index("idempotency_answers", c.tenant_id, c.subject, postgresql_where=c.outcome.is_not(None))
    return table
