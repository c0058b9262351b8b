"""Imports run one way, in what import-linter cannot say: whatever is new is held to it as well."""

import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("kith", "contacts", "sales", "service_desk", "analytics", "kith_local")
OF_RULES = (
    *("kith.events", "kith.errors", "kith.error_codes", "kith.nouns.aggregate", "kith.scalars.currencies"),
    "kith.custom.field",
)
OF_VALUES = ("kith.errors", "kith.scalars", "kith.values")
BELOW_FEATURES = ("analytics.projections", "analytics.ledger", "analytics.tables", "kith")


@cache
def imports() -> dict[str, set[str]]:
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True, exclude_type_checking_imports=False)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def others(module: str, allowed: tuple[str, ...]) -> set[str]:
    """What the module imports of this code and of packages that is not allowed."""
    allowed_at_all = (*allowed, *sys.stdlib_module_names)
    return {each for each in imports()[module] if not any(f"{each}.".startswith(f"{one}.") for one in allowed_at_all)}


def test_no_file_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(imports()).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1][::-1]))


@pytest.mark.parametrize("module", sorted(each for each in imports() if each.endswith(".rules")))
def test_rules_know_the_standard_library_the_events_and_the_rules_beside_them(module: str) -> None:
    service = module.partition(".")[0]
    beside = tuple(
        each for each in imports() if each.startswith(f"{service}.") and each.endswith((".rules", ".values"))
    )
    assert others(module, (*OF_RULES, *beside)) == PLANS.get(module, set())


@pytest.mark.parametrize("module", sorted(each for each in imports() if each.endswith(".values")))
def test_value_objects_know_the_standard_library_and_the_scalars(module: str) -> None:
    assert others(module, OF_VALUES) == set()


PLANS = {"analytics.playbooks.rules": {"analytics.playbooks.plan"}}
"""What a playbook's document says is as free of frameworks as its rules; the import rules hold it to that."""


def test_projections_and_the_ledger_know_no_feature() -> None:
    below = [each for each in imports() if each.startswith(("analytics.projections", "analytics.ledger"))]
    known = {one for each in below for one in others(each, BELOW_FEATURES) if one.startswith("analytics.")}
    assert known == set()
