"""Four small subgraphs that compose, an issuer's keys over the network, and a gateway over what a test says."""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import KeySet
from tests.conftest import take_port

from kith.testing import Issuer
from kith_local.layout import GATEWAY
from kith_local.node import node

OWNER = """
schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"]) {
  query: Query mutation: Mutation subscription: Subscription }
type Customer @key(fields: "id") { id: ID! name: String! friends(first: Int! = 20): [Customer!] }
type CustomerConnection { nodes: [Customer!]! }
type Query { customer(id: ID!): Customer customers(first: Int! = 50): CustomerConnection! }
type Mutation { rename(id: ID!, name: String!): Customer }
type Subscription { changed(after: String): Customer }
"""
EXTENSION = """
schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"]) { query: Query }
type Customer @key(fields: "id") { id: ID! %s }
type Query { _service: _Service! }
type _Service { sdl: String! }
"""


@pytest.fixture
def extension() -> str:
    """A subgraph that extends the customer; one field is to be filled in."""
    return EXTENSION


def write_subgraphs(folder: Path) -> Path:
    for name in ("contacts", "sales", "service-desk", "analytics"):
        (folder / name).mkdir()
        extra = f"{name.replace('-', '_')}: String"
        (folder / name / "schema.graphql").write_text(OWNER if name == "contacts" else EXTENSION % extra)
    return folder


@pytest.fixture
def subgraphs(tmp_path: Path) -> Path:
    return write_subgraphs(tmp_path)


class Keys(BaseHTTPRequestHandler):
    found: bytes

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.found)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def keys(issuer: Issuer) -> Iterator[str]:
    """Where the issuer's keys are to be had over the network."""
    with key_server(issuer) as (port, _):
        yield f"http://127.0.0.1:{port}"


def key_set(*issuers: Issuer) -> bytes:
    return json.dumps(KeySet([each.key for each in issuers]).as_dict(private=False)).encode()


@contextlib.contextmanager
def key_server(*issuers: Issuer, port: int = 0) -> Iterator[tuple[int, type[Keys]]]:
    """Its port, and what it publishes."""
    published = type("TheseKeys", (Keys,), {"found": key_set(*issuers)})
    with serving(published, port) as taken:
        yield taken, published


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class Subgraph(BaseHTTPRequestHandler):
    """Returns what a test says, and records the requests."""

    answer: tuple[int, str, Any]
    more: dict[str, str]
    requests: list[tuple[dict[str, str], Any]]

    def do_POST(self) -> None:
        status, kind, body = self.answer
        request = self.rfile.read(int(self.headers["content-length"]))
        self.requests.append(({name.lower(): value for name, value in self.headers.items()}, json.loads(request)))
        self.send_response(status)
        for name, value in {"content-type": kind, **self.more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write((body if isinstance(body, str) else json.dumps(body)).encode())

    def log_message(self, *_: object) -> None:
        pass


def fake_subgraph() -> type[Subgraph]:
    answer = (200, "application/json", {"data": {"customer": {"name": "Ada"}}})
    return type("ThisSubgraph", (Subgraph,), {"requests": [], "answer": answer, "more": {}})


@dataclass
class Gateway:
    """One that runs."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    client: httpx.Client
    token: str = field(repr=False)

    def ask(self, query: str, token: str | None = None, **variables: object) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token}"}
        return self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    def logged(self) -> str:
        return self.log.read_text()


Start = Callable[..., Gateway]


@pytest.fixture(scope="module")
def start_gateway(issuer: Issuer, keys: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts one, over the small subgraphs, with these settings (KITH_...)."""
    folder = write_subgraphs(tmp_path_factory.mktemp("subgraphs"))
    supergraph = compose(folder)
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            running_gateway(supergraph, folder / f"{len(list(folder.iterdir()))}.log", issuer, keys, **settings)
        )


def compose(services: Path) -> Path:
    made = services / "supergraph.graphql"
    command = [node(), str(GATEWAY / "compose.mjs"), "--services", str(services), "--out", str(made)]
    subprocess.run(command, check=True)
    return made


@contextlib.contextmanager
def running_gateway(supergraph: Path, log: Path, issuer: Issuer, keys: str, **settings: object) -> Iterator[Gateway]:
    port = take_port()
    variables = {
        "KITH_SUPERGRAPH": supergraph,
        "KITH_PORT_GATEWAY": port,
        "KITH_GATEWAY_PROCESSES": 1,
        "KITH_JWKS_URL": keys,
        **settings,
    }
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    with (
        log.open("wb") as out,
        subprocess.Popen([node(), "gateway.mjs"], cwd=GATEWAY, env=environment, stdout=out, stderr=out) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        gateway = Gateway(port, process, log, client, issuer.token("t-federation"))
        while not _is_up(client):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        try:
            yield gateway
        finally:
            process.terminate()
            assert process.wait(15) == 0, "it stops on SIGTERM, and says so with 0"


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False
