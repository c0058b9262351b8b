"""Team: users who work together, perhaps within a larger team."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.events.people import TeamAmended, TeamCreated, TeamRemoved
from kith.nouns.aggregate import Aggregate


class TeamWasRemoved(Conflict):
    code = ErrorCode.TEAM_REMOVED


@dataclass(kw_only=True, eq=False)
class Team(Aggregate):
    """Users who work together, perhaps within a larger team."""

    name: str
    parent_id: UUID | None = None
    removed_at: datetime | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, TeamCreated]:
        it = cls(id=id, **fields)
        return it, TeamCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> TeamAmended:
        """Only the fields sent change; a parent sent as null is none."""
        self._must_be_there(at)
        return TeamAmended.of(self, changed=self.set(fields))

    def remove(self, *, at: datetime) -> TeamRemoved:
        """For good. Nobody may be in it, and no team within it."""
        self._must_be_there(at)
        self.removed_at = at
        return TeamRemoved.of(self)

    def _must_be_there(self, at: datetime) -> None:
        if self.removed_at is not None:
            raise TeamWasRemoved(f"Team {self.id} was removed.")
        self.ensure_not_before_last_change(at)
