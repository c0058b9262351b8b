"""Stores fits: few rows a tenant, read together."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.fits import KeptFit, Model
from analytics.customer_value.tables import value_fits
from analytics.projections.projection import Projection, ReadModel


class Fits(Projection):
    """The projection of fits. They are computed from the ledger on demand, and not folded."""

    tables = (ReadModel(value_fits, is_rebuilt=False, dated_by="fitted_at"),)


_FIELDS = [column for column in value_fits.c if column.name != "tenant_id"]


async def fits_of(connection: AsyncConnection, tenant: str) -> list[KeptFit]:
    """Returns the fits, the newest first."""
    rows = await connection.execute(
        select(*_FIELDS).where(value_fits.c.tenant_id == tenant).order_by(value_fits.c.id.desc())
    )
    fits = [KeptFit(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's own name for it
    for fit in fits:
        fit.model = Model(fit.model)
    return fits


async def keep(connection: AsyncConnection, tenant: str, fit: KeptFit) -> None:
    await connection.execute(insert(value_fits).values(tenant_id=tenant, **asdict(fit)))


async def note_checked(connection: AsyncConnection, tenant: str, id: UUID, until: datetime) -> None:
    await connection.execute(
        update(value_fits)
        .where(value_fits.c.tenant_id == tenant, value_fits.c.id == id)
        .values(checked_until=func.greatest(value_fits.c.checked_until, until))
    )
