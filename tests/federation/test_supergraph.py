import subprocess
from pathlib import Path

import pytest

from kith_local.layout import GATEWAY, ROOT
from kith_local.node import node


def compose(services: Path, out: Path) -> "subprocess.CompletedProcess[str]":
    command = [node(), str(GATEWAY / "compose.mjs"), "--services", str(services), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_committed_subgraphs_compose_to_exactly_the_committed_supergraph(tmp_path: Path) -> None:
    made = tmp_path / "supergraph.graphql"
    composed = compose(ROOT / "services", made)
    assert composed.returncode == 0, composed.stderr
    assert made.read_text() == (GATEWAY / "supergraph.graphql").read_text(), "make contracts writes it anew"


def test_the_supergraph_names_the_default_ports(
    subgraphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_PORT_SALES", "9999")  # where the gateway looks is not what is committed
    assert compose(subgraphs, tmp_path / "out").returncode == 0
    supergraph = (tmp_path / "out").read_text()
    for port in (8001, 8002, 8003, 8004):
        assert f"http://127.0.0.1:{port}/graphql" in supergraph


def test_what_does_not_compose_is_reported_and_nothing_is_written(
    subgraphs: Path, extension: str, tmp_path: Path
) -> None:
    (subgraphs / "sales" / "schema.graphql").write_text(extension % "name: Int")
    composed = compose(subgraphs, tmp_path / "out")
    assert composed.returncode == 1
    assert "The subgraphs do not compose" in composed.stderr
    assert "Customer.name" in composed.stderr
    assert not (tmp_path / "out").exists()


def test_a_subgraph_that_is_missing_or_broken_is_named(subgraphs: Path, tmp_path: Path) -> None:
    (subgraphs / "sales" / "schema.graphql").unlink()
    (subgraphs / "analytics" / "schema.graphql").write_text("type Query {")
    composed = compose(subgraphs, tmp_path / "out")
    assert composed.returncode == 1
    assert "sales/schema.graphql: ENOENT" in composed.stderr
    assert "analytics/schema.graphql: Syntax Error" in composed.stderr
