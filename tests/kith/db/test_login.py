"""Logging in to a real PostgreSQL that accepts TLS only: certificates, passwords in files, and rotation."""

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.certificates import Authority
from tests.postgres.server import BY_CERTIFICATE, SUPERUSER, SUPERUSER_PASSWORD, Server, tls_server

from kith.bus import open_bus
from kith.db import migrations
from kith.db.connections import Database
from kith.db.login import connect
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from sales.service import SERVICE
from sales.settings import SalesSettings

LOGIN, PASSWORD = "kith_login", "a pass/word: with ?&="


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tls_server() as running:
        yield running


@pytest.fixture
async def superuser(server: Server) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    trust = f"?sslmode=verify-full&sslrootcert={server.authority.file}"
    connection = await asyncpg.connect(server.url("postgres", SUPERUSER) + trust, password=SUPERUSER_PASSWORD)
    for role in (LOGIN, BY_CERTIFICATE):
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f'CREATE ROLE "{role}" LOGIN CREATEROLE')
    await connection.execute(f"ALTER ROLE {LOGIN} PASSWORD '{PASSWORD}'")
    yield connection
    await connection.close()


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture
def settings(server: Server, superuser: "asyncpg.Connection[asyncpg.Record]", password_file: Path) -> SalesSettings:
    return SalesSettings(
        database_url=server.url("postgres", LOGIN),
        database_password_file=password_file,
        database_sslmode="verify-full",
        database_sslrootcert=server.authority.file,
    )


async def who(url: str) -> tuple[str, bool]:
    """The login, and whether its session is encrypted."""
    connection = await connect(url)
    try:
        return await connection.fetchrow("SELECT session_user::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")  # type: ignore[return-value] # a record is a tuple
    finally:
        await connection.close()


async def test_a_password_in_a_file_over_verified_tls(settings: SalesSettings) -> None:
    assert tuple(await who(settings.database)) == (LOGIN, True)


async def test_a_client_certificate(server: Server, settings: SalesSettings) -> None:
    certificate, key = server.authority.issue(BY_CERTIFICATE)
    own = settings.model_copy(
        update={
            "database_url": server.url("postgres", BY_CERTIFICATE),
            "database_password_file": None,
            "database_sslcert": certificate,
            "database_sslkey": key,
        }
    )
    assert tuple(await who(own.database)) == (BY_CERTIFICATE, True)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await who(own.model_copy(update={"database_sslcert": None, "database_sslkey": None}).database)


async def test_a_server_whose_certificate_another_authority_signed_is_refused(
    settings: SalesSettings, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        await who(settings.model_copy(update={"database_sslrootcert": other.file}).database)


async def test_a_server_of_another_name_is_refused(settings: SalesSettings) -> None:
    elsewhere = settings.database_url.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await who(settings.model_copy(update={"database_url": elsewhere}).database)


async def test_without_tls_it_is_refused(settings: SalesSettings) -> None:
    plain = settings.model_copy(update={"database_sslmode": "disable", "database_sslrootcert": None})
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await who(plain.database)


async def test_a_password_that_is_replaced_is_in_force_for_the_next_connection(
    settings: SalesSettings, superuser: "asyncpg.Connection[asyncpg.Record]", password_file: Path
) -> None:
    engine = create_engine(settings.database, role=LOGIN, pool_size=2, application="test")
    async with engine.connect() as first:
        assert await first.scalar(text("SELECT session_user")) == LOGIN
        await superuser.execute(f"ALTER ROLE {LOGIN} PASSWORD 'another'")
        with pytest.raises(DBAPIError, match="password authentication failed"):
            async with engine.connect():
                pass
        password_file.write_text("another")  # noqa: ASYNC240 - a few bytes
        async with engine.connect() as second:
            assert await second.scalar(text("SELECT session_user")) == LOGIN
    await engine.dispose()


async def test_a_client_certificate_that_is_replaced_is_in_force_for_the_next_connection(
    server: Server, settings: SalesSettings, tmp_path: Path
) -> None:
    files = tmp_path / "client.crt", tmp_path / "client.key"

    def put(authority: Authority) -> None:
        for file, made in zip(files, authority.issue(BY_CERTIFICATE), strict=True):
            file.write_bytes(made.read_bytes())
            file.chmod(0o600)

    own = settings.model_copy(
        update={
            "database_url": server.url("postgres", BY_CERTIFICATE),
            "database_password_file": None,
            "database_sslcert": files[0],
            "database_sslkey": files[1],
        }
    )
    put(server.authority)
    assert tuple(await who(own.database)) == (BY_CERTIFICATE, True)
    put(Authority(tmp_path, "foreign"))
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await who(own.database)
    put(server.authority)
    assert tuple(await who(own.database)) == (BY_CERTIFICATE, True)


async def test_a_service_and_the_embedded_bus_work_so(
    settings: SalesSettings, superuser: "asyncpg.Connection[asyncpg.Record]", tenant: str
) -> None:
    await superuser.execute("DROP DATABASE IF EXISTS sales")
    await superuser.execute(f"CREATE DATABASE sales OWNER {LOGIN}")
    own = settings.model_copy(
        update={
            "database_url": settings.database_url.replace("/postgres", "/sales"),
            "database_url_bus": settings.database_url.replace("/postgres", "/sales"),
        }
    )
    await migrations.migrate(own.owner_database, SERVICE.package, SERVICE.after_migrations)
    assert await migrations.behind(own.database, SERVICE.package, role=WORKER_ROLE) is None
    database = Database(own.database, pool_size=1, application="test")
    await database.check_role()
    async with database.read(tenant) as connection:
        assert await connection.scalar(text("SELECT current_user")) == "kith_app"
    await database.close()
    async with open_bus(None, own.bus_database) as bus:
        await bus.create_topics({"of_a_test": 1})
