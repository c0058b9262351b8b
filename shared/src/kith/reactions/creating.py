"""Creates records in reaction to another service's events: by the same rules as on request, exactly once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from kith.consumer import Handler
from kith.consumer.tracing import event_span
from kith.db.connections import acting_for
from kith.errors import Invalid
from kith.events import actors
from kith.events.analytics import ActionRequested
from kith.events.catalogue import current, decode
from kith.events.envelope import Envelope
from kith.events.event import Event
from kith.http.problems import of_validation_error
from kith.nouns.batch import carry_out
from kith.nouns.calls import By, Call
from kith.nouns.elsewhere import Known
from kith.nouns.inputs import Input
from kith.nouns.resource import Resource
from kith.reach import EVERYONE

E = TypeVar("E", bound=Event)
Body = Mapping[str, Any]
"""The body as it would be posted to the API; fields that are None are left out."""


def run_of(requested: Envelope) -> Known:
    """Returns the playbook run that requested an action."""
    action = decode(requested, ActionRequested)
    return {"id": action.run_id, "playbook_id": action.playbook_id}


def creating(
    resource: Resource,
    cause: type[E],
    body: Callable[[Envelope, E], Body | None],
    *,
    source: str,
    outbox: Table,
    idempotency: Table,
) -> Handler:
    """Returns a handler that creates one of `resource` for each event of the type `cause` that has a body for it. It
    raises the DomainError of a refusal, so that the event becomes a dead letter.

    The body has an external id that follows from the event: however often the event is delivered, one is created.
    """
    command = resource.create

    async def handle(connection: AsyncConnection, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            if current(envelope.type) != cause.type:
                continue
            event = decode(envelope, cause)
            if (wanted := body(envelope, event)) is None:
                continue
            call = Call(command, _input(command.input, wanted))
            # One by one: each belongs to the trace of its own event.
            with event_span(envelope, f"{command.name} {resource.name}"):
                async with acting_for(connection, envelope.tenant_id) as transaction:
                    (outcome,), _ = await carry_out(
                        transaction,
                        resource,
                        [call],
                        source=source,
                        outbox=outbox,
                        idempotency=idempotency,
                        by=By(_actor(event, source), EVERYONE),
                    )
            if outcome.error is not None:
                raise outcome.error

    return handle


def _actor(cause: Event, source: str) -> str:
    """Returns the playbook run that asked for it; of its own accord it is the service."""
    return actors.run(cause.run_id) if isinstance(cause, ActionRequested) else actors.service(source)


def _input(kind: type[Input], body: Body) -> Input:
    sent = {name: value for name, value in body.items() if value is not None}
    assert "external_id" in sent
    try:
        return kind.model_validate_json(msgspec.json.encode(sent))
    except ValidationError as error:
        wrong = of_validation_error(error)["errors"]
        raise Invalid(
            "; ".join(f"{each['field']}: {each['rule']}" for each in wrong), field=wrong[0]["field"]
        ) from None
