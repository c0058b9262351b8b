"""Settings come from the environment, prefix KITH_. A service adds its own database and port by subclassing."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

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


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="KITH_", frozen=True, populate_by_name=True)

    database_url: str
    port: int
    metrics_port: int | None = Field(default=None, description="Prometheus, and the worker's probes; none if unset")
    host: str = "127.0.0.1"
    pool_size: int = Field(default=10, ge=1, description="database connections of one process")

    kafka_bootstrap: str | None = Field(default=None, description="host:port[,..]; the embedded bus if unset")
    bus_url: str | None = Field(default=None, validation_alias="KITH_DATABASE_URL_BUS")
    topic_partitions: int = Field(default=24, ge=1)

    issuer_url: str = "http://127.0.0.1:8005"
    jwks_url: str | None = Field(default=None, description="found by the issuer's discovery document if unset")
    audience: str = "kith"
    tenant_claim: str = "tenant"

    bus_retention_days: int = Field(default=7, ge=1, description="how long the embedded bus keeps messages")
    idempotency_hours: int = Field(default=24, ge=1, description="how long an Idempotency-Key is remembered")
    outbox_retention_days: int = Field(default=7, ge=1, description="how long published events stay for a refill")
    dead_letter_limit: int = Field(default=100, ge=1, description="unresolved letters that stop a consumer")
    live_connections: int = Field(default=1000, ge=1, description="WebSockets of one process")
    live_subscriptions: int = Field(default=2000, ge=1, description="GraphQL subscriptions of one process")
    live_subscriptions_per_tenant: int = Field(default=200, ge=1, description="of them, of one tenant")
    live_subscriptions_per_connection: int = Field(default=20, ge=1)
    live_init_seconds: float = Field(default=5, gt=0, description="within which a WebSocket says who it is")
    tenant_rate: float = Field(default=2000, gt=0, description="requests a second of one tenant, of one process")
    tenant_burst: int = Field(default=4000, ge=1, description="requests that may come at once, of those")
    tenant_beside: int = Field(default=2, ge=1, description="requests of one tenant in hand while others ask")
    tenant_queue: int = Field(default=500, ge=1, description="requests of one tenant that may wait for others of it")
    tenant_queue_seconds: float = Field(default=10, gt=0, description="how long they may wait")
    graphql_document_characters: int = Field(default=32 * 1024, ge=1, description="these are the gateway's; ..")
    graphql_tokens: int = Field(
        default=2000, ge=1, description=".. where it says so a service allows three times as much"
    )
    graphql_definitions: int = Field(default=50, ge=1, description="operations and fragments")
    graphql_depth: int = Field(default=15, ge=1, description="levels of fields")
    graphql_fields: int = Field(default=500, ge=1)
    graphql_repeats: int = Field(default=40, ge=1, description="times that one field is asked for at one place")
    graphql_root_fields: int = Field(default=30, ge=1)
    graphql_aliases: int = Field(default=60, ge=1)
    graphql_directives: int = Field(default=50, ge=1)
    graphql_cost: int = Field(default=20_000, ge=1, description="objects that an answer may have")
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        default=(), description="origins whose pages may ask, by commas; none unless named"
    )
    shutdown_seconds: float = Field(default=10, gt=0, description="how long a stop may drain")

    otlp_endpoint: str | None = Field(default=None, description="OpenTelemetry collector; no traces leave if unset")
    log_json: bool = True
    log_level: str = "INFO"
