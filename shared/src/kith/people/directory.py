"""The directory: users, teams and roles of a tenant, as a service learns them from the events of contacts. It has no
names and no addresses."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, TEXT, Column, Index, MetaData, Table, Uuid
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.db.tables import DERIVED, tenant_column
from kith.events.catalogue import EVENTS, current, decode
from kith.events.envelope import Envelope

_ROWS = 5000
"""A statement takes 32767 parameters."""


class Directory(NamedTuple):
    """The tables of one service. In contacts they are those of the nouns themselves."""

    users: Table
    teams: Table
    roles: Table


def directory_tables(metadata: MetaData) -> Directory:
    derived = {DERIVED: "the people of the tenant are in contacts"}
    users = Table(
        "known_users",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("actor_id", Uuid, comment="null: linked to no token's subject yet"),
        Column("state", TEXT, nullable=False),
        Column("team_id", Uuid),
        Column("role_ids", ARRAY(Uuid), nullable=False),
        info=derived,
    )
    Index("known_users_by_actor", users.c.tenant_id, users.c.actor_id)
    teams = Table(
        "known_teams",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("parent_id", Uuid),
        info=derived,
    )
    roles = Table(
        "known_roles",
        metadata,
        tenant_column(),
        Column("id", Uuid, primary_key=True),
        Column("scopes", ARRAY(TEXT), nullable=False),
        info=derived,
    )
    return Directory(users, teams, roles)


def keeping(directory: Directory) -> Handler:
    """Returns a handler that keeps the directory. Each event of these nouns carries all that is kept of one: its last
    one is what holds."""
    tables = {"contacts.user": directory.users, "contacts.team": directory.teams, "contacts.role": directory.roles}

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        known: dict[str, dict[tuple[str, UUID], dict[str, Any]]] = {}
        for each in envelopes:
            kind = EVENTS.get(current(each.type))
            if kind is not None and kind.noun in tables:
                event, key, table = decode(each, kind), (each.tenant_id, each.subject), tables[kind.noun]
                row = {each.name: getattr(event, each.name) for each in table.c if not each.primary_key}
                known.setdefault(kind.noun, {})[key] = {"tenant_id": key[0], "id": key[1], **row}
        for noun, found in sorted(known.items()):
            # In the order of keys, like all writes, so that no two transactions deadlock.
            rows = [found[key] for key in sorted(found)]
            for start in range(0, len(rows), _ROWS):
                await _write(connection, tables[noun], rows[start : start + _ROWS])

    return handle


async def _write(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    statement = insert(table).values(rows)
    new = {name: column for name, column in statement.excluded.items() if name not in table.primary_key.columns}
    await connection.execute(statement.on_conflict_do_update(index_elements=["tenant_id", "id"], set_=new))
