"""The scopes there are, `service:verb`: what a token, and a role, can carry."""

from collections.abc import Mapping, Sequence

VERBS: Mapping[str, Sequence[str]] = {
    "contacts": ("read", "write", "operate", "personal", "audit", "admin"),
    "sales": ("read", "write", "operate", "personal", "audit"),
    "service-desk": ("read", "write", "operate", "personal", "audit"),
    "analytics": ("read", "write", "operate", "personal", "audit"),
}
SCOPES = tuple(f"{service}:{verb}" for service, verbs in VERBS.items() for verb in verbs)
