"""Brings all four databases up to date in one process.

Four processes at once would each pay for the same imports, and race each other for the roles, which all databases of
a server share.
"""

import asyncio
import os
import time
from importlib import import_module

from kith.db import migrations
from kith.runtime.service import Service
from kith.runtime.settings import from_environment
from kith_local.restored import bring_in_line
from kith_local.topology import SERVICES


async def migrate_all() -> None:
    os.environ.pop("KITH_CLIENT_FILE", None)  # the issuer makes it, which starts beside this
    for name in SERVICES:
        began = time.monotonic()
        service: Service = import_module(f"{name}.service").SERVICE
        settings = from_environment(service.settings)
        await migrations.migrate(settings.owner_database, service.package, service.after_migrations)
        print(f"{name}: up to date after {time.monotonic() - began:.2f} s", flush=True)  # noqa: T201 - its log


async def _main() -> None:
    await migrate_all()
    await bring_in_line()


if __name__ == "__main__":
    asyncio.run(_main())
