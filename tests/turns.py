"""Two transactions of a tenant that take turns (kith.db.one_at_a_time)."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg
import httpx


async def sent_during(
    database: str, turn: str, change: str, *values: object, request: Coroutine[Any, Any, httpx.Response]
) -> httpx.Response:
    """Returns the answer to a request that is sent while another transaction has the turn, has made this change to the
    database with this URL, and has not committed."""
    other = await asyncpg.connect(database)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", turn)
        await other.execute(change, *values)
        sent, waiting = asyncio.ensure_future(request), "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not sent.done() and await other.fetchval(waiting) == 0:  # noqa: ASYNC110 - nothing announces that it waits
            await asyncio.sleep(0.02)
    await other.close()
    return await sent
