"""A page of the documentation and its fenced blocks."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kith_local.layout import ROOT

LANGUAGES = frozenset({"sh", "graphql", "json", "text", "js", "mermaid", "sql", "diff"})
"""`sh` and `graphql` are executed. The example in `js` has a test of its own, in tests/federation."""
ELLIPSIS = "…"

_BLOCK = re.compile(
    r"""
    ^```(?P<command>sh|graphql)\n (?P<text>.*?) ^```\n
        (?: \s* ^```(?:json|text)\n (?P<answer>.*?) ^```\n )?
    | ^```(?P<language>\w*)\n (?P<shown>.*?) ^```\n
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^>]+) -->\s*\Z")
_RECORDED = "<!-- needs the recorded data -->"


@dataclass(frozen=True)
class Block:
    """A fenced block. Commands have the answer that is shown directly below them, if one is."""

    line: int
    language: str
    text: str
    answer: str | None = None
    not_run: str | None = None
    """Why commands are shown and not executed."""

    @property
    def is_executed(self) -> bool:
        return self.language in {"sh", "graphql"} and self.not_run is None


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def needs_recorded_data(self) -> bool:
        return _RECORDED in self.text

    @property
    def prose(self) -> str:
        """The page without its fenced blocks."""
        return _BLOCK.sub("", self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        return [self._block(found) for found in _BLOCK.finditer(self.text)]

    def _block(self, found: re.Match[str]) -> Block:
        before = self.text[: found.start()]
        reason = _NOT_RUN.search(before)
        return Block(
            line=before.count("\n") + 1,
            language=found["command"] or found["language"],
            text=found["text"] or found["shown"],
            answer=found["answer"],
            not_run=reason["reason"] if reason else None,
        )

    @property
    def commands(self) -> list[Block]:
        """The blocks that are executed, in order."""
        return [block for block in self.blocks if block.is_executed]


def pages() -> list[Page]:
    """README.md and the pages below docs/. Decisions are records of their day and show no commands to run;
    how-tos are followed in a copy of the checkout (see test_howto)."""
    below = [path for path in (ROOT / "docs").rglob("*.md") if path.parent.name not in {"adr", "howto"}]
    # The guide comes last: docs/replay.md brings in the data that it looks at.
    return [Page(path) for path in (ROOT / "README.md", *sorted(below, key=lambda path: (len(path.parts), path)))]


def agree(shown: str, given: str) -> bool:
    """True where the answer given is the one shown, white space apart. An ellipsis stands for anything."""
    parts = (re.escape(_dense(part)) for part in shown.split(ELLIPSIS))
    return re.fullmatch(".*?".join(parts), _dense(given), re.DOTALL) is not None


def _dense(text: str) -> str:
    return re.sub(r"\s+", "", text)
