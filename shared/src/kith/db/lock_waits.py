"""Reports which lock a session waits for, and which sessions hold it: a second session looks, as the one that waits
cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from kith.db.login import connect
from kith.runtime.telemetry import log

_SECONDS = 0.5
"""Between two looks; some of them within the time that a migration waits for a lock."""
# The statements of the holders are not shown: there may be personal data in them.
_WAITING = """
    SELECT l.relation::regclass::text AS of_table, h.pid, a.usename AS login, a.application_name AS application,
           a.state, a.xact_start AS since
    FROM pg_locks l CROSS JOIN unnest(pg_blocking_pids(l.pid)) AS h(pid) LEFT JOIN pg_stat_activity a ON a.pid = h.pid
    WHERE l.pid = $1 AND NOT l.granted ORDER BY h.pid
"""


@dataclass(frozen=True, slots=True)
class LockWait:
    waits_for: str
    held_by: tuple[str, ...]

    def __str__(self) -> str:
        return f"waits for {self.waits_for}, held by {'; '.join(self.held_by)}"


class LockWatch:
    last: LockWait | None = None

    async def run(self, url: str, pid: int) -> None:
        """Logs each wait of the session `pid` that is not the one before, until it is cancelled."""
        try:
            session = await connect(url, server_settings={"application_name": "kith lock watch"})
            try:
                while True:
                    if (wait := _wait_in(await session.fetch(_WAITING, pid))) and wait != self.last:
                        self.last = wait
                        log.warning("migration waits", waits_for=wait.waits_for, held_by=wait.held_by)
                    await asyncio.sleep(_SECONDS)
            finally:
                session.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("locks are not watched", error=error)  # the migration needs nothing of it


@asynccontextmanager
async def watching_locks(url: str, pid: int) -> AsyncIterator[LockWatch]:
    watch = LockWatch()
    task = asyncio.create_task(watch.run(url, pid))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait((task,))


def _wait_in(rows: list[Any]) -> LockWait | None:
    if not rows:
        return None
    table = rows[0]["of_table"]
    waits_for = f"a lock of the table {table}" if table else "transactions that began before"
    return LockWait(waits_for, tuple(_holder(each) for each in rows))


def _holder(row: Any) -> str:
    """What a login may not see of another's session is left out."""
    known = [f"process {row['pid']}", row["login"] and f"login {row['login']}", row["application"], row["state"]]
    since = row["since"] and f"in a transaction since {row['since']:%Y-%m-%d %H:%M:%S%z}"
    return ", ".join(each for each in (*known, since) if each)
