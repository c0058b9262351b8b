"""Erases records as the service does: what is of somebody who was erased, what a rule says, what a backup brought
back."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.tables import idempotency, outbox
from kith.db.connections import acting_for
from kith.events import actors
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.nouns.resource import Resource
from kith.reach import EVERYONE


async def erase(
    connection: AsyncConnection, tenant: str, resource: Resource, ids: Sequence[UUID]
) -> dict[UUID, Exception]:
    """Erases these records by the command that a request gives. Returns why the others were not, by their ids: of one
    that was erased before AlreadyErased. What is wrong with one keeps no other from it."""
    try:
        return await _together(connection, tenant, resource, ids)
    except Exception as error:  # noqa: BLE001 - whatever it was, one of them has it
        if len(ids) == 1:
            return {ids[0]: error}
    refused: dict[UUID, Exception] = {}
    for each in ids:
        refused |= await erase(connection, tenant, resource, [each])
    return refused


async def _together(
    connection: AsyncConnection, tenant: str, resource: Resource, ids: Sequence[UUID]
) -> dict[UUID, Exception]:
    (command,) = (each for each in resource.commands if each.erases)
    calls = [Call(command, command.input(), id=id) for id in ids]
    by = By(actors.service("contacts"), EVERYONE)
    async with connection.begin_nested(), acting_for(connection, tenant) as transaction:
        outcomes, _ = await carry_out(
            transaction, resource, calls, source="contacts", outbox=outbox, idempotency=idempotency, by=by
        )
    return {id: each.error for id, each in zip(ids, outcomes, strict=True) if each.error is not None}
