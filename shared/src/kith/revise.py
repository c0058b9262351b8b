"""`python -m kith.revise sales "add contracts"`: writes the next migration of a service, from the difference between
its tables and a database migrated so far. Needs an empty database; `make migration` gives it one."""

import asyncio
import sys

from alembic import command
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from kith.db import sqlalchemy_url
from kith.migrations import configuration, migrate


async def revise(url: str, package: str, message: str) -> None:
    await migrate(url, package)
    engine = create_async_engine(sqlalchemy_url(url))

    def write(connection: Connection) -> None:
        config = configuration(package)
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True)

    async with engine.connect() as connection:
        await connection.run_sync(write)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(revise(*sys.argv[1:4]))
