"""The form of a user: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from string import ascii_lowercase, ascii_uppercase
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field
from sqlalchemy import ARRAY, TEXT, Column, Index, Uuid, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.roles.form import roles
from contacts.tables import metadata
from contacts.teams.form import teams
from contacts.users.administrators import Administrators, given_in
from contacts.users.rules import User, UserState
from kith.db.one_at_a_time import one_at_a_time
from kith.db.tables import Moment, TenantId, aggregate_table, one_of, reference
from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.actors import user_id
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import AS_SET, UNSENT, Amendment, Input, NewInput
from kith.nouns.resource import Attempt, Check, Command, One, Resource, View, personal
from kith.scalars import Email, Id, Text

# Of ASCII only: other scripts have letters that turn into Latin ones (a Kelvin sign into a k), and so one address into
# another person's.
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


class UserAlreadyInvited(Conflict):
    code = ErrorCode.USER_ALREADY_INVITED


def as_kept(email: str) -> str:
    """Returns an address of e-mail as a user has it, so that one person's is one however it was spelt."""
    return email.translate(_LOWER)


UserEmail = Annotated[Email, AfterValidator(as_kept)]
RoleIds = Annotated[list[Id], Field(max_length=50), AS_SET]


class InviteUser(NewInput):
    name: Text
    email: UserEmail
    subject: Text | None = Field(default=None, description="of the tokens that it will send; it is not kept")
    team_id: Id | None = None
    role_ids: RoleIds = Field(default_factory=list)


class ActivateUser(Input):
    subject: Text | None = Field(default=None, description="of the tokens that it will send; it is not kept")


class LinkUser(Input):
    subject: Text


class AmendUser(Amendment):
    name: Text = UNSENT
    email: UserEmail = UNSENT
    team_id: Id | None = UNSENT
    role_ids: RoleIds = UNSENT


class SuspendUser(Input):
    pass


class ResumeUser(Input):
    pass


class EraseUser(Input):
    pass


users = aggregate_table(
    "users",
    metadata,
    Column("name", TEXT, comment="null: it was erased"),
    Column("email", TenantId, comment="null: it was erased"),
    Column("state", one_of(UserState), nullable=False),
    Column("actor_id", Uuid, comment="null: linked to no token's subject yet"),
    *reference("team_id", teams),
    Column("role_ids", ARRAY(Uuid), nullable=False),
    Column("erased_at", Moment),
    listed_by=("state", "team_id"),
)
Index("users_by_email", users.c.tenant_id, users.c.email, unique=True)
Index("users_by_actor", users.c.tenant_id, users.c.actor_id, unique=True)
Index(
    "users_erased",
    users.c.tenant_id,
    users.c.id,
    users.c.erased_at,
    postgresql_where=users.c.erased_at.is_not(None),
)


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that an address and a subject are one user's, that team and roles are there, and that one
    administrator is left."""
    await one_at_a_time(connection, tenant, "people")
    u, r, t = users.c, roles.c, teams.c
    emails, actors = given_in(asked, "email"), {user_id(tenant, each) for each in given_in(asked, "subject")}
    wanted = {id for ids in given_in(asked, "role_ids") for id in ids}
    within = given_in(asked, "team_id")
    has_one = u.email.in_(emails) | u.actor_id.in_(actors)
    owners = select(u.id, u.email, u.actor_id).where(u.tenant_id == tenant, has_one)
    there = select(r.id).where(r.tenant_id == tenant, r.id.in_(wanted), r.removed_at.is_(None))
    gone = select(t.id).where(t.tenant_id == tenant, t.id.in_(within), t.removed_at.is_not(None))
    found = (await connection.execute(owners)).all() if emails or actors else []
    owner: dict[object, UUID] = {row.email: row.id for row in found} | {row.actor_id: row.id for row in found}
    known = set(await connection.scalars(there)) if wanted else set()
    removed = set(await connection.scalars(gone)) if within else set()
    administrators = await Administrators.of(connection, tenant)

    def check(given: Input, user: Aggregate) -> None:
        assert isinstance(user, User)
        for id in getattr(given, "role_ids", None) or ():
            if id not in known:
                raise Invalid(f"There is no role {id}.", field="role_ids")
        if (team_id := getattr(given, "team_id", None)) in removed:
            raise Invalid(f"Team {team_id} was removed.", field="team_id")
        if user.email is not None and owner.get(user.email, user.id) != user.id:
            raise UserAlreadyInvited("Another user has this address.", field="email")
        if user.actor_id is not None and owner.get(user.actor_id, user.id) != user.id:
            raise UserAlreadyInvited("Another user has this subject.", field="subject")
        administrators.of_user(user)
        owner.update({key: user.id for key in (user.email, user.actor_id) if key is not None})

    return check


@dataclass(slots=True)
class UserView(View):
    state: UserState
    actor_id: UUID | None
    team_id: UUID | None
    role_ids: list[UUID]
    erased_at: datetime | None
    name: str | None = personal()
    email: str | None = personal()


USERS = Resource(
    "user",
    "users",
    User,
    users,
    UserView,
    (
        Command("invite", InviteUser, User.invite),
        Command("activate", ActivateUser, User.activate),
        Command("link", LinkUser, User.link),
        Command("suspend", SuspendUser, User.suspend),
        Command("resume", ResumeUser, User.resume),
        Command("amend", AmendUser, User.amend),
        Command("erase", EraseUser, User.erase, erases=True),
    ),
    filters=("state", "team_id", "actor_id"),
    searched=("name", "email"),
    relations=(One("team", many="users"),),
    reference_data=True,
    write_verb="admin",
    checks=can_be_so,
)
