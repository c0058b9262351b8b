"""Serves the issuer on its URL's port."""

import asyncio
import signal
from pathlib import Path
from urllib.parse import urlsplit

from kith.http import server
from kith_local.issuer import Issuer
from kith_local.issuer_files import client_in, key_in

DRAIN_SECONDS = 2


def serve(folder: Path, *, url: str) -> None:
    """Until SIGTERM. Listens on loopback whatever the URL says: its secret lies in a file on this machine."""
    issuer = Issuer(url=url, key=key_in(folder), client=client_in(folder))
    port = urlsplit(url).port
    assert port is not None, "the supervisor gives one"
    asyncio.run(_serve(issuer, port))


async def _serve(issuer: Issuer, port: int) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await listen(issuer, port, stop)


async def listen(issuer: Issuer, port: int, stop: asyncio.Event) -> None:
    await server.serve(issuer.app(), "127.0.0.1", port, stop=stop, drain=DRAIN_SECONDS)
