"""What it takes to amend anything: something must change, and nothing newer may be overwritten."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kith.domain import Aggregate, Conflict, Invalid


class NothingAmended(Conflict):
    code = "nothing-amended"

    def __init__(self) -> None:
        super().__init__("Every field sent has that value already.")


def amend(aggregate: Aggregate, at: datetime, fields: Mapping[str, Any]) -> list[str]:
    """Set the fields and answer the names of those that changed. Raises NothingAmended if none did."""
    if at < aggregate.updated_at:
        raise Invalid(f"Its last change was at {aggregate.updated_at.isoformat()}.", field="occurred_at")
    changed = sorted(name for name, value in fields.items() if value != getattr(aggregate, name))
    if not changed:
        raise NothingAmended
    for name in changed:
        setattr(aggregate, name, fields[name])
    return changed
