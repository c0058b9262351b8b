"""Playbooks over both APIs, beyond what every noun has."""

import strawberry
from strawberry.scalars import JSON

from analytics.queries.playbooks import PlaybookView


@strawberry.federation.type(keys=["id"])
class Playbook(PlaybookView):
    document: JSON  # type: ignore[assignment]
