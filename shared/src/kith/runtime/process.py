"""What `python -m <service>` does: serve the API, run the workers, both, or migrate.

SIGTERM stops gracefully: not ready any more, requests drained, the batch in hand finished and committed, the consumer
group left.
"""

import argparse
import asyncio
import gc
import importlib
import os
import signal
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncEngine

from kith.audit.chain import SEALING
from kith.bus import open_bus
from kith.bus.port import Bus, BusError
from kith.consumer import Subscription, attend_dead_letters
from kith.consumer.dead_letters import count_dead_letters
from kith.consumer.generations import follow
from kith.consumer.metrics import HALTED
from kith.db import migrations
from kith.db.sessions import create_engine
from kith.db.tenancy import APP_ROLE, WORKER_ROLE
from kith.http.probes import probes
from kith.http.server import serve
from kith.outbox.age import report_age
from kith.outbox.relay import Relay
from kith.runtime import setting_list, telemetry
from kith.runtime.offload import Lane, Lost, NotStarted
from kith.runtime.service import Service
from kith.runtime.settings import Settings, SettingsInvalid, from_environment, unknown_variables
from kith.runtime.tasks import attend
from kith.runtime.telemetry import log
from kith.runtime.waiting import pause

VERBS = ("api", "worker", "all", "migrate", "export")
COMMANDS = {
    "audit": "kith.audit.cli",
    "dead-letters": "kith.dead_letters.cli",
    "doctor": "kith.doctor.cli",
    "restored": "kith.recovery.cli",
    "tenant": "kith.tenants.cli",
}
"""What every service does besides; see Service.commands."""
GC_OBJECTS = 300_000
"""So many more objects before garbage is collected among them: more than a batch of 5,000 events is made of."""
PRUNE_SECONDS = 3600.0
REPORT_SECONDS = 2.0
BUS_RETRY_SECONDS = 1.0


def _settings(service: Service) -> Settings:
    try:
        return from_environment(service.settings)
    except SettingsInvalid as wrong:
        raise SystemExit(f"These settings are invalid:\n{wrong}") from None


def _warn_of_unknown(settings: Settings) -> None:
    unknown = unknown_variables(type(settings), os.environ)
    for variable, closest in unknown:
        if closest is not None:
            log.warning("no such setting", variable=variable, closest=closest)
    if others := [variable for variable, closest in unknown if closest is None]:
        log.info("variables that are no settings of this process", variables=others)


def main(service: Service) -> None:
    commands = {**COMMANDS, **service.commands}
    if sys.argv[1:2] and (module := commands.get(sys.argv[1])):
        importlib.import_module(module).run(service, _settings(service), sys.argv[2:])
        return
    if sys.argv[1:2] and (module := service.documents.get(sys.argv[1])):
        importlib.import_module(module).run(service, sys.argv[2:])
        return
    if sys.argv[1:2] == ["settings"]:
        setting_list.run(service, sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog=f"python -m {service.package}", description=f"The {service.name} service")
    parser.add_argument("what", choices=[*VERBS, "settings", *commands, *service.documents])
    parser.add_argument("--to", type=Path, default=Path(), help="folder for the exported contracts")
    arguments = parser.parse_args()
    if arguments.what == "export":
        from kith.api import export  # noqa: PLC0415 - see Service.api

        export(service, arguments.to)
        return
    settings = _settings(service)
    telemetry.configure(
        service.name,
        otlp_endpoint=settings.otlp_endpoint,
        log_json=settings.log_json,
        log_level=settings.log_level,
    )
    _warn_of_unknown(settings)
    if arguments.what == "migrate":
        try:
            asyncio.run(migrations.migrate(settings.owner_database, service.package, service.after_migrations))
        except migrations.CannotMigrate as reason:
            sys.exit(f"{service.name}: {reason}")
        return
    import uvloop  # noqa: PLC0415 - not needed to migrate, and not there on every platform

    collect_seldom()
    uvloop.run(_serve(service, settings, arguments.what))


def collect_seldom() -> None:
    """A batch's objects are all in use, and then all gone: to look through them at each 700th, as is the default, takes
    as long as the work itself. What was imported is there to stay."""
    gc.freeze()
    gc.set_threshold(GC_OBJECTS)


async def _serve(service: Service, settings: Settings, what: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    not_ready: dict[str, str] = {}
    notes: dict[str, str] = {}
    role = APP_ROLE if what == "api" else WORKER_ROLE
    if reason := await migrations.behind(settings.database, service.package, role=role):
        log.error("not migrated", reason=reason)
        sys.exit(f"{service.name}: {reason}")
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        if settings.metrics_port is not None:
            tasks.create_task(
                serve(
                    probes(not_ready, notes),
                    settings.host,
                    settings.metrics_port,
                    stop=stop,
                    drain=settings.shutdown_seconds,
                )
            )
        if what in ("worker", "all"):
            await _start_workers(service, settings, not_ready, notes, stop, stack, tasks)
        if what in ("api", "all"):
            from kith.api import api_of, context_for  # noqa: PLC0415 - see Service.api

            context = context_for(service, settings)
            await context.database.check_role()
            app = api_of(service).create(context)
            app.state.not_ready = not_ready
            tasks.create_task(serve(app, settings.host, settings.port, stop=stop, drain=settings.shutdown_seconds))
        for lane in service.lanes:
            tasks.create_task(_begin(lane, f"{service.package}.service"))
        log.info("started", what=what, port=settings.metrics_port if what == "worker" else settings.port)
        await stop.wait()
        not_ready["process"] = "stopping"
        log.info("stopping")


async def _begin(lane: Lane, module: str) -> None:
    try:
        await lane.start(module)
    except (NotStarted, Lost) as error:  # the first piece tries again, and raises it to its caller
        log.warning("no process for computation", lane=lane.name, error=error)


async def _start_workers(
    service: Service,
    settings: Settings,
    not_ready: dict[str, str],
    notes: dict[str, str],
    stop: asyncio.Event,
    stack: AsyncExitStack,
    tasks: asyncio.TaskGroup,
) -> None:
    engine = create_engine(
        settings.database, role=WORKER_ROLE, pool_size=settings.pool_size, application=f"kith {service.name} worker"
    )
    stack.push_async_callback(engine.dispose)
    bus = await stack.enter_async_context(open_bus(settings.kafka_bootstrap, settings.bus_database, settings))
    relay = Relay(
        service.name,
        engine,
        service.outbox,
        bus,
        partitions=settings.topic_partitions,
        retention_days=settings.outbox_retention_days,
        generation=settings.topic_generation,
    )
    tasks.create_task(relay.run(stop))
    tasks.create_task(_prune(service, bus, engine, settings, stop))
    tasks.create_task(_report(service, engine, notes, stop))
    for subscription in service.subscriptions:
        tasks.create_task(_consume(subscription, bus, engine, not_ready, stop, settings))
        # Beside the consumer, not in it: one that has halted for its dead letters is the one that needs it.
        current = subscription.current(generation=settings.topic_generation, partitions=settings.topic_partitions)
        tasks.create_task(attend_dead_letters(current, engine, stop=stop))
    for task in (SEALING, *service.tasks):
        tasks.create_task(attend(task, engine, stop=stop))


async def _prune(service: Service, bus: Bus, engine: AsyncEngine, settings: Settings, stop: asyncio.Event) -> None:
    """Deletes what is kept for a time only: the embedded bus's messages, and the outcomes of an Idempotency-Key."""
    keys = service.idempotency.c
    # What a bulk row did is remembered for good: it has no outcome to answer again.
    old = delete(service.idempotency).where(
        keys.outcome.is_not(None), keys.recorded_at < func.now() - timedelta(hours=settings.idempotency_hours)
    )
    while not stop.is_set():
        try:
            await bus.prune(timedelta(days=settings.bus_retention_days))
            async with engine.begin() as connection:
                await connection.execute(old)
        except Exception as error:  # noqa: BLE001 - whatever it was, all else goes on, and it is tried again
            log.warning("not pruned", error=error)
        await pause(stop, PRUNE_SECONDS)


async def _report(service: Service, engine: AsyncEngine, notes: dict[str, str], stop: asyncio.Event) -> None:
    """Reports to Prometheus how old the outbox is, and to it and the readiness probe how many dead letters there
    are."""
    while not stop.is_set():
        try:
            async with engine.connect() as connection:
                await report_age(connection, service.name, service.outbox)
                found = await count_dead_letters(connection)
        except Exception as error:  # noqa: BLE001 - the same
            log.warning("outbox and dead letters not counted", error=error)
        else:
            notes.clear()
            notes.update({group: str(count) for group, count in found.items() if any(count)})
        await pause(stop, REPORT_SECONDS)


async def _consume(
    subscription: Subscription,
    bus: Bus,
    engine: AsyncEngine,
    not_ready: dict[str, str],
    stop: asyncio.Event,
    settings: Settings,
) -> None:
    """A consumer that cannot go on leaves the process up but not ready: a restart would mend nothing."""
    HALTED.labels(subscription.group).set(0)
    try:
        await _create_topics(subscription, bus, stop, settings)
        await follow(
            subscription,
            bus,
            engine,
            stop=stop,
            generation=settings.topic_generation,
            dead_letter_limit=settings.dead_letter_limit,
        )
    except Exception as error:  # noqa: BLE001 - whatever it was, it is logged and shown, and this part stands still
        log.exception("consumer halted", group=subscription.group)
        not_ready[subscription.group] = str(error)
        HALTED.labels(subscription.group).set(1)
        await stop.wait()


async def _create_topics(subscription: Subscription, bus: Bus, stop: asyncio.Event, settings: Settings) -> None:
    """Waits for a bus that is not there yet: it may start later than we do."""
    while not stop.is_set():
        try:
            topics = subscription.of_generation(settings.topic_generation).topics
            await bus.create_topics(dict.fromkeys(topics, settings.topic_partitions))
            return  # noqa: TRY300 - the loop goes on only after an error
        except BusError as error:
            log.warning("bus not reached", group=subscription.group, error=error)
        await pause(stop, BUS_RETRY_SECONDS)
