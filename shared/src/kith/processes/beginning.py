"""Processes begin with a command of the record that they are about, in its transaction."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from kith.db.statements import insert_many
from kith.ids import new_id
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input
from kith.processes.table import TABLE, ProcessState


class Request(NamedTuple):
    """Of a process."""

    by: str
    """Who has begun it, as events name it."""
    params: Mapping[str, Any]
    held: Mapping[str, Any]
    """The same as far as it names people."""


class Beginnings:
    """The processes of one kind that a request begins: a kith.nouns.form.Supply. The rule gets its
    id as `process_id`."""

    def __init__(
        self,
        connection: AsyncConnection,
        tenant: str,
        kind: str,
        by: type[Input],
        request: Callable[[Any, Any], Request],
    ) -> None:
        """`request` is given the input and the record."""
        self._connection = connection
        self._tenant = tenant
        self._kind = kind
        self._by = by
        self._request = request
        self._next: UUID = new_id()
        self._begun: list[dict[str, Any]] = []

    def arguments(self, given: Input) -> Mapping[str, Any]:
        return {"process_id": self._next} if isinstance(given, self._by) else {}

    def accepted(self, given: Input, record: Aggregate) -> None:
        if not isinstance(given, self._by):
            return
        request = self._request(given, record)
        begun = {"tenant_id": self._tenant, "id": self._next, "kind": self._kind, "about_id": record.id, "made": {}}
        of_it = {
            "params": request.params,
            "held": request.held,
            "requested_by": request.by,
            "state": ProcessState.RUNNING,
        }
        self._begun.append(begun | of_it)
        self._next = new_id()

    async def flush(self) -> None:
        await insert_many(self._connection, TABLE, self._begun)
