"""The records of a noun that one transaction erases, and all that goes with them: where they were remembered, listed,
told of or exported."""

from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, LargeBinary, Table, Uuid, cast, func, update

from kith.exports.dropping import withdraw
from kith.nouns import history
from kith.nouns.aggregate import Aggregate
from kith.nouns.blinding import blind
from kith.nouns.erasing import erase_with
from kith.nouns.resource import Resource, View
from kith.nouns.unit_of_work import UnitOfWork


class Erased:
    def __init__(self, uow: UnitOfWork, resource: Resource, keys: Table) -> None:
        self._uow, self._resource, self._keys = uow, resource, keys
        self._views: dict[UUID, View] = {}
        """As they are then."""
        self._before: list[Aggregate] = []

    def add(self, before: Aggregate, after: Aggregate) -> None:
        self._views[after.id] = self._resource.view_of(after)
        self._before.append(before)

    async def flush(self) -> None:
        """Called when the records are written."""
        if not self._views:
            return
        connection, tenant, of = self._uow.connection, self._uow.tenant, self._resource
        if of.on_erase is not None:
            await of.on_erase(connection, tenant, of, self._before)
        await self._erase_answers()
        await history.erase(connection, tenant, of, self._views)
        await erase_with(connection, tenant, of.table, self._keys, self._views)
        ids = [*self._views]
        await blind(connection, tenant, of.table, of.plural, ids, idempotency=self._keys)
        await withdraw(connection, tenant, of.table, ids)

    async def _erase_answers(self) -> None:
        """A command that is repeated by its Idempotency-Key is answered by the record as it is now."""
        keys = self._keys.c
        views = [msgspec.json.encode(view) for view in self._views.values()]
        given = func.unnest(cast([*self._views], ARRAY(Uuid)), cast(views, ARRAY(LargeBinary)))
        now = given.table_valued("subject", "outcome").render_derived(name="erased")
        await self._uow.connection.execute(
            update(self._keys)
            .where(keys.tenant_id == self._uow.tenant, keys.subject == now.c.subject, keys.outcome.is_not(None))
            .values(outcome=now.c.outcome)
        )
