"""TLS and SASL to a real Kafka, whose listeners accept nothing else."""

import json
import os
import threading
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from tests.certificates import Authority
from tests.conftest import KAFKA_JARS, free_ports

from kith.bus import open_bus
from kith.bus.kafka.connection import Connection, TokenProvider
from kith.bus.port import Bus, BusError, Consumer, Incoming, Offsets, Outgoing, Producer, TopicPartition
from kith.bus.settings import BusSettings
from kith.ids import new_id

pytestmark = pytest.mark.kafka
PASSWORD, SECRET = "a password: with = signs", "the client's secret"

_PROPERTIES = """
listeners={listeners}
advertised.listeners={listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_kith="{password}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config={security}.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=\\
    {security}.oauthbearer.OAuthBearerValidatorCallbackHandler
sasl.oauthbearer.jwks.endpoint.url={issuer}/jwks
sasl.oauthbearer.expected.audience=kafka
"""


@dataclass
class TokenEndpoint:
    """An issuer of access tokens by client credentials, on the loopback."""

    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    lifetime: int = 600
    requests: list[dict[str, str]] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, KeySet([outer.key]).as_dict(private=False))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                credentials = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
                outer.requests.append({"body": body, "credentials": credentials})
                if credentials != f"kith:{SECRET}":
                    return self._answer(401, {"error": "invalid_client"})
                return self._answer(200, {"access_token": outer.token(), "expires_in": outer.lifetime})

            def _answer(self, status: int, body: object) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", free_ports(1)[0]), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def token(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "kafka",
            "sub": "kith",
            "iat": now,
            "exp": now + self.lifetime,
            "scope": "bus",
        }
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)


@dataclass(frozen=True)
class Secured:
    """A broker, and what its clients need."""

    folder: Path
    tls: str
    sasl: str
    authority: Authority
    endpoint: TokenEndpoint

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def mutual_tls(self) -> BusSettings:
        certificate, key = self.authority.issue(f"client-{new_id()}", password=PASSWORD)
        return BusSettings(
            kafka_security_protocol="SSL",
            kafka_ssl_ca_file=self.authority.file,
            kafka_ssl_certificate_file=certificate,
            kafka_ssl_key_file=key,
            kafka_ssl_key_password_file=self.file("key-password", PASSWORD + "\n"),
        )

    def password(self, mechanism: str, password: str = PASSWORD) -> BusSettings:
        return BusSettings(
            kafka_security_protocol="SASL_SSL",
            kafka_ssl_ca_file=self.authority.file,
            kafka_sasl_mechanism=mechanism,
            kafka_sasl_username="kith",
            kafka_sasl_password_file=self.file(f"password-{new_id()}", f"{password}\n"),
        )

    def oauth(self, secret: str = SECRET) -> BusSettings:
        return BusSettings(
            kafka_security_protocol="SASL_SSL",
            kafka_ssl_ca_file=self.authority.file,
            kafka_sasl_mechanism="OAUTHBEARER",
            kafka_sasl_oauthbearer_token_endpoint_url=f"{self.endpoint.url}/token",
            kafka_sasl_oauthbearer_client_id="kith",
            kafka_sasl_oauthbearer_client_secret_file=self.file(f"secret-{new_id()}", f"{secret}\n"),
            kafka_sasl_oauthbearer_scope="bus",
        )


@pytest.fixture(scope="module")
def secured(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker with these listeners. Of the plain one it takes that there are jars: else its tests are skipped."""
    from kith_local.kafka import EmbeddedKafka

    folder = tmp_path_factory.mktemp("kafka")
    authority = Authority(folder)
    certificate, key = authority.issue("broker")
    keystore = folder / "broker.pem"
    keystore.write_text(key.read_text() + certificate.read_text())
    endpoint = TokenEndpoint()
    plain, tls, sasl, controller = free_ports(4)
    listeners = {"PLAINTEXT": plain, "SSL": tls, "SASL_SSL": sasl, "CONTROLLER": controller}
    properties = _PROPERTIES.format(
        listeners=",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
        security="org.apache.kafka.common.security",
        keystore=keystore,
        ca=authority.file,
        password=PASSWORD,
        issuer=endpoint.url,
    )
    kafka = EmbeddedKafka(
        folder / "broker",
        plain,
        controller,
        jars=KAFKA_JARS,
        properties=properties,
        java=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={endpoint.url}/jwks"],
        format=[
            argument
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f'{mechanism}=[name=kith,password="{PASSWORD}"]')
        ],
    ).start()
    try:
        yield Secured(folder, f"127.0.0.1:{tls}", f"127.0.0.1:{sasl}", authority, endpoint)
    finally:
        kafka.stop()
        endpoint.server.shutdown()
        endpoint.server.server_close()


async def read_all(bus: Bus, topic: str, count: int) -> list[Incoming]:
    async def from_the_beginning(_: frozenset[TopicPartition]) -> Offsets:
        return {}

    async def let_go(_: frozenset[TopicPartition]) -> None:
        pass

    found: list[Incoming] = []
    async with bus.consumer(
        group=f"readers-{new_id()}", topics=[topic], on_assigned=from_the_beginning, on_revoked=let_go
    ) as consumer:
        while len(found) < count:
            found += await consumer.poll(max_messages=10, wait=1.0)
    return found


async def must_carry(bootstrap: str, settings: BusSettings) -> None:
    """What the bus does, all of it: it makes a topic, publishes, and reads as a member of a group."""
    topic = f"topic-{new_id()}"
    async with open_bus(bootstrap, None, settings) as bus:
        await bus.create_topics({topic: 2})
        async with bus.producer() as producer:
            await producer.publish([Outgoing(topic, b"key", b"value")])
            assert sum(await producer.end_offsets(topic)) == 1
        assert [each.value for each in await read_all(bus, topic, 1)] == [b"value"]


async def test_a_client_certificate_is_accepted(secured: Secured) -> None:
    await must_carry(secured.tls, secured.mutual_tls())


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_password_is_accepted(secured: Secured, mechanism: str) -> None:
    await must_carry(secured.sasl, secured.password(mechanism))


async def test_a_token_by_client_credentials_is_accepted_and_requested_once(secured: Secured) -> None:
    secured.endpoint.requests.clear()
    await must_carry(secured.sasl, secured.oauth())
    assert [each["body"] for each in secured.endpoint.requests] == ["grant_type=client_credentials&scope=bus"]


async def must_be_refused(bootstrap: str, settings: BusSettings) -> None:
    async with open_bus(bootstrap, None, settings) as bus:
        with pytest.raises(BusError):
            await bus.create_topics({"none": 1})


async def test_a_client_without_a_certificate_is_refused(secured: Secured) -> None:
    tls_only = BusSettings(kafka_security_protocol="SSL", kafka_ssl_ca_file=secured.authority.file)
    await must_be_refused(secured.tls, tls_only)


async def test_a_broker_whose_certificate_another_authority_signed_is_refused(secured: Secured) -> None:
    other = Authority(secured.folder, "other")
    await must_be_refused(secured.sasl, secured.password("PLAIN").model_copy(update={"kafka_ssl_ca_file": other.file}))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_refused(secured: Secured, mechanism: str) -> None:
    await must_be_refused(secured.sasl, secured.password(mechanism, "wrong"))


async def test_a_wrong_secret_is_refused(secured: Secured) -> None:
    await must_be_refused(secured.sasl, secured.oauth("wrong"))


def replace(file: Path, text: str) -> None:
    """As Kubernetes does it: another file takes its place at once."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, file)  # noqa: PTH105 - that it is atomic is the point


@asynccontextmanager
async def publishing_and_reading(bus: Bus) -> AsyncIterator[tuple[str, Producer, Consumer]]:
    topic = f"topic-{new_id()}"

    async def from_the_beginning(_: frozenset[TopicPartition]) -> Offsets:
        return {}

    async def let_go(_: frozenset[TopicPartition]) -> None:
        pass

    await bus.create_topics({topic: 1})
    async with (
        bus.producer() as producer,
        bus.consumer(
            group=f"rotating-{new_id()}", topics=[topic], on_assigned=from_the_beginning, on_revoked=let_go
        ) as consumer,
    ):
        await producer.publish([Outgoing(topic, b"", b"before")])
        await consumer.poll(max_messages=1, wait=0.1)
        yield topic, producer, consumer


async def test_a_password_that_is_replaced_is_in_force_without_a_restart(secured: Secured) -> None:
    settings = secured.password("SCRAM-SHA-512")
    assert settings.kafka_sasl_password_file is not None
    async with open_bus(secured.sasl, None, settings) as bus:
        async with publishing_and_reading(bus) as (topic, producer, consumer):
            replace(settings.kafka_sasl_password_file, "wrong")
            with pytest.raises(BusError, match="credentials for Kafka were replaced"):
                await consumer.poll(max_messages=1, wait=0.1)
            with pytest.raises(BusError):
                await producer.publish([Outgoing(topic, b"", b"refused")])
            replace(settings.kafka_sasl_password_file, PASSWORD)
            await producer.publish([Outgoing(topic, b"", b"after")])
        assert [each.value for each in await read_all(bus, topic, 2)] == [b"before", b"after"]


async def test_a_client_certificate_that_is_replaced_is_in_force_without_a_restart(
    secured: Secured, tmp_path: Path
) -> None:
    settings = secured.mutual_tls()
    certificate, key = settings.kafka_ssl_certificate_file, settings.kafka_ssl_key_file
    assert certificate is not None
    assert key is not None
    foreign = Authority(tmp_path, "foreign").issue("client", password=PASSWORD)
    renewed = secured.authority.issue(f"client-{new_id()}", password=PASSWORD)
    async with open_bus(secured.tls, None, settings) as bus:
        async with publishing_and_reading(bus) as (topic, producer, consumer):
            # Another key than the certificate is of: as for a moment, where not both are replaced at once.
            replace(certificate, foreign[0].read_text())
            with pytest.raises(BusError, match="credentials for Kafka were replaced"):
                await consumer.poll(max_messages=1, wait=0.1)
            with pytest.raises(BusError, match="KEY_VALUES_MISMATCH"):
                await producer.publish([Outgoing(topic, b"", b"refused")])
            replace(key, foreign[1].read_text())
            with pytest.raises(BusError):
                await producer.publish([Outgoing(topic, b"", b"refused")])
            replace(certificate, renewed[0].read_text())
            replace(key, renewed[1].read_text())
            await producer.publish([Outgoing(topic, b"", b"after")])
        assert [each.value for each in await read_all(bus, topic, 2)] == [b"before", b"after"]


async def test_an_authority_that_is_trusted_beside_the_one_of_before_is_in_force_without_a_restart(
    secured: Secured, tmp_path: Path
) -> None:
    """So the certificates of brokers are rotated: first both authorities are trusted, and in the end the new one."""
    trusted = tmp_path / "ca.pem"
    trusted.write_text(secured.authority.file.read_text())
    settings = secured.password("SCRAM-SHA-256").model_copy(update={"kafka_ssl_ca_file": trusted})
    other = Authority(tmp_path, "other").file.read_text()
    async with open_bus(secured.sasl, None, settings) as bus, publishing_and_reading(bus) as (topic, producer, _):
        replace(trusted, other + secured.authority.file.read_text())
        await producer.publish([Outgoing(topic, b"", b"after")])
        replace(trusted, other)
        with pytest.raises(BusError):
            await producer.publish([Outgoing(topic, b"", b"refused")])


async def test_a_token_is_replaced_before_its_end_by_the_secret_of_then(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = secured.oauth()
    assert settings.kafka_sasl_oauthbearer_client_secret_file is not None
    provider = TokenProvider(settings)
    first = await provider.token()
    assert await provider.token() == first
    replace(settings.kafka_sasl_oauthbearer_client_secret_file, SECRET + "\n")
    secured.endpoint.requests.clear()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + secured.endpoint.lifetime - 20)
    assert await provider.token() != first
    assert [each["credentials"] for each in secured.endpoint.requests] == [f"kith:{SECRET}"]


def test_without_settings_it_is_plain_text() -> None:
    connection = Connection("127.0.0.1:9092", BusSettings())
    assert connection.options()["security_protocol"] == "PLAINTEXT"
    assert connection.stamp() == ()
