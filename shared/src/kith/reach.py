"""Whose records an actor may read or change."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Reach:
    """The users whose records are within reach."""

    owners: tuple[UUID, ...] | None
    """None: everyone's, and nobody's."""
    user_id: UUID | None = None
    """Who owns what is created without an owner, where not everyone's records are within reach."""

    @property
    def is_limited(self) -> bool:
        return self.owners is not None

    def has(self, owner: UUID | None) -> bool:
        """Whether the records of this owner are within reach; None: what nobody owns."""
        return self.owners is None or owner in self.owners


EVERYONE = Reach(None)
