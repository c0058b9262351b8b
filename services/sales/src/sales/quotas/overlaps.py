"""What is of a period, and of a user or a team, is there once: what two say would be added up."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import ARRAY, Table, Uuid, any_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.one_at_a_time import one_at_a_time
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.form import Attempt, Check
from kith.nouns.inputs import Archive, Input, NewInput, Restore
from sales.quotas.rules import OfPeriod


def one_for_each_month(
    table: Table, kind: type[OfPeriod], *more: str
) -> Callable[[AsyncConnection, str, Sequence[Attempt]], Awaitable[Check]]:
    """Returns the checks that a user, or a team, has one record in use for a month. `more` are columns that `alike`
    looks at besides those of all."""
    names = ("id", "owner_id", "team_id", "period", "starts_on", "value", "currency", *more)

    async def checks(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
        made = [given if isinstance(given, NewInput) else record for given, record in asked]
        whose = {getattr(each, name) for each in made for name in ("owner_id", "team_id") if each is not None} - {None}
        if not any(isinstance(given, NewInput | Restore) for given, _ in asked):
            return lambda *_: None
        await one_at_a_time(connection, tenant, table.name)
        c, those = table.c, cast([*whose], ARRAY(Uuid))
        rows = select(*(c[name] for name in names)).where(
            c.tenant_id == tenant, or_(c.owner_id == any_(those), c.team_id == any_(those)), c.archived_at.is_(None)
        )
        there = {row.id: kind(**dict(zip(names, row, strict=True))) for row in await connection.execute(rows)}

        def check(given: Input, record: Aggregate) -> None:
            assert isinstance(record, OfPeriod)
            if isinstance(given, Archive):
                there.pop(record.id, None)
            if not isinstance(given, NewInput | Restore):
                return
            if (other := next((each for each in there.values() if record.overlaps(each)), None)) is not None:
                raise Conflict(
                    f"{kind.__name__} {other.id} is of the same user or team, and of the {other.period} from "
                    f"{other.starts_on}: archive it, or amend it.",
                    field="starts_on",
                )
            there[record.id] = record

        return check

    return checks
