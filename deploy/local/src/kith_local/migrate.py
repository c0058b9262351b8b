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
from kith_local.topology import SERVICES


async def migrate_all() -> None:
    for name in SERVICES:
        began = time.monotonic()
        service: Service = import_module(f"{name}.service").SERVICE
        url = os.environ[f"KITH_DATABASE_URL_{name.upper()}"]
        await migrations.migrate(url, service.package, service.after_migrations)
        print(f"{name}: up to date after {time.monotonic() - began:.2f} s", flush=True)  # noqa: T201 - its log


if __name__ == "__main__":
    asyncio.run(migrate_all())
