"""Settings come from the environment, prefix KITH_. A service adds its own database and port by subclassing."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    shutdown_seconds: float = Field(default=10, gt=0, description="how long a stop may drain")

    otlp_endpoint: str | None = Field(default=None, description="OpenTelemetry collector; no traces leave if unset")
    log_json: bool = True
    log_level: str = "INFO"
