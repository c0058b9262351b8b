"""The table of fits."""

from sqlalchemy import (
    Column,
    Double,
    Integer,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from analytics.tables import metadata
from kith.db.tables import Moment, tenant_column

# The parameters of a tenant's lifetime models (see customer_value.fits), estimated from the ledger when a client
# requested it.
value_fits = Table(
    "value_fits",
    metadata,
    tenant_column(),
    Column("id", Uuid, primary_key=True),
    Column("model", Text(collation="C"), nullable=False),
    Column("currency", Text(collation="C")),
    Column("fitted_at", Moment, nullable=False),
    Column("data_until", Moment, nullable=False),
    Column("checked_until", Moment, nullable=False, comment="it still described what had happened before"),
    Column("parameters", JSONB, nullable=False),
    Column("standard_errors", JSONB, nullable=False),
    Column("log_likelihood", Double, nullable=False),
    Column("customers", Integer, nullable=False),
    Column("time_unit", Text(collation="C"), nullable=False),
)
