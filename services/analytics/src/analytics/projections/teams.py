"""The teams of users, as of an instant: a user is in its team, and in each team which that is within. No search goes on
for ever, whatever the records say."""

from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Text, cast, or_, select

from analytics.projections.facts import types_of
from analytics.projections.tables import facts

PEOPLE = frozenset({*types_of("contacts.user"), *types_of("contacts.team")})


def teams_of_users(tenant: str, at: datetime) -> CTE:
    """Selects a row for each user and team, by their ids as text: `user_id`, `team_id`. The first record of either also
    holds for the time before it was made."""
    users = _standing("contacts.user", "team_id", tenant, at)
    teams = _standing("contacts.team", "parent_id", tenant, at)
    found = (
        select(users.c.id.label("user_id"), users.c.team_id)
        .where(users.c.team_id.is_not(None))
        .cte("teams_of_users", recursive=True)
    )
    above = select(found.c.user_id, teams.c.parent_id).join_from(found, teams, teams.c.id == found.c.team_id)
    return found.union(above.where(teams.c.parent_id.is_not(None)))


def _standing(noun: str, field: str, tenant: str, at: datetime) -> Any:
    """Selects the records of a noun, by their ids as text, with a field of each."""
    f = facts.alias()
    return (
        select(cast(f.c.subject, Text).label("id"), f.c.state[field].astext.label(field))
        .where(
            f.c.tenant_id == tenant,
            f.c.type.in_(types_of(noun)),
            or_(f.c.version == 1, f.c.time < at),
            or_(f.c.until.is_(None), f.c.until >= at),
        )
        .subquery()
    )
