"""The committed contracts, made again from the code: schema.graphql and openapi.json of each service, the events'
schemas, the supergraph over all, what each metric means, what a health model may say, which settings there are,
what is watched in Prometheus, and what a load costs."""

import difflib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from kith_local.capacity import page as scale
from kith_local.capacity import unit_costs
from kith_local.errors import LocalError
from kith_local.layout import GATEWAY, ROOT
from kith_local.node import node
from kith_local.observability.documents import documents
from kith_local.topology import SERVICES

SCHEMAS = Path("shared/schemas")
SUPERGRAPH = Path("deploy/gateway/supergraph.graphql")
METRICS = Path("docs/metrics.md")
SCALE = Path("docs/scale.md")
SETTINGS = Path("docs/settings.md")
HEALTH_MODEL = Path("services/analytics/health-model.schema.json")
MOST_LINES = 40


def write_contracts(console: Console) -> int:
    """Brings the committed files up to date, and reports which have changed."""
    with TemporaryDirectory(prefix="kith-contracts-") as folder:
        made = Path(folder)
        generate(made)
        changed = drift(made)
        for path in changed:
            _take_over(made / path, ROOT / path)
    for path in changed:
        console.print(f"  written  {path}", highlight=False)
    console.print(f"{len(changed)} contracts changed." if changed else "The contracts are as committed.")
    return 0


def check_contracts(console: Console) -> int:
    """1 if a committed contract is not what the code says, with the difference. The tree is not touched."""
    with TemporaryDirectory(prefix="kith-contracts-") as folder:
        made = Path(folder)
        generate(made)
        changed = drift(made)
        for path in changed:
            console.print(f"{path} is not what the code says:", style="bold red", highlight=False)
            for line in _difference(ROOT / path, made / path):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
    if changed:
        console.print("If the change is meant: make contracts, and commit what it wrote.")
        return 1
    console.print("The contracts are as committed.")
    return 0


def generate(into: Path) -> None:
    """Writes all contracts below `into`, as they lie below the checkout. Raises LocalError if one cannot be made."""
    commands: list[tuple[str, ...]] = [(sys.executable, "-m", "kith.events", "--to", str(_made(into / SCHEMAS)))]
    for name in SERVICES:
        folder = _made(into / "services" / name.replace("_", "-"))
        commands.append((sys.executable, "-m", name, "export", "--to", str(folder)))
    _made(into / METRICS.parent)
    commands.append((sys.executable, "-m", "analytics", "metrics", "--document", str(into / METRICS)))
    commands.append((sys.executable, "-m", "kith_local.settings_page", str(into / SETTINGS)))
    commands.append((sys.executable, "-m", "analytics", "health-models", "--document", str(into / HEALTH_MODEL)))
    _run_all(commands)
    for path, text in {**documents(), SCALE: scale.page(unit_costs.read())}.items():
        _made((into / path).parent)
        (into / path).write_text(text)
    _made(into / SUPERGRAPH.parent)
    compose = (node(), str(GATEWAY / "compose.mjs"))
    _run_all([(*compose, "--services", str(into / "services"), "--out", str(into / SUPERGRAPH))])


def drift(made: Path) -> list[Path]:
    """The contracts that differ, are new, or are made no more; relative to the checkout."""
    fresh = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    stale = {path.relative_to(ROOT) for path in (ROOT / SCHEMAS).glob("*") if path.is_file()} - fresh
    return sorted({path for path in fresh if _text(ROOT / path) != _text(made / path)} | stale)


def _run_all(commands: Sequence[tuple[str, ...]]) -> None:
    """Side by side: each spends its time on imports."""
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
        for command in commands
    ]
    said = [process.communicate()[0] for process in running]
    failed = [
        f"{' '.join(command[1:4])}:\n{words}"
        for command, process, words in zip(commands, running, said, strict=True)
        if process.returncode != 0
    ]
    if failed:
        raise LocalError("\n".join(failed))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _take_over(made: Path, committed: Path) -> None:
    if made.exists():
        _made(committed.parent)
        committed.write_text(made.read_text())
    else:
        committed.unlink()


def _difference(committed: Path, made: Path) -> Iterator[str]:
    lines = list(
        difflib.unified_diff(
            _text(committed).splitlines(), _text(made).splitlines(), "committed", "the code", lineterm="", n=2
        )
    )
    yield from lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        yield f"... and {len(lines) - MOST_LINES} lines more"


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
