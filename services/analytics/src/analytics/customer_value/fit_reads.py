"""The fits of a tenant as they are read."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.fit_store import fits_of
from analytics.customer_value.fits import KeptFit
from kith.errors import NotFound


async def fits(connection: AsyncConnection, tenant: str) -> list[KeptFit]:
    """The newest first."""
    return await fits_of(connection, tenant)


async def one_fit(connection: AsyncConnection, tenant: str, id: UUID) -> KeptFit:
    """Raises NotFound."""
    for each in await fits_of(connection, tenant):
        if each.id == id:
            return each
    raise NotFound.of("fit", id)
