"""`make noun`: what it refuses, it says in a sentence, and has written nothing. What it writes, docs/howto shows."""

import subprocess

import pytest

from kith_local.errors import LocalError
from kith_local.layout import ROOT
from kith_local.noun import _plural_of, write_noun


def changed() -> str:
    return subprocess.check_output(("git", "status", "--short"), cwd=ROOT, text=True)


@pytest.mark.parametrize(
    ("service", "name", "plural", "said"),
    [
        ("service_desk", "article", "", "SERVICE is one of contacts, sales, service-desk, analytics"),
        ("sales", "", "", "NAME is missing"),
        ("sales", "Quote", "", "lower case"),
        ("sales", "mouse", "mouse", "one and several"),
        ("sales", "table", "", "tables.py already"),
        ("contacts", "order", "", "sales/orders/form.py"),
        ("sales", "order", "", "sales/orders/.*already"),
    ],
)
def test_what_cannot_be_a_noun_is_refused_and_nothing_is_written(
    service: str, name: str, plural: str, said: str
) -> None:
    before = changed()
    with pytest.raises(LocalError, match=said):
        write_noun(service=service, name=name, plural=plural)
    assert changed() == before


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("quote", "quotes"),
        ("warranty", "warranties"),
        ("survey", "surveys"),
        ("process", "processes"),
        ("box", "boxes"),
    ],
)
def test_a_plural_is_guessed_as_english_has_it(one: str, several: str) -> None:
    assert _plural_of(one) == several
