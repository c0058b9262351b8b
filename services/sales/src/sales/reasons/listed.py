"""Holds the reasons that records are given to the tenant's list of their kind, if it has one."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.errors import Invalid
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, names_of, values_of
from kith.nouns.resource import Attempt, Check
from sales.reasons.form import reasons
from sales.reasons.rules import ReasonKind


def listed_reasons(
    kind_of: Callable[[Any], ReasonKind],
) -> Callable[[AsyncConnection, str, Sequence[Attempt]], Awaitable[Check]]:
    """Returns the `checks` of a form whose inputs may have a `reason`; `kind_of` is given the record as it is then."""

    async def checks(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
        lists: dict[ReasonKind, list[str]] = defaultdict(list)
        if values_of((given for given, _ in asked), "reason"):
            c = reasons.c
            rows = select(c.kind, c.code).where(c.tenant_id == tenant, c.archived_at.is_(None)).order_by(c.code)
            for row in await connection.execute(rows):
                lists[row.kind].append(row.code)

        def check(given: Input, record: Aggregate) -> None:
            reason = getattr(given, "reason", None) if lists and "reason" in names_of(type(given)) else None
            codes = lists.get(kind_of(record)) if reason is not None else None
            if codes is not None and reason not in codes:
                raise Invalid(f"It is one of the reasons {', '.join(codes)}.", field="reason")

        return check

    return checks
