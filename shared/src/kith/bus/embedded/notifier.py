"""Notifies waiting consumers of new messages, so that none has to poll fast.

Only a hint: a notification may be lost, and consumers look by themselves now and then. So it is sent after the append
has committed and not in it: NOTIFY makes the commits of its transactions wait for each other.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import asyncpg

from kith.bus.embedded.database import FAILURES
from kith.db.login import connect

_CHANNEL = "kith_bus"
_GATHER = 0.002
"""Seconds in which notifications are gathered into one."""
_RECONNECT = 0.5


class Notifier:
    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: dict[asyncio.Event, frozenset[str]] = {}
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._pending: set[str] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._sender: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._keeper = asyncio.create_task(self._keep_connected(), name="bus-notifier")

    async def close(self) -> None:
        if self._sender is not None:
            await self._sender
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    def listen(self, event: asyncio.Event, names: Iterable[str]) -> None:
        """Sets the event whenever one of the names is notified, until `unlisten`."""
        self._listeners[event] = frozenset(names)

    def unlisten(self, event: asyncio.Event) -> None:
        self._listeners.pop(event, None)

    def notify(self, names: Iterable[str]) -> None:
        self._pending.update(names)
        if self._pending and (self._sender is None or self._sender.done()):
            self._sender = asyncio.create_task(self._send(), name="bus-notify")

    async def _send(self) -> None:
        while self._pending:
            await asyncio.sleep(_GATHER)
            names, self._pending = self._pending, set()
            connection = self._connection
            if connection is None:
                continue
            try:
                await connection.executemany("select pg_notify($1, $2)", [(_CHANNEL, name) for name in names])
            except FAILURES:
                connection.terminate()  # whatever it was, a new one is better than one in an unknown state

    async def _keep_connected(self) -> None:
        while True:
            with suppress(*FAILURES):
                await self._serve()
            await asyncio.sleep(_RECONNECT)

    async def _serve(self) -> None:
        ended = asyncio.Event()
        connection: asyncpg.Connection[asyncpg.Record] = await connect(
            self._url,
            # A notification need not survive a crash, so its commit need not wait for the disk.
            server_settings={"application_name": "kith-bus-notifier", "synchronous_commit": "off"},
        )
        try:
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(_CHANNEL, self._heard)
            self._connection = connection
            for event in self._listeners:  # notifications sent meanwhile were lost
                event.set()
            await ended.wait()
        finally:
            self._connection = None
            connection.terminate()

    def _heard(self, _connection: object, _process: int, _channel: str, name: object) -> None:
        for event, names in self._listeners.items():
            if name in names:
                event.set()
