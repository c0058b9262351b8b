"""A service's API, or its worker, as `python -m` runs it, with an issuer's keys on a port."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from tests.conftest import free_ports

from kith.http.server import serve
from kith.runtime.service import Service
from kith.testing import Issuer

PATIENCE = 60


@dataclass
class Process:
    """A process of a service, as `python -m` runs it, and what it has logged. A worker's port is for its metrics."""

    port: int
    log: Path
    child: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logged(self) -> str:
        return self.log.read_text()


@asynccontextmanager
async def keys_of(issuer: Issuer) -> AsyncIterator[str]:
    """The issuer's keys on a port."""
    (port,), stop = free_ports(1), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        keys = await issuer.keys(issuer.settings)
        await JSONResponse(keys)(Request(scope).scope, receive, send)

    serving = asyncio.create_task(serve(app, "127.0.0.1", port, stop=stop, drain=1, lifespan="off"))
    yield f"http://127.0.0.1:{port}/keys"
    stop.set()
    await serving


@asynccontextmanager
async def running(
    service: Service, url: str, keys: str, folder: Path, what: str = "api", **more: str
) -> AsyncIterator[Process]:
    (port,) = free_ports(1)
    process = Process(port, folder / "log")
    name = service.package.upper()
    settings = {
        f"KITH_DATABASE_URL_{name}": url,
        f"KITH_PORT_{name}" if what == "api" else "KITH_METRICS_PORT": str(port),
        "KITH_JWKS_URL": keys,
        "KITH_ATTACHMENTS_FOLDER": str(folder / "attachments"),
        **more,
    }
    with process.log.open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", service.package, what, env={**os.environ, **settings}, stdout=log, stderr=log
        )
        try:
            process.child = child
            async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
                while True:
                    assert child.returncode is None, process.logged
                    with suppress(httpx.TransportError):
                        await client.get(f"{process.url}/livez")
                        break
                    await asyncio.sleep(0.05)
            yield process
        finally:
            if child.returncode is None:
                child.terminate()
            await child.wait()
