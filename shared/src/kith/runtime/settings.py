"""Settings come from the environment, prefix KITH_. A further setting is a line here: its name, type, default and
description. It is then validated at start, listed by `python -m <service> settings`, and in docs/settings.md.

A service adds its own by subclassing.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Annotated, NamedTuple, TypeVar

from pydantic import AliasGenerator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kith.bus.settings import BusSettings
from kith.db.settings import DatabaseSettings
from kith.runtime.setting_types import (
    Count,
    Days,
    Hours,
    Level,
    Line,
    OriginList,
    Port,
    Rate,
    Seconds,
    WebUrl,
)
from kith.scalars import Flag, Whole

__all__ = [
    "ApiPort",
    "Settings",
    "SettingsInvalid",
    "from_environment",
    "of_service",
    "unknown_variables",
    "variable_of",
]

_PREFIX = "KITH_"
_OF_SERVICE = ("database_url", "database_owner_url", "database_pooler_url", "database_replica_url", "port")
"""Services of one machine share its environment: of these each has its own, KITH_PORT_SALES say."""

_OF_ANY_SERVICE = re.compile(f"{_PREFIX}({'|'.join(_OF_SERVICE).upper()})_")
_ALMOST = 0.9
"""Of difflib: a letter that is missing, doubled or another. KITH_HOME is no KITH_HOST."""

ApiPort = Annotated[Port, Field(description="port of the API")]


class SettingsInvalid(Exception):
    """Names each variable, and what is wrong with it."""


S = TypeVar("S", bound="Settings")


def of_service(name: str) -> SettingsConfigDict:
    """The `model_config` of a service's settings."""
    suffix = f"_{name.upper().replace('-', '_')}"
    return SettingsConfigDict(
        alias_generator=AliasGenerator(
            validation_alias=lambda field: f"{_PREFIX}{field.upper()}{suffix if field in _OF_SERVICE else ''}"
        )
    )


class Settings(BusSettings, DatabaseSettings, BaseSettings):
    model_config = SettingsConfigDict(frozen=True, populate_by_name=True) | of_service("service")

    port: ApiPort
    metrics_port: Port | None = Field(default=None, description="port of probes and metrics of this process")
    host: Line = Field(default="127.0.0.1", description="address to listen on")

    issuer_url: Line = Field(default="http://127.0.0.1:8005", description="issuer whose tokens are accepted")
    jwks_url: WebUrl | None = Field(
        default=None, description="where the issuer's keys are; found by its discovery document if unset"
    )
    audience: Line = Field(default="kith", description="audience (`aud`) that a token must have")
    tenant_claim: Line = Field(default="tenant", description="claim of a token that names the tenant")

    idempotency_hours: Hours = Field(default=24, description="how long an Idempotency-Key is remembered")
    outbox_retention_days: Days = Field(default=7, description="how long published events stay in the outbox")
    dead_letter_limit: Count = Field(default=100, description="unresolved dead letters that stop a consumer")

    live_connections: Count = Field(default=1000, description="WebSockets of one process")
    live_connections_per_tenant: Count = Field(default=200, description="WebSockets of one tenant, of one process")
    live_subscriptions: Count = Field(default=2000, description="GraphQL subscriptions of one process")
    live_subscriptions_per_tenant: Count = Field(default=200, description="subscriptions of one tenant, of one process")
    live_subscriptions_per_connection: Count = Field(default=20, description="subscriptions of one WebSocket")
    live_init_seconds: Seconds = Field(default=5, description="within which a WebSocket sends its token")

    tenant_rate: Rate = Field(default=2000, description="requests a second of one tenant, of one process")
    tenant_burst: Count = Field(default=4000, description="requests of one tenant that may come at once")
    trusted_proxies: Annotated[int, Whole(0, 10)] = Field(
        default=0, description="proxies in front that add to X-Forwarded-For from where they were asked"
    )
    tenant_beside: Count = Field(
        default=1,
        description="concurrent requests of a tenant that sends more than some 20 a second, while others send some",
    )
    tenant_queue: Count = Field(default=500, description="requests of one tenant that may wait for its other requests")
    tenant_queue_seconds: Seconds = Field(default=10, description="how long they may wait")

    graphql_document_characters: Count = Field(
        default=32 * 1024,
        description="text of a query; this and what follows as the gateway has it: a service allows "
        "three times as much, but for cost, depth and repeats",
    )
    graphql_tokens: Count = Field(default=2000, description="tokens of a query")
    graphql_definitions: Count = Field(default=50, description="operations and fragments")
    graphql_depth: Count = Field(default=15, description="levels of fields")
    graphql_fields: Count = Field(default=500, description="fields and spreads")
    graphql_repeats: Count = Field(default=40, description="times that one field is selected at one position")
    graphql_root_fields: Count = Field(default=30, description="fields at the root")
    graphql_aliases: Count = Field(default=60, description="aliases")
    graphql_directives: Count = Field(default=50, description="directives")
    graphql_cost: Count = Field(default=20_000, description="the most that a query may cost")

    cors_origins: OriginList = Field(default=(), description="origins whose pages may call the API; none if unset")
    shutdown_seconds: Seconds = Field(default=10, description="how long a stop may wait for requests that run")

    otlp_endpoint: WebUrl | None = Field(
        default=None, description="OpenTelemetry collector (HTTP); no traces are exported if unset"
    )
    log_json: Flag = Field(default=True, description="whether a log line is JSON")
    log_level: Level = Field(default="INFO", description="least level that is logged")

    @property
    def bus_database(self) -> str | None:
        """The URL of the embedded bus's database, with all that says how to connect."""
        if self.database_url_bus is None:
            return None
        return self.completed(self.database_url_bus, self.database_password_file)

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yields each setting that does not go with the others, and the rule."""
        yield from DatabaseSettings.contradictions(self)
        yield from BusSettings.contradictions(self)


def from_environment(kind: type[S]) -> S:
    """Raises SettingsInvalid, which names all that is wrong."""
    try:
        settings = kind()
    except ValidationError as error:
        wrong = [f"{each['loc'][0]}: {_rule(each['type'], each['msg'])}" for each in error.errors(include_url=False)]
        raise SettingsInvalid("\n".join(wrong)) from None
    if wrong := [f"{variable_of(type(settings), field)}: {rule}" for field, rule in settings.contradictions()]:
        raise SettingsInvalid("\n".join(wrong))
    return settings


class Unknown(NamedTuple):
    variable: str
    closest: str | None
    """The setting that was meant, it seems."""


def unknown_variables(kind: type[Settings], environment: Iterable[str]) -> list[Unknown]:
    """Returns the variables with our prefix that are no setting of this process; those that another service of the same
    machine has by its name are not among them, unless they are almost one of ours."""
    known = {variable_of(kind, field) for field in kind.model_fields}
    found = list[Unknown]()
    for variable in sorted(each for each in environment if each.startswith(_PREFIX) and each not in known):
        closest = next(iter(get_close_matches(variable, known, n=1, cutoff=_ALMOST)), None)
        if closest is not None or not _OF_ANY_SERVICE.match(variable):
            found.append(Unknown(variable, closest))
    return found


def _rule(kind: str, message: str) -> str:
    return "It is not set, and has no default." if kind == "missing" else message


def variable_of(kind: type[Settings], field: str) -> str:
    """Returns the environment variable of a setting."""
    alias = kind.model_fields[field].validation_alias
    assert isinstance(alias, str)
    return alias
