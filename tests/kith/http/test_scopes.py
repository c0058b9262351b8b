"""Of token and roles the narrower holds; of several roles the widest."""

import pytest

from kith.http.scopes import NARROW_SCOPES, SCOPES, allowed_by_both

OWN, TEAM, ALL = "sales:read:own", "sales:read:team", "sales:read"


@pytest.mark.parametrize(
    ("token", "roles", "left"),
    [
        ({ALL}, {OWN}, {OWN}),
        ({OWN}, {ALL}, {OWN}),
        ({TEAM}, {OWN}, {OWN}),
        ({ALL}, {OWN, TEAM}, {TEAM}),
        ({OWN, TEAM}, {ALL, OWN}, {TEAM}),
        ({ALL, OWN}, {ALL, TEAM}, {ALL}),
        ({OWN}, {"sales:write:own"}, set()),
        ({ALL, "sales:audit"}, {OWN, "sales:audit", "sales:operate"}, {OWN, "sales:audit"}),
        ({"contacts:read"}, {OWN}, set()),
    ],
)
def test_the_narrower_is_left(token: set[str], roles: set[str], left: set[str]) -> None:
    assert allowed_by_both(frozenset(token), frozenset(roles)) == left


def test_what_is_about_the_tenant_has_no_narrow_form() -> None:
    assert not set(SCOPES) & set(NARROW_SCOPES)
    assert {each.rpartition(":")[0] for each in NARROW_SCOPES} == {
        "analytics:read",
        *(f"{service}:{verb}" for service in ("contacts", "sales", "service-desk") for verb in ("read", "write")),
    }
