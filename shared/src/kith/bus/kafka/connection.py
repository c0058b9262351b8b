"""How Kafka is reached: TLS and SASL, by the settings. Files are read for each client that is made, and a client whose
files have changed is replaced by another: so a new password, certificate or CA is in force without a restart."""

import ssl
import time
from typing import Any

import httpx
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from kith.bus.settings import BusSettings
from kith.runtime.secret_files import secret_in

_TOKEN_SECONDS = 10.0
_EARLY = 30.0
"""Seconds before its end that a token is replaced: a connection takes a moment."""


class Connection:
    def __init__(self, bootstrap: str, settings: BusSettings) -> None:
        self._bootstrap = bootstrap
        self._settings = settings
        self._files = [
            file
            for file in (
                settings.kafka_ssl_ca_file,
                settings.kafka_ssl_certificate_file,
                settings.kafka_ssl_key_file,
                settings.kafka_ssl_key_password_file,
                settings.kafka_sasl_password_file,
            )
            if file is not None
        ]
        self._tokens = TokenProvider(settings)

    def stamp(self) -> tuple[object, ...]:
        """Returns what differs once one of the files is another. Raises OSError."""
        found = [each.stat() for each in self._files]
        return tuple((each.st_mtime_ns, each.st_ino, each.st_size) for each in found)

    def options(self) -> dict[str, Any]:
        """Returns what aiokafka's clients take. Raises OSError if a file cannot be read or is not what it should be."""
        settings, protocol = self._settings, self._settings.kafka_security_protocol
        options: dict[str, Any] = {
            "bootstrap_servers": self._bootstrap,
            "client_id": "kith",
            "security_protocol": protocol,
        }
        if protocol.endswith("SSL"):
            options["ssl_context"] = self._tls()
        if settings.kafka_sasl_mechanism is not None:
            options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        if settings.kafka_sasl_mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = self._tokens
        elif settings.kafka_sasl_password_file is not None:
            options["sasl_plain_username"] = settings.kafka_sasl_username
            options["sasl_plain_password"] = secret_in(settings.kafka_sasl_password_file)
        return options

    def _tls(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.kafka_ssl_ca_file)
        if settings.kafka_ssl_certificate_file is not None:
            password = settings.kafka_ssl_key_password_file
            context.load_cert_chain(
                settings.kafka_ssl_certificate_file,
                settings.kafka_ssl_key_file,
                secret_in(password) if password is not None else None,
            )
        return context


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc] # aiokafka is untyped
    """Access tokens by client credentials (RFC 6749, section 4.4). A token is kept until shortly before its end; the
    client's secret is read for each request."""

    def __init__(self, settings: BusSettings) -> None:
        self._settings = settings
        self._token = ""
        self._until = 0.0

    async def token(self) -> str:
        """Raises KafkaConnectionError."""
        if time.monotonic() >= self._until:
            try:
                await self._request()
            except (httpx.HTTPError, OSError, KeyError, ValueError) as error:
                raise KafkaConnectionError(f"no token for Kafka: {error!r}") from error
        return self._token

    async def _request(self) -> None:
        settings = self._settings
        assert settings.kafka_sasl_oauthbearer_token_endpoint_url is not None
        assert settings.kafka_sasl_oauthbearer_client_id is not None
        assert settings.kafka_sasl_oauthbearer_client_secret_file is not None
        secret = secret_in(settings.kafka_sasl_oauthbearer_client_secret_file)
        form = {"grant_type": "client_credentials", "scope": settings.kafka_sasl_oauthbearer_scope}
        requested_at = time.monotonic()
        async with httpx.AsyncClient(timeout=_TOKEN_SECONDS) as client:
            answer = await client.post(
                settings.kafka_sasl_oauthbearer_token_endpoint_url,
                data={name: value for name, value in form.items() if value is not None},
                auth=(settings.kafka_sasl_oauthbearer_client_id, secret),
            )
        granted = answer.raise_for_status().json()
        lifetime = float(granted.get("expires_in", 0))
        self._token = str(granted["access_token"])
        self._until = requested_at + lifetime - min(_EARLY, lifetime / 5)
