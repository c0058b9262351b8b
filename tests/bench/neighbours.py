"""How long a tenant waits while another floods the same process with 400 clients: the 99th of 100 answers, against the
same of a quiet process. Service and flood run as processes of their own, and both tenants list orders.

python -m tests.bench.neighbours PORT TOKEN: the flood, until it is ended; each line says how many were answered."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from statistics import quantiles

import asyncpg
import httpx
from starlette.responses import JSONResponse
from tests.bench.measure import Figure, free_ports

from kith.db.migrations import migrate
from kith.http.server import serve
from kith.testing import Issuer
from kith_local.postgres import EmbeddedPostgres
from sales.service import SERVICE

CLIENTS, ASKED, ROWS, SECONDS = 400, 400, 1000, 4
MOST = 3.0
SERVED = b"200"


async def run(postgres: EmbeddedPostgres, _: str | None) -> list[Figure]:
    connection = await asyncpg.connect(postgres.url("postgres"))
    await connection.execute("CREATE DATABASE neighbours")
    await connection.close()
    url = postgres.url("neighbours")
    await migrate(url, SERVICE.package, SERVICE.after_migrations)
    await fill(url, "loud", "quiet")
    issuer = Issuer()
    async with keys_of(issuer) as keys, api(url, keys) as port:
        loud, quiet = (issuer.token(each, exp=2**31) for each in ("loud", "quiet"))
        await ninety_ninth(port, quiet)
        in_quiet = await ninety_ninth(port, quiet)
        async with flood(port, loud) as answered:
            alone = await per_second(answered)
            beside_flood, beside = await asyncio.gather(ninety_ninth(port, quiet), per_second(answered))
    return [
        Figure("second tenant's p99, flood", beside_flood, "its p99, quiet", in_quiet, MOST * in_quiet, unit="ms"),
        Figure("a flood beside another tenant", beside, "a flood alone", alone, 0.5),
    ]


async def ninety_ninth(port: int, token: str) -> float:
    """In ms, of one client that asks again and again."""
    took, request = [], list_of_orders(token)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(ASKED):
        began = time.perf_counter()
        assert await answer(reader, writer, request) == SERVED
        took.append(1000 * (time.perf_counter() - began))
    writer.close()
    return quantiles(took, n=100)[98]


@asynccontextmanager
async def flood(port: int, token: str) -> AsyncIterator[asyncio.StreamReader]:
    """What it says of how many were answered, once all clients are at it."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(port), token, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        await child.stdout.readline()
        yield child.stdout
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def per_second(answered: asyncio.StreamReader) -> float:
    before, begun = int(await answered.readline()), time.perf_counter()
    for _ in range(SECONDS - 1):
        await answered.readline()
    return (int(await answered.readline()) - before) / (time.perf_counter() - begun)


async def ask_without_end(port: int, token: str) -> None:
    done, request = 0, list_of_orders(token)

    async def client() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            if await answer(reader, writer, request) == SERVED:
                done += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
        while True:
            await asyncio.sleep(1)
            print(done, flush=True)  # noqa: T201 - it is read


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    """Its status. By hand: a client library would cost as much as the service, on the same machine."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return head[9:12]


def list_of_orders(token: str) -> bytes:
    return f"GET /v1/orders HTTP/1.1\r\nHost: sales\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def fill(url: str, *tenants: str) -> None:
    connection = await asyncpg.connect(url)
    for tenant in tenants:
        await connection.execute(
            """INSERT INTO orders (tenant_id, id, version, created_at, updated_at, value, currency)
            SELECT $1, gen_random_uuid(), 1, now(), now(), n, 'EUR' FROM generate_series(1, $2::int) n""",
            tenant,
            ROWS,
        )
    await connection.execute("VACUUM ANALYZE orders")
    await connection.close()


@asynccontextmanager
async def keys_of(issuer: Issuer) -> AsyncIterator[str]:
    (port,), stop = free_ports(1), asyncio.Event()

    async def app(scope: object, receive: object, send: object) -> None:
        await JSONResponse(await issuer.keys(issuer.settings))(scope, receive, send)  # type: ignore[arg-type]

    serving = asyncio.create_task(serve(app, "127.0.0.1", port, stop=stop, drain=1, lifespan="off"))
    yield f"http://127.0.0.1:{port}/keys"
    stop.set()
    await serving


@asynccontextmanager
async def api(url: str, keys: str) -> AsyncIterator[int]:
    (port,) = free_ports(1)
    settings = {"KITH_DATABASE_URL_SALES": url, "KITH_PORT_SALES": str(port), "KITH_JWKS_URL": keys}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", SERVICE.package, "api", env={**os.environ, **settings}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                with suppress(httpx.TransportError):
                    await client.get(f"http://127.0.0.1:{port}/livez")
                    break
                await asyncio.sleep(0.05)
        yield port
    finally:
        child.terminate()
        await child.wait()


if __name__ == "__main__":
    asyncio.run(ask_without_end(int(sys.argv[1]), sys.argv[2]))
