"""How a merge takes effect on the records that name what was merged."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.merging.rules import Mergeable
from contacts.tables import metadata
from kith.customers.links import relink, take_turn
from kith.customers.repointing import Repointing
from kith.nouns.aggregate import Aggregate
from kith.nouns.resource import Together

REPOINTING = Repointing(metadata)


def merging(table: Table) -> Together:
    """Of the command that merges one record into another."""
    return _together(table, lambda given, _: given.into, shares_fields=True)


def separating(table: Table) -> Together:
    """Of the command that separates them again."""
    return _together(table, lambda _, it: _told(it))


def _together(table: Table, other: Callable[[Any, Any], UUID | None], *, shares_fields: bool = False) -> Together:
    return Together(other, take_turn, partial(_merges_take_effect, table), shares_fields)


def _told(record: Mergeable | None) -> UUID | None:
    return None if record is None else record.told_merged_into or record.merged_into


async def _merges_take_effect(
    table: Table, connection: AsyncConnection, tenant: str, before: Mapping[UUID, Aggregate]
) -> None:
    """Has `merged_into` name those that remain, and gives them what is listed by the others."""
    remained = {id: getattr(each, "merged_into", None) or id for id, each in before.items()}
    changed = await relink(connection, tenant, table, remained)
    await REPOINTING.begin(connection, tenant, changed)
