"""What a rule of several rows needs: that the rows it looks up stay as they are until its transaction ends."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection


async def one_at_a_time(connection: AsyncConnection, tenant: str, what: str) -> None:
    """Waits for the tenant's other transactions that change the same, such as its `people`, and has those that come
    wait to the end of this one. The rows that a request names are locked before, so no two wait for each other."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{tenant}/{what}", 0))))
