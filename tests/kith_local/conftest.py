"""A house of fake services, on free ports, in a folder of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kith_local.layout import Layout
from kith_local.plan import Part, Plan
from kith_local.ports import Port

FAKE = str(Path(__file__).with_name("fake_service.py"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(home=tmp_path / ".kith", bus="embedded")


@pytest.fixture
def serving(free_port: Callable[[], int]) -> Callable[..., Part]:
    """A part that serves until it is stopped."""

    def part(name: str, *how: str) -> Part:
        port = free_port()
        return Part(
            name,
            fake("serve", str(port), *how),
            ready=f"http://127.0.0.1:{port}/readyz",
            url=f"http://127.0.0.1:{port}",
            ports=(Port(port, f"KITH_PORT_{name.upper()}"),),
        )

    return part


def fake(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", FAKE, *arguments)


def plan(*parts: Part, before: tuple[Part, ...] = (), after: tuple[Part, ...] = ()) -> Plan:
    return Plan(
        infrastructure=(), early=(), before=before, parts=parts, after=after, stop_order=("gateway", "-api", "-worker")
    )


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Whatever a test does, and however it fails, no fake service outlives it."""
    yield
    left = [process for process in psutil.process_iter(["cmdline"]) if _is_ours(process)]
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)
    assert not left, "a fake service outlived its test"


def _is_ours(process: psutil.Process) -> bool:
    """Not another process's of the same tests: whose it is, its environment shows."""
    whose = ("PYTEST_XDIST_TESTRUNUID", "PYTEST_XDIST_WORKER")
    if FAKE not in (process.info["cmdline"] or ()):
        return False
    try:
        environment = process.environ()
    except psutil.NoSuchProcess:
        return False
    return all(environment.get(each) == os.environ.get(each) for each in whose)
