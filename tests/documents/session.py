"""One shell session per page, as a reader has it: what an earlier block sets, a later one uses."""

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.documents.page import Block, Page, agree
from tests.recorded import DATA

from kith_local.layout import ROOT, Layout
from kith_local.ports import BASE, OFFSETS, ports_of

PATIENCE = 300.0
"""Seconds for all commands of a page."""
_END = "\x1e"
"""The control character that ends what a block has printed."""


@dataclass(frozen=True)
class Result:
    """What running a block came to."""

    block: Block
    exit_code: int
    output: str

    @property
    def is_as_shown(self) -> bool:
        return self.exit_code == 0 and (self.block.answer is None or agree(self.block.answer, self.output))

    def __str__(self) -> str:
        shown = "" if self.block.answer is None else f"\n--- shown\n{self.block.answer}"
        return f"line {self.block.line}, exit code {self.exit_code}\n{self.block.text}{shown}\n--- given\n{self.output}"


def run(page: Page, environment: Mapping[str, str]) -> list[Result]:
    """Executes the commands of a page against the Kith of that environment, and stops where one fails to end."""
    moved = {
        f"127.0.0.1:{BASE + offset}": f"127.0.0.1:{ports_of(environment)[name].number}"
        for name, offset in OFFSETS.items()
    }
    with _checkout(Layout.of(environment)) as folder:
        script = folder / "page.sh"
        script.write_text(_replaced(_script(page.commands), moved))
        done = subprocess.run(
            ["bash", str(script)],
            cwd=folder,
            env=_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    back = {there: here for here, there in moved.items()} | {str(Layout.of(environment).home): ".kith"}
    output = _replaced(done.stdout, back)
    return list(_results(page.commands, output))


def _script(blocks: Sequence[Block]) -> str:
    end = f"printf '{_END}%s{_END}' $?"
    return "\n".join(f"{_command(block)}\n{end}" for block in blocks)


def _command(block: Block) -> str:
    if block.language == "sh":
        return block.text
    body = shlex.quote(json.dumps({"query": block.text}))
    headers = '-H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"'
    return f"curl -s http://127.0.0.1:{BASE}/graphql {headers} -d {body}"


def _results(blocks: Sequence[Block], output: str) -> Iterator[Result]:
    parts = output.split(_END)
    for block, given, code in zip(blocks, parts[::2], parts[1::2], strict=False):
        yield Result(block, int(code), given)


@contextmanager
def _checkout(layout: Layout) -> Iterator[Path]:
    """A folder that looks like the checkout of a reader. Files that a page writes go there."""
    # A short path: the name of a Unix socket has 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="kith-docs-") as name:
        folder = Path(name)
        for entry in ROOT.iterdir():
            if entry.name not in {".kith", ".venv"}:
                (folder / entry.name).symlink_to(entry)
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / ".kith").symlink_to(layout.home)
        yield folder


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The tests may run under make themselves: its flags are not the page's."""
    mine = {name: value for name, value in environment.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return {"DATA": str(DATA), **mine}


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for word, other in words.items():
        text = text.replace(word, other)
    return text
