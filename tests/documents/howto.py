"""Follows a how-to page: its changes are made, and its commands run, in a copy of the checkout.

A block of `diff` changes files: a line `# path: words` names the next one, ` …` stands for lines between two changes.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.documents.page import Block, Page, agree

from kith_local.layout import ROOT

INSTALLED = (".venv", "deploy/gateway/node_modules")
STAMPS = (".installed", ".contracts")
_FILE = re.compile(r"# (?P<path>[\w./-]+\.\w+)(?::.*)?$")


class NotAsShown(AssertionError):
    pass


def copy_of_the_checkout(to: Path) -> Path:
    """Returns the copy: what is committed or would be, on the packages that are installed here."""
    listed = subprocess.check_output(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard"), cwd=ROOT, text=True
    )
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    for name in INSTALLED:
        _share(ROOT / name, to / name)
    return to


def _share(there: Path, here: Path) -> None:
    """What is installed, with a stamp of its own that is newer than all that it depends on: with that of the checkout,
    make might take it for stale, and install the copy into the checkout's environment."""
    here.mkdir(parents=True)
    for each in there.iterdir():
        if not each.name.startswith(STAMPS):
            (here / each.name).symlink_to(each)
    (here / ".installed").touch()


def follow(page: Page, checkout: Path) -> None:
    """Raises NotAsShown for a change that cannot be applied, and a command that fails or prints something else."""
    for block in page.blocks:
        if block.language == "diff":
            for path, change in _changes(block):
                _apply(checkout / path, change, block)
        elif block.is_executed:
            _run(block, checkout)


def _changes(block: Block) -> Iterator[tuple[str, list[str]]]:
    path, change = "", list[str]()
    for line in [*block.text.splitlines(), " …"]:
        named = _FILE.match(line)
        if named or line.strip() == "…":
            if change:
                yield path, change
            change = []
            path = named["path"] if named else path
        else:
            change.append(line)


def _apply(path: Path, change: list[str], block: Block) -> None:
    text = path.read_text()
    old = "".join(f"{line[1:]}\n" for line in change if not line.startswith("+"))
    new = "".join(f"{line[1:]}\n" for line in change if not line.startswith("-"))
    if old not in text:
        raise NotAsShown(f"{path.name}, changed in the block at line {block.line}, has no such lines:\n{old}")
    path.write_text(text.replace(old, new, 1))


def _run(block: Block, checkout: Path) -> None:
    sources = (checkout / "shared/src", checkout / "deploy/local/src", *checkout.glob("services/*/src"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}
    for name in [each for each in environment if each.startswith(("PYTEST_", "COV_", "COVERAGE_"))]:
        del environment[name]
    done = subprocess.run(
        ("bash", "-euo", "pipefail", "-c", block.text),
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    given = done.stdout
    if done.returncode:
        raise NotAsShown(f"The block at line {block.line} failed:\n{given}\n{done.stderr}")
    if block.answer is not None and not agree(block.answer, given):
        raise NotAsShown(f"The block at line {block.line} answers:\n{given}")
