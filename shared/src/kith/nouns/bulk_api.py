"""Many commands in one request, over REST: each row is read by itself, and answered by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request
from msgspec import Raw
from pydantic import ValidationError
from starlette.responses import Response

from kith.errors import DomainError, Invalid
from kith.http import problems
from kith.http.app import actor_who, context_of, json_response
from kith.http.auth import Actor
from kith.http.bodies import MAX_BODY
from kith.nouns.access import reach_to_write
from kith.nouns.bulk import MAX_ROWS, rows_of
from kith.nouns.calls import By, Call, Outcome, Status, ensure_permitted
from kith.nouns.inputs import json_of
from kith.nouns.parameters import pascal, several
from kith.nouns.resource import Resource
from kith.runtime.slices import in_slices


@dataclass(slots=True)
class RowResult:
    """The result of one row. `id` and `version` are the aggregate's; `problem` is the reason of a rejection."""

    index: int
    external_id: str | None
    status: Status
    id: UUID | None = None
    version: int | None = None
    problem: problems.ProblemDetails | None = None


@dataclass(slots=True)
class BulkResult:
    results: list[RowResult]
    accepted: int
    unchanged: int
    rejected: int
    events: int


def add_bulk(router: APIRouter, service: str, resource: Resource, rows: Mapping[str, Any]) -> None:
    """Adds the route of bulk requests. `rows` are the models of a row, by its command."""
    writer = actor_who(lambda actor: reach_to_write(actor, service, resource))
    row_refs = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in rows.values()]
    body = {
        "type": "object",
        "required": ["rows"],
        "additionalProperties": False,
        "properties": {
            "rows": {
                "type": "array",
                "maxItems": MAX_ROWS,
                "items": row_refs[0] if len(row_refs) == 1 else {"anyOf": row_refs},
            }
        },
    }

    @router.post(
        f"/{resource.path}:bulk",
        response_model=BulkResult,
        operation_id=f"bulk{pascal(resource.plural)}",
        summary=f"Many commands on {several(resource)}, safe to send twice",
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}},
    )
    async def bulk(request: Request, actor: Actor = writer) -> Response:
        """Rows are carried out in order, in one transaction. A row that is rejected does not stop the others.
        A row without `command` creates. A row sent before is answered `unchanged`."""
        context = context_of(request)
        sent = await rows_of(await request.body())
        results: list[RowResult] = []
        calls: list[Call] = []
        async for index, raw in in_slices(enumerate(sent)):
            parsed = _parsed(resource, rows, index, raw)
            if isinstance(parsed, Call):
                calls.append(parsed)
                results.append(RowResult(index, parsed.external_id, Status.ACCEPTED))
            else:
                results.append(parsed)
        ensure_permitted(actor, service, calls)
        by = By(actor.id, reach_to_write(actor, service, resource))
        outcomes, recorded_at = await context.commands.run(actor.tenant, resource, calls, by=by)
        outcome_of = iter(outcomes)
        counts = dict.fromkeys(Status, 0)
        written: list[Any] = []
        async for result in in_slices(results):
            if result.status is Status.ACCEPTED:
                _fill_in(result, next(outcome_of))
            counts[result.status] += 1
            written.append(Raw(msgspec.json.encode(result)))
        done = BulkResult(
            written,
            accepted=counts[Status.ACCEPTED],
            unchanged=counts[Status.UNCHANGED],
            rejected=counts[Status.REJECTED],
            events=sum(outcome.events for outcome in outcomes),
        )
        return json_response(done, headers=context.position(recorded_at))


def _parsed(resource: Resource, rows: Mapping[str, Any], index: int, raw: bytes) -> Call | RowResult:
    external_id = None
    try:
        if len(raw) > MAX_BODY:
            raise Invalid(f"It has at most {MAX_BODY} bytes.", field="row")
        row = json_of(raw, field="row")
        if not isinstance(row, dict):
            raise Invalid("It is an object.", field="row")
        external_id = sent if isinstance(sent := row.get("external_id"), str) else None
        name = row.get("command", resource.create.name)
        if not isinstance(name, str) or name not in rows:
            raise Invalid(f"It is one of {', '.join(rows)}.", field="command")
        given: Any = rows[name].model_validate_json(raw)
        id = getattr(given, "id", None)
        if (id is None) == (given.external_id is None):
            raise Invalid("Send it, or the id.", field="external_id")
    except (DomainError, ValidationError) as error:
        return RowResult(index, external_id, Status.REJECTED, problem=problems.of_refusal(error))
    command = next(command for command in resource.commands if command.name == name)
    return Call(command, given, id=id, external_id=given.external_id, remembered=True, sent=raw)


def _fill_in(result: RowResult, outcome: Outcome) -> None:
    result.status = outcome.status
    if outcome.aggregate is not None:
        result.id, result.version = outcome.aggregate.id, outcome.aggregate.version
    if outcome.error is not None:
        result.problem = problems.of_domain_error(outcome.error)
