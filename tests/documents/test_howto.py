"""Who follows a how-to page to the letter has what it promises."""

import subprocess
from pathlib import Path

import pytest
from tests.documents.howto import INSTALLED, NotAsShown, copy_of_the_checkout, follow
from tests.documents.page import Page

from kith_local.layout import ROOT

PAGES = [Page(path) for path in sorted((ROOT / "docs" / "howto").glob("*.md"))]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all pages: what one adds stands in no other's way."""
    return copy_of_the_checkout(tmp_path_factory.mktemp("howto"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.stem)
def test_a_page_can_be_followed(page: Page, checkout: Path) -> None:
    follow(page, checkout)


def test_a_copy_never_installs_itself_into_the_environment_of_the_checkout(checkout: Path) -> None:
    for name in INSTALLED:
        assert (ROOT / name).resolve() != (checkout / name).resolve(), "its stamp may be stale"
    planned = subprocess.check_output(("make", "--dry-run", "contracts"), cwd=checkout, text=True)
    assert "uv pip" not in planned
    assert "gateway-install" not in planned


def test_a_change_that_cannot_be_applied_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one = 1\n")
    (tmp_path / "page.md").write_text("```diff\n# a.py\n one = 2\n+two = 2\n```\n")
    with pytest.raises(NotAsShown, match="has no such lines"):
        follow(Page(tmp_path / "page.md"), tmp_path)


def test_a_command_that_fails_and_one_that_prints_something_else_are_reported(tmp_path: Path) -> None:
    for block, words in (("false\n```", "failed"), ("echo 1\n```\n```text\n2\n```", "answers")):
        (tmp_path / "page.md").write_text(f"```sh\n{block}\n")
        with pytest.raises(NotAsShown, match=words):
            follow(Page(tmp_path / "page.md"), tmp_path)
