"""User: a person who works with the tenant's data."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.actors import user_id
from kith.events.people import (
    UserActivated,
    UserAmended,
    UserErased,
    UserInvited,
    UserLinked,
    UserResumed,
    UserSuspended,
)
from kith.nouns.aggregate import Erasable


class UserState(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class UserNotInvited(Conflict):
    code = ErrorCode.USER_NOT_INVITED


class UserAlreadyLinked(Conflict):
    code = ErrorCode.USER_ALREADY_LINKED


class UserAlreadySuspended(Conflict):
    code = ErrorCode.USER_ALREADY_SUSPENDED


class UserNotSuspended(Conflict):
    code = ErrorCode.USER_NOT_SUSPENDED


@dataclass(kw_only=True, eq=False)
class User(Erasable):
    """A person who works with the tenant's data, known by the subject of the tokens that they send."""

    PERSONAL = ("name", "email")

    name: str | None
    """None: it was erased."""
    email: str | None
    """None: it was erased."""
    state: UserState = UserState.INVITED
    actor_id: UUID | None = None
    """Follows from the subject of its tokens, which is not kept. None: it is linked to none yet."""
    team_id: UUID | None = None
    role_ids: list[UUID] = field(default_factory=list)
    """What it may do. None: what its tokens allow."""

    @classmethod
    def invite(
        cls, *, id: UUID, at: datetime, tenant: str, subject: str | None, **fields: Any
    ) -> tuple[Self, UserInvited]:
        """It is active from its first request on: the one with this subject or, if none is given, with this address of
        e-mail, verified by the issuer of the token."""
        it = cls(id=id, **fields)
        if subject is not None:
            it.actor_id = user_id(tenant, subject)
        return it, UserInvited.of(it)

    def activate(self, *, at: datetime, tenant: str, subject: str | None) -> UserActivated:
        """Someone who was invited is active. The subject links it; it can be left out if it is linked already."""
        self._may_change(at)
        if self.state is not UserState.INVITED:
            raise UserNotInvited(f"User {self.id} is {self.state}, not invited.")
        if subject is not None:
            self.actor_id = user_id(tenant, subject)
        if self.actor_id is None:
            raise Invalid("It is linked to no subject yet: send one.", field="subject")
        self.state = UserState.ACTIVE
        return UserActivated.of(self)

    def link(self, *, at: datetime, tenant: str, subject: str) -> UserLinked:
        """Its tokens have this subject from now on, and no other."""
        self._may_change(at)
        actor_id = user_id(tenant, subject)
        if actor_id == self.actor_id:
            raise UserAlreadyLinked(f"User {self.id} is linked to this subject.", field="subject")
        self.actor_id = actor_id
        return UserLinked.of(self)

    def suspend(self, *, at: datetime) -> UserSuspended:
        """Every service refuses it from then on, whatever its token allows."""
        self._may_change(at)
        if self.state is UserState.SUSPENDED:
            raise UserAlreadySuspended(f"User {self.id} is suspended.")
        self.state = UserState.SUSPENDED
        return UserSuspended.of(self)

    def resume(self, *, at: datetime) -> UserResumed:
        """It is what it was before it was suspended: active, or invited if it is linked to no subject yet."""
        self._may_change(at)
        if self.state is not UserState.SUSPENDED:
            raise UserNotSuspended(f"User {self.id} is {self.state}, not suspended.")
        self.state = UserState.INVITED if self.actor_id is None else UserState.ACTIVE
        return UserResumed.of(self)

    def amend(self, *, at: datetime, **fields: Any) -> UserAmended:
        """Only the fields sent change; a team sent as null is none. The roles are sent all or not at all."""
        self._may_change(at)
        return UserAmended.of(self, changed=self.set(fields))

    def erase(self, *, at: datetime) -> UserErased:
        """Name and address go for good. It is suspended for good, too: its tokens may be valid for a while."""
        self.forget(at)
        self.state, self.team_id, self.role_ids = UserState.SUSPENDED, None, []
        return UserErased.of(self)

    def _may_change(self, at: datetime) -> None:
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
