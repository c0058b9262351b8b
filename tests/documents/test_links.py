"""Links of the documentation lead somewhere, and README.md fits on a screen or two."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.documents.page import ELLIPSIS, LANGUAGES, Page, pages

from kith_local.layout import ROOT

README_BYTES = 6144
DOCUMENTS = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("services/*/*.md"),
        ROOT / "deploy/README.md",
    )
    if path.is_file()
)
_LINK = re.compile(r"\]\((?!https?://)(?P<target>[^)\s]*)\)")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    broken = [link["target"] for link in _LINK.finditer(Page(path).prose) if not _leads_somewhere(path, link["target"])]
    assert broken == []


def _leads_somewhere(path: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    there = path.parent / name if name else path
    return there.exists() and (not anchor or anchor in set(_anchors(Page(there))))


def _anchors(page: Page) -> Iterator[str]:
    """As GitHub makes them: lower case, spaces to hyphens, other signs away, and a number for repeated headings."""
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#+ (.+)$", page.prose, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_command_escapes_execution_by_its_form(page: Page) -> None:
    assert {block.language for block in page.blocks} <= LANGUAGES, "a fence without a language that is known"
    assert not re.search(r"^[ \t]+```", page.text, re.MULTILINE), "a fence in a list, which is not executed"
    assert [block.line for block in page.blocks if block.answer and not block.answer.strip(f"{ELLIPSIS}\n ")] == []
    assert not re.search(r"^    (curl|make|export|python|\.venv)\b", page.prose, re.MULTILINE), "indented, not fenced"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_document_that_is_shown_is_json(page: Page) -> None:
    for block in page.blocks:
        if block.language == "json":
            json.loads(block.text)
