"""Runs pages against the Kith that is running on this machine: `python -m tests.documents [PAGE …]`."""

import os
import sys
from pathlib import Path

from tests.documents.page import Page, pages
from tests.documents.session import run


def main(names: list[str]) -> int:
    """Prints every answer, and beside one that differs from the page what the page shows. Returns how many differ."""
    differ = 0
    for page in [Page(Path(name).resolve()) for name in names] or pages():
        results = run(page, os.environ)
        differ += sum(not result.is_as_shown for result in results) + len(page.commands) - len(results)
        for result in results:
            verdict = "as shown" if result.is_as_shown else "DIFFERS"
            print(f"=== {page.name}: {verdict}: {result}")  # noqa: T201 - its whole purpose
    return differ


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
