"""The gateway over a subgraph that only notes what it is asked."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from kith_local.layout import GATEWAY
from kith_local.node import node

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Subgraph(BaseHTTPRequestHandler):
    answer: tuple[int, str, Any] = (200, "application/json", {"data": {"customer": {"name": "Ada"}}})
    asked: dict[str, str]

    def do_POST(self) -> None:
        status, kind, body = self.answer
        type(self).asked = {name.lower(): value for name, value in self.headers.items()}
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def subgraph() -> Iterator[tuple[type[Subgraph], int]]:
    kind = type("ThisSubgraph", (Subgraph,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield kind, server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def gateway(
    subgraph: tuple[type[Subgraph], int], subgraphs: Path, tmp_path: Path, free_port: Callable[[], int]
) -> Iterator[httpx.Client]:
    supergraph, port = tmp_path / "supergraph.graphql", free_port()
    command = [node(), str(GATEWAY / "compose.mjs"), "--services", str(subgraphs), "--out", str(supergraph)]
    subprocess.run(command, check=True)
    told = {"KITH_SUPERGRAPH": str(supergraph), "KITH_PORT_GATEWAY": str(port), "KITH_PORT_CONTACTS": str(subgraph[1])}
    transport = httpx.HTTPTransport(retries=0)
    with (
        subprocess.Popen([node(), "gateway.mjs"], cwd=GATEWAY, env={**os.environ, **told}) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=20) as client,
    ):
        try:
            while not _is_up(client):
                assert process.poll() is None
            yield client
        finally:
            process.terminate()
            assert process.wait(10) == 0, "it stops on SIGTERM, and says so with 0"


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def ask(gateway: httpx.Client) -> Any:
    headers = {"authorization": "Bearer abc", "traceparent": TRACE}
    return gateway.post("/graphql", json={"query": '{ customer(id: "1") { name } }'}, headers=headers).json()


def test_it_asks_where_the_environment_says_and_hands_on_who_asks(
    gateway: httpx.Client, subgraph: tuple[type[Subgraph], int]
) -> None:
    assert ask(gateway) == {"data": {"customer": {"name": "Ada"}}}
    assert subgraph[0].asked["authorization"] == "Bearer abc"
    assert subgraph[0].asked["traceparent"] == TRACE
    assert gateway.get("/livez").status_code == 200
    assert "<title>" in gateway.get("/graphql", headers={"accept": "text/html"}).text


def test_a_subgraph_that_refuses_the_whole_request_is_heard(
    gateway: httpx.Client, subgraph: tuple[type[Subgraph], int]
) -> None:
    problem = {"type": "urn:kith:problem:unauthenticated", "status": 401, "detail": "Send a bearer token."}
    subgraph[0].answer = (401, "application/problem+json", problem)
    (error,) = ask(gateway)["errors"]
    assert error["message"] == "Send a bearer token."
    assert error["extensions"]["code"] == "unauthenticated"
