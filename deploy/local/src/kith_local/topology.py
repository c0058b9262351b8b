"""All of Kith on one machine, in one file: which processes there are and what environment each gets."""

import os
import sys
from collections.abc import Mapping

from kith_local.demo.marker import Marker
from kith_local.layout import GATEWAY, Layout
from kith_local.node import node
from kith_local.plan import Infrastructure, Part, Plan
from kith_local.ports import Port, ports_of

SERVICES = ("contacts", "sales", "service_desk", "analytics")
DATABASES = {f"KITH_DATABASE_URL_{name.upper()}": f"kith_{name}" for name in (*SERVICES, "bus")}


def plan_for(layout: Layout, environment: Mapping[str, str] = os.environ) -> Plan:
    """What the caller's environment already says, an external database or broker, is used and not started here."""
    ports = ports_of(environment)
    given = {f"KITH_PORT_{name.upper()}": str(ports[name].number) for name in ("gateway", "issuer", *SERVICES)}
    given["PYTHONUNBUFFERED"] = "1"
    given["KITH_ERASURES_FILE"] = environment.get("KITH_ERASURES_FILE") or str(layout.erasures)
    given["KITH_ATTACHMENTS_FOLDER"] = environment.get("KITH_ATTACHMENTS_FOLDER") or str(layout.attachments)
    early = [_gateway(ports, layout)]
    if not environment.get("KITH_ISSUER_URL"):
        given["KITH_ISSUER_URL"] = f"http://127.0.0.1:{ports['issuer'].number}"
        early.append(_issuer(ports["issuer"], layout))
        given["KITH_CLIENT_FILE"] = str(layout.issuer / "client.json")
    # Where analytics finds what it reconciles with.
    given |= {f"KITH_URL_{name.upper()}": f"http://127.0.0.1:{ports[name].number}" for name in SERVICES}
    return Plan(
        infrastructure=_infrastructure(layout, environment, ports),
        early=early,
        before=[Part("migrate", _python("kith_local.migrate"), {"KITH_HOME": str(layout.home), "BUS": layout.bus})],
        parts=[part for name in SERVICES for part in (_api(name, ports), _worker(name, ports))],
        after=_after(layout, environment),
        stop_order=("gateway", "-api", "-worker"),
        environment=given,
    )


def _api(name: str, ports: Mapping[str, Port]) -> Part:
    api, metrics = ports[name], ports[f"metrics_{name}_api"]
    at = f"http://127.0.0.1:{api.number}"
    return Part(
        f"{_dashed(name)}-api",
        _python(name, "api"),
        {"KITH_METRICS_PORT": str(metrics.number)},
        ready=f"{at}/readyz",
        url=f"{at}/docs",
        ports=(api, metrics),
    )


def _worker(name: str, ports: Mapping[str, Port]) -> Part:
    metrics = ports[f"metrics_{name}_worker"]
    at = f"http://127.0.0.1:{metrics.number}"
    return Part(
        f"{_dashed(name)}-worker",
        _python(name, "worker"),
        {"KITH_METRICS_PORT": str(metrics.number)},
        ready=f"{at}/readyz",
        url=f"{at}/metrics",
        ports=(metrics,),
    )


def _issuer(port: Port, layout: Layout) -> Part:
    at = f"http://127.0.0.1:{port.number}"
    return Part(
        "issuer",
        _python("kith_local", "issuer"),
        {"KITH_HOME": str(layout.home)},
        ready=f"{at}/livez",
        url=at,
        ports=(port,),
    )


def _gateway(ports: Mapping[str, Port], layout: Layout) -> Part:
    port, metrics = ports["gateway"], ports["metrics_gateway"]
    at = f"http://127.0.0.1:{port.number}"
    return Part(
        "gateway",
        (node(), "gateway.mjs"),
        # Node 22 and newer keep what they compiled: half a second less at each start.
        {"NODE_COMPILE_CACHE": str(layout.downloads / "node"), "KITH_METRICS_PORT": str(metrics.number)},
        folder=GATEWAY,
        ready=f"{at}/readyz",
        url=f"{at}/graphql",
        ports=(port, metrics),
    )


def _infrastructure(layout: Layout, environment: Mapping[str, str], ports: Mapping[str, Port]) -> list[Infrastructure]:
    # Imported here: asyncpg and the wheels' loaders cost a third of a second, and `make token` needs none of them.
    from kith_local.infrastructure import Kafka, Postgres  # noqa: PLC0415

    servers: list[Infrastructure] = []
    embedded = {variable: name for variable, name in DATABASES.items() if not environment.get(variable)}
    if layout.bus == "kafka" or environment.get("KITH_KAFKA_BOOTSTRAP"):
        embedded.pop("KITH_DATABASE_URL_BUS", None)
    if embedded:
        servers.append(Postgres(layout.data / "postgres", embedded, layout.archive, environment.get("KITH_ARCHIVE")))
    if layout.bus == "kafka" and not environment.get("KITH_KAFKA_BOOTSTRAP"):
        broker_ports = [ports["kafka"], ports["kafka_controller"]]
        servers.append(Kafka(layout.data / "kafka", broker_ports, jars=layout.downloads / "kafka"))
    return servers


def _after(layout: Layout, environment: Mapping[str, str]) -> list[Part]:
    if environment.get("DEMO") == "no" or environment.get("KITH_ISSUER_URL") or Marker.of(layout).is_loaded:
        return []
    return [Part("demo", _python("kith_local", "demo"), {"KITH_HOME": str(layout.home), "BUS": layout.bus})]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _dashed(name: str) -> str:
    return name.replace("_", "-")
