"""How a page is read, and when an answer counts as the one that is shown."""

from pathlib import Path

import pytest
from tests.documents.page import Page, agree

PAGE = """\
# A page

```sh
one
```

```text
its answer
```

Words between.

```graphql
{ two }
```

Not its answer:

```json
{}
```

<!-- not run: it never ends -->
```sh
three
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Page:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return Page(path)


def test_an_answer_directly_follows_its_command(page: Page) -> None:
    assert [(block.language, block.text, block.answer) for block in page.commands] == [
        ("sh", "one\n", "its answer\n"),
        ("graphql", "{ two }\n", None),
    ]


def test_a_block_that_is_not_run_says_why(page: Page) -> None:
    assert [(block.line, block.not_run) for block in page.blocks if block.not_run] == [(24, "it never ends")]


@pytest.mark.parametrize(
    ("shown", "given", "agrees"),
    [
        ('{"id": "…", "value": 7}', '{"id":"01a2","value":7}', True),
        ('{"id": "…", "value": 7}', '{"id":"01a2","value":70}', False),
        ('{"id": "…", "value": 7}', '{"id":"01a2","value":7,"more":1}', False),
        ("[1, …, 9]", "[1, 2, 3, 9]", True),
        ("1.5 (…)", "1x5 (…)", False),
        ("one\n  line", "one line\n", True),
    ],
)
def test_an_ellipsis_stands_for_anything_and_all_else_for_itself(shown: str, given: str, agrees: bool) -> None:
    assert agree(shown, given) is agrees
