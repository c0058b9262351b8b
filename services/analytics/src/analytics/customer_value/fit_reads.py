"""A tenant's fits as views."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.customer_value.fit_store import fits_of
from analytics.customer_value.fits import KeptFit
from kith.errors import NotFound


async def fits(connection: AsyncConnection, tenant: str) -> list[KeptFit]:
    """Returns the fits, the newest first."""
    return await fits_of(connection, tenant)


async def one_fit(connection: AsyncConnection, tenant: str, id: UUID) -> KeptFit:
    """Returns one fit. Raises NotFound."""
    for each in await fits_of(connection, tenant):
        if each.id == id:
            return each
    raise NotFound.of("fit", id)
