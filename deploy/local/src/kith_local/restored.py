"""Brings all services in line with databases that were restored, before they start."""

from importlib import import_module

import msgspec

from kith.bus import open_bus
from kith.db.sessions import create_engine
from kith.db.tenancy import WORKER_ROLE
from kith.recovery.cli import restored
from kith.runtime.service import Service
from kith.runtime.settings import from_environment
from kith_local.backup import Restored
from kith_local.layout import Layout
from kith_local.topology import SERVICES


async def bring_in_line() -> None:
    """Does nothing unless the data was restored since it last ran."""
    marker = Restored.marker(Layout.of())
    if not marker.exists():
        return
    to = msgspec.json.decode(marker.read_bytes(), type=Restored).to
    for name in SERVICES:
        service: Service = import_module(f"{name}.service").SERVICE
        settings = from_environment(service.settings)
        engine = create_engine(settings.database, role=WORKER_ROLE, pool_size=2, application=f"kith {name} restored")
        async with open_bus(settings.kafka_bootstrap, settings.bus_database, settings) as bus:
            lines = await restored(service, settings, engine, bus, to=to)
        await engine.dispose()
        print("\n  ".join([f"{name}:", *lines]), flush=True)  # noqa: T201 - its log
    marker.unlink()
