"""Which customers the records of a request belong to: those that remain of the ones that they were told."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from kith.customers.links import survivors
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, values_of
from kith.nouns.resource import Resource


class Pointing:
    """Of one noun, by its fields that name customers."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._remaining: dict[str, dict[UUID, UUID]] = {}

    async def look_up(
        self,
        connection: AsyncConnection,
        tenant: str,
        inputs: Sequence[Input],
        named: Mapping[str, Mapping[UUID, Any]],
    ) -> None:
        """Looks up the customers that the inputs name, and those of the records that they name."""
        for name, customers in self._resource.told.items():
            told = values_of(inputs, name)
            for field, follows in self._resource.named.items():
                if name in follows.takes:
                    told |= {id for row in named.get(field, {}).values() for id in follows.allowed(name, row)}
            self._remaining[name] = await survivors(connection, tenant, customers, told - {None})

    def point(self, record: Aggregate, names: Iterable[str]) -> None:
        """Gives the record, by these fields, to the customers that remain of those that it was told."""
        for name in self._resource.told.keys() & set(names):
            told = getattr(record, name)
            remaining = self._remaining[name].get(told)
            setattr(record, name, remaining or told)
            setattr(record, f"told_{name}", None if remaining is None else told)

    def agree(self, field: str, one: Any, other: Any) -> bool:
        """Whether a field that two records have, if both have it, is the same of both."""
        remaining = self._remaining.get(field, {})
        return None in (one, other) or bool(remaining.get(one, one) == remaining.get(other, other))


def told_of(columns: ReadOnlyColumnCollection[str, Column[Any]], name: str) -> ColumnElement[Any]:
    """Returns a field of a record that is named; of a customer the id that it was told."""
    told = columns.get(f"told_{name}")
    return columns[name] if told is None else func.coalesce(told, columns[name]).label(name)
