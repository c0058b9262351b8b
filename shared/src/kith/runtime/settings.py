"""Settings come from the environment, prefix KITH_. A service adds its own database and port by subclassing."""

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kith.scalars import Flag, Pattern, Real, Whole, Written

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


def _origins(given: object) -> object:
    """Of `https://crm.example, http://localhost:3000`."""
    if not isinstance(given, str):
        return given
    origins = tuple(each for part in given.split(",") if (each := part.strip()))
    for each in origins:
        if not _ORIGIN.fullmatch(each):
            raise ValueError(
                f"{each!r} is not an origin: scheme, host in lower case, and port, as in https://crm.example"
            )
    return origins


_PREFIX = "KITH_"
Port = Annotated[int, Whole(0, 65_535)]
Count = Annotated[int, Whole(1)]
Days = Annotated[int, Whole(1, 3650)]
Hours = Annotated[int, Whole(1, 87_600)]
Seconds = Annotated[float, Real(above=0, most=86_400)]
Rate = Annotated[float, Real(above=0, most=1e9)]
Line = Annotated[str, Written(2000)]
Level = Annotated[str, Pattern("(DEBUG|INFO|WARNING|ERROR|CRITICAL)", "It is DEBUG, INFO, WARNING, ERROR or CRITICAL.")]


class SettingsInvalid(Exception):
    """Names each variable, and what is wrong with it."""


S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, populate_by_name=True)

    database_url: str
    port: Port
    metrics_port: Port | None = Field(default=None, description="Prometheus, and the worker's probes; none if unset")
    host: Line = "127.0.0.1"
    pool_size: Count = Field(default=10, description="database connections of one process")

    kafka_bootstrap: Line | None = Field(default=None, description="host:port[,..]; the embedded bus if unset")
    bus_url: Line | None = Field(default=None, validation_alias="KITH_DATABASE_URL_BUS")
    topic_partitions: Count = 24

    issuer_url: Line = "http://127.0.0.1:8005"
    jwks_url: Line | None = Field(default=None, description="found by the issuer's discovery document if unset")
    audience: Line = "kith"
    tenant_claim: Line = "tenant"

    bus_retention_days: Days = Field(default=7, description="how long the embedded bus keeps messages")
    idempotency_hours: Hours = Field(default=24, description="how long an Idempotency-Key is remembered")
    outbox_retention_days: Days = Field(default=7, description="how long published events stay for a refill")
    dead_letter_limit: Count = Field(default=100, description="unresolved dead letters that stop a consumer")
    live_connections: Count = Field(default=1000, description="WebSockets of one process")
    live_connections_per_tenant: Count = Field(default=200, description="of them, of one tenant")
    live_subscriptions: Count = Field(default=2000, description="GraphQL subscriptions of one process")
    live_subscriptions_per_tenant: Count = Field(default=200, description="of them, of one tenant")
    live_subscriptions_per_connection: Count = 20
    live_init_seconds: Seconds = Field(default=5, description="within which a WebSocket says who it is")
    tenant_rate: Rate = Field(default=2000, description="requests a second of one tenant, of one process")
    tenant_burst: Count = Field(default=4000, description="requests that may come at once")
    tenant_beside: Count = Field(default=1, description="in hand of a tenant that asks often, while others ask")
    tenant_queue: Count = Field(default=500, description="requests of one tenant that may wait for others of it")
    tenant_queue_seconds: Seconds = Field(default=10, description="how long they may wait")
    graphql_document_characters: Count = Field(default=32 * 1024, description="these are the gateway's; ..")
    graphql_tokens: Count = Field(default=2000, description=".. where it says so a service allows three times as much")
    graphql_definitions: Count = Field(default=50, description="operations and fragments")
    graphql_depth: Count = Field(default=15, description="levels of fields")
    graphql_fields: Count = 500
    graphql_repeats: Count = Field(default=40, description="times that one field is selected at one position")
    graphql_root_fields: Count = 30
    graphql_aliases: Count = 60
    graphql_directives: Count = 50
    graphql_cost: Count = Field(default=20_000, description="objects that an answer may have")
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        default=(), description="origins whose pages may ask, by commas; none unless named"
    )
    shutdown_seconds: Seconds = Field(default=10, description="how long a stop may drain")

    otlp_endpoint: Line | None = Field(default=None, description="OpenTelemetry collector; no traces leave if unset")
    log_json: Flag = True
    log_level: Level = "INFO"


def from_environment(kind: Callable[[], S]) -> S:
    """Raises SettingsInvalid."""
    try:
        return kind()
    except ValidationError as error:
        wrong = [f"{_variable(str(each['loc'][0]))}: {each['msg']}" for each in error.errors(include_url=False)]
        raise SettingsInvalid("\n".join(wrong)) from None


def _variable(name: str) -> str:
    return name if name.startswith(_PREFIX) else f"{_PREFIX}{name.upper()}"
