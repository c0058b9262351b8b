"""Fixtures every test may ask for."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith_local.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this test session's own, without the disk's waiting."""
    with tempfile.TemporaryDirectory(prefix="kith-test-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder) / "pg").start()
        try:
            yield server
        finally:
            server.stop()
