"""Four small subgraphs that compose."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

OWNER = """
schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"]) { query: Query }
type Customer @key(fields: "id") { id: ID! name: String! }
type Query { customer(id: ID!): Customer }
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


@pytest.fixture
def subgraphs(tmp_path: Path) -> Path:
    for name in ("contacts", "sales", "service-desk", "analytics"):
        (tmp_path / name).mkdir()
        field = f"{name.replace('-', '_')}: String"
        (tmp_path / name / "schema.graphql").write_text(OWNER if name == "contacts" else EXTENSION % field)
    return tmp_path


@pytest.fixture
def free_port() -> Callable[[], int]:
    def take() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return take
