"""Settings of the bus. Those of Kafka have the names of librdkafka and of Kafka's own clients."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from kith.runtime.setting_types import Count, DatabaseUrl, Days, File, Line, OneOf, Servers, WebUrl

Protocol = Annotated[str, OneOf(("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"))]
Mechanism = Annotated[str, OneOf(("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"))]


class BusSettings(BaseModel):
    kafka_bootstrap: Servers | None = Field(default=None, description="Kafka's brokers; the embedded bus if unset")
    kafka_security_protocol: Protocol = Field(default="PLAINTEXT", description="how the brokers are reached")
    kafka_ssl_ca_file: File | None = Field(
        default=None, description="certificates (PEM) that sign those of the brokers; the system's if unset"
    )
    kafka_ssl_certificate_file: File | None = Field(default=None, description="client certificate (PEM) and its chain")
    kafka_ssl_key_file: File | None = Field(default=None, description="private key (PEM) of the client certificate")
    kafka_ssl_key_password_file: File | None = Field(default=None, description="file with the password of that key")
    kafka_sasl_mechanism: Mechanism | None = Field(default=None, description="how a client authenticates over SASL")
    kafka_sasl_username: Line | None = Field(default=None, description="user of PLAIN and SCRAM")
    kafka_sasl_password_file: File | None = Field(default=None, description="file with the password of PLAIN and SCRAM")
    kafka_sasl_oauthbearer_token_endpoint_url: WebUrl | None = Field(
        default=None, description="where OAUTHBEARER fetches tokens, by client credentials"
    )
    kafka_sasl_oauthbearer_client_id: Line | None = Field(default=None, description="client of OAUTHBEARER")
    kafka_sasl_oauthbearer_client_secret_file: File | None = Field(
        default=None, description="file with the secret of that client"
    )
    kafka_sasl_oauthbearer_scope: Line | None = Field(default=None, description="scope that a token is requested with")
    topic_partitions: Count = Field(
        default=24, description="partitions of each topic, by which consumers share the work"
    )
    topic_generation: Count = Field(
        default=1, description="generation of the topics: one more whenever their partitions are another number"
    )
    database_url_bus: DatabaseUrl | None = Field(default=None, description="database of the embedded bus")
    bus_retention_days: Days = Field(default=7, description="how long the embedded bus keeps messages")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yields each setting that does not go with the others, and the rule."""
        protocol, mechanism = self.kafka_security_protocol, self.kafka_sasl_mechanism
        if mechanism and not protocol.startswith("SASL_"):
            yield (
                "kafka_security_protocol",
                f"It is {protocol}: KITH_KAFKA_SASL_MECHANISM needs SASL_SSL.",
            )
        if protocol.startswith("SASL_") and not mechanism:
            yield "kafka_sasl_mechanism", f"{protocol} needs one."
        for field in self._needed(mechanism):
            if getattr(self, field) is None:
                yield field, f"{mechanism} needs it."
        for field in ("kafka_ssl_ca_file", "kafka_ssl_certificate_file"):
            if getattr(self, field) and not protocol.endswith("SSL"):
                yield field, f"It is used by SSL and SASL_SSL, and KITH_KAFKA_SECURITY_PROTOCOL is {protocol}."
        if (self.kafka_ssl_certificate_file is None) != (self.kafka_ssl_key_file is None):
            missing = "certificate" if self.kafka_ssl_certificate_file is None else "key"
            yield f"kafka_ssl_{missing}_file", "A client certificate and its key are set together."

    @staticmethod
    def _needed(mechanism: str | None) -> tuple[str, ...]:
        if mechanism is None:
            return ()
        if mechanism == "OAUTHBEARER":
            names = ("token_endpoint_url", "client_id", "client_secret_file")
            return tuple(f"kafka_sasl_oauthbearer_{name}" for name in names)
        return "kafka_sasl_username", "kafka_sasl_password_file"
