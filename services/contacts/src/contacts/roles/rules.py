"""Role: what someone may do, as a set of scopes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.events.people import RoleAmended, RoleCreated, RoleRemoved
from kith.nouns.aggregate import Aggregate


class RoleWasRemoved(Conflict):
    code = ErrorCode.ROLE_REMOVED


@dataclass(kw_only=True, eq=False)
class Role(Aggregate):
    """What someone may do, as a set of scopes. It allows nothing that a token does not allow too."""

    code: str
    name: str
    scopes: list[str]
    removed_at: datetime | None = None

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, RoleCreated]:
        it = cls(id=id, **fields)
        return it, RoleCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> RoleAmended:
        """Only the fields sent change; the scopes are sent all or not at all."""
        self._must_be_there(at)
        return RoleAmended.of(self, changed=self.set(fields))

    def remove(self, *, at: datetime) -> RoleRemoved:
        """For good. It must be nobody's; its code is free again."""
        self._must_be_there(at)
        self.removed_at = at
        return RoleRemoved.of(self)

    def _must_be_there(self, at: datetime) -> None:
        if self.removed_at is not None:
            raise RoleWasRemoved(f"Role {self.id} was removed.")
        self.ensure_not_before_last_change(at)
