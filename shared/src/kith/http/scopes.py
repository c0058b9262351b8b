"""The scopes there are, `service:verb`: what a token, and a role, can carry."""

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache

VERBS: Mapping[str, Sequence[str]] = {
    "contacts": ("read", "write", "operate", "personal", "audit", "admin"),
    "sales": ("read", "write", "approve", "operate", "personal", "audit"),
    "service-desk": ("read", "write", "operate", "personal", "audit"),
    "analytics": ("read", "write", "operate", "personal", "audit"),
}
SCOPES = tuple(f"{service}:{verb}" for service, verbs in VERBS.items() for verb in verbs)
_WIDTHS = ("own", "team")
"""Whose records a narrow scope is of: the actor's own, or those of all of its team and of the teams within it."""
_NARROW = {
    scope: tuple(f"{scope}:{width}" for width in _WIDTHS)
    for scope in (
        *(f"{service}:{verb}" for service in ("contacts", "sales", "service-desk") for verb in ("read", "write")),
        "analytics:read",
    )
}
NARROW_SCOPES = tuple(scope for scopes in _NARROW.values() for scope in scopes)
"""Scopes of some records only, `service:verb:width`: each is a part of `service:verb`."""


class Width(IntEnum):
    """Of whose records a scope is."""

    NONE = 0
    OWN = 1
    TEAM = 2
    ALL = 3


def width_of(scope: str, scopes: Collection[str]) -> Width:
    """Returns the widest that these scopes have of a scope."""
    if scope in scopes:
        return Width.ALL
    found = (Width(n) for n, narrow in enumerate(_NARROW.get(scope, ()), start=1) if narrow in scopes)
    return max(found, default=Width.NONE)


@lru_cache(1000)
def allowed_by_both(token: frozenset[str], roles: frozenset[str]) -> frozenset[str]:
    """Returns the scopes that both allow: of a scope that has narrow ones, the narrower of the two."""
    both = token & roles
    for scope, narrow in _NARROW.items():
        width = min(width_of(scope, token), width_of(scope, roles))
        both -= {*narrow, scope}
        both |= {(*narrow, scope)[width - 1]} if width else set()
    return both
