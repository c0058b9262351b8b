"""What contacts publishes of the people of a tenant: users, teams and roles. Who they are stays in contacts."""

from typing import ClassVar
from uuid import UUID

from msgspec import field

from kith.events.event import Amended, Event


class UserState(Event):
    """Base of the events of a user. Each carries all that a directory keeps of one; who it is stays in contacts."""

    state: str
    actor_id: UUID | None = None
    """The id of those who act with its token; see kith.events.actors. None: it is linked to no subject yet."""
    team_id: UUID | None = None
    role_ids: list[UUID] = field(default_factory=list)


class UserInvited(UserState):
    type: ClassVar[str] = "contacts.user.invited.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False


class UserActivated(UserState):
    type: ClassVar[str] = "contacts.user.activated.v1"
    qualifies: ClassVar[bool] = False


class UserLinked(UserState):
    """Its tokens have this subject from now on."""

    type: ClassVar[str] = "contacts.user.linked.v1"
    qualifies: ClassVar[bool] = False


class UserSuspended(UserState):
    type: ClassVar[str] = "contacts.user.suspended.v1"
    qualifies: ClassVar[bool] = False


class UserResumed(UserState):
    type: ClassVar[str] = "contacts.user.resumed.v1"
    qualifies: ClassVar[bool] = False


class UserErased(UserState):
    """Its name and address were erased, for good. It is suspended, for good as well."""

    type: ClassVar[str] = "contacts.user.erased.v1"
    qualifies: ClassVar[bool] = False


class UserAmended(Amended):
    """Besides what changed it carries the rest of UserState."""

    type: ClassVar[str] = "contacts.user.amended.v1"
    qualifies: ClassVar[bool] = False
    state: str
    actor_id: UUID | None = None
    team_id: UUID | None = None
    role_ids: list[UUID] = field(default_factory=list)


class TeamCreated(Event):
    type: ClassVar[str] = "contacts.team.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    parent_id: UUID | None = None


class TeamAmended(Amended):
    type: ClassVar[str] = "contacts.team.amended.v1"
    qualifies: ClassVar[bool] = False
    parent_id: UUID | None = None


class TeamRemoved(Event):
    type: ClassVar[str] = "contacts.team.removed.v1"
    qualifies: ClassVar[bool] = False
    parent_id: UUID | None = None


class RoleCreated(Event):
    type: ClassVar[str] = "contacts.role.created.v1"
    creates: ClassVar[bool] = True
    qualifies: ClassVar[bool] = False
    code: str
    scopes: list[str]
    """What it allows those who have it, as far as their tokens do."""


class RoleAmended(Amended):
    """Besides what changed it carries the rest of what the role is."""

    type: ClassVar[str] = "contacts.role.amended.v1"
    qualifies: ClassVar[bool] = False
    code: str
    scopes: list[str]


class RoleRemoved(Event):
    type: ClassVar[str] = "contacts.role.removed.v1"
    qualifies: ClassVar[bool] = False
    code: str
    scopes: list[str]
