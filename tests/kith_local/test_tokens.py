import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.probe import answers_ok
from kith_local.tokens import fetch_token


@pytest.fixture
def issuer(layout: Layout, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The real issuer process."""
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("KITH_ISSUER_URL", url)
    monkeypatch.setenv("KITH_HOME", str(layout.home))
    with subprocess.Popen([sys.executable, "-m", "kith_local", "issuer"], stderr=subprocess.DEVNULL) as process:
        try:
            while not asyncio.run(answers_ok(f"{url}/livez")):
                assert process.poll() is None
            yield url
        finally:
            process.terminate()


@pytest.mark.usefixtures("issuer")
def test_the_command_prints_the_token_and_nothing_else() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "kith_local", "token", "--tenant", "demo", "--scopes", "sales:read"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""
    assert said.stdout.count("\n") == 1
    assert len(said.stdout.strip().split(".")) == 3


@pytest.mark.usefixtures("issuer")
def test_what_the_issuer_refuses_is_reported_in_its_words(layout: Layout) -> None:
    with pytest.raises(LocalError, match="invalid_scope: unknown: sales:everything"):
        fetch_token(layout, tenant="demo", scopes="sales:everything")


def test_without_an_issuer_the_command_says_what_to_do(tmp_path: Path, free_port: Callable[[], int]) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "kith_local", "token", "--tenant", "demo"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KITH_HOME": str(tmp_path), "KITH_ISSUER_URL": f"http://127.0.0.1:{free_port()}"},
    )
    assert (said.returncode, said.stdout) == (1, "")
    assert "make start" in said.stderr


def test_with_keys_but_no_issuer_it_says_the_same(
    layout: Layout, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_ISSUER_URL", f"http://127.0.0.1:{free_port()}")
    layout.issuer.mkdir(parents=True)
    (layout.issuer / "client.json").write_text(json.dumps({"client_id": "a", "client_secret": "b"}))
    with pytest.raises(LocalError, match="make start"):
        fetch_token(layout, tenant="demo")
