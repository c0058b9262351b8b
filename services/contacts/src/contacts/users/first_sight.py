"""First sight: an invited user is active from its first request on, known by its token's subject, or by the address of
e-mail that the token's issuer has verified."""

from contextlib import suppress

from sqlalchemy import select

from contacts.users.form import USERS, ActivateUser, LinkUser, as_kept, users
from contacts.users.rules import UserState
from kith.db.connections import Database
from kith.errors import Conflict
from kith.http.auth import Actor
from kith.nouns.calls import By, Call
from kith.nouns.commands import Commands
from kith.people.gate import Known
from kith.reach import EVERYONE

_COMMANDS = {command.input: command for command in USERS.commands}


async def at_first_sight(database: Database, commands: Commands, actor: Actor, known: Known | None) -> bool:
    """Activates the user that an actor is, or links one who is suspended, so that every service refuses it. Returns
    whether there was one."""
    given: ActivateUser | LinkUser
    if known is not None:
        id, given = known.id, ActivateUser()
    else:
        if actor.email is None:
            return False
        u = users.c
        invited = select(u.id, u.state).where(
            u.tenant_id == actor.tenant, u.email == as_kept(actor.email), u.actor_id.is_(None)
        )
        async with database.read(actor.tenant) as connection:
            row = (await connection.execute(invited)).one_or_none()
        if row is None:
            return False
        wanted = ActivateUser if row.state is UserState.INVITED else LinkUser
        id, given = row.id, wanted(subject=actor.subject)
    with suppress(Conflict):  # another request of the same user was first, or someone has changed it just now
        call = Call(_COMMANDS[type(given)], given, id=id)
        await commands.run_one(actor.tenant, USERS, call, by=By(actor.id, EVERYONE))
    return True
