"""Taking a lead from a queue, over both APIs."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import strawberry
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import Response

from kith.api import Feature
from kith.errors import DomainError
from kith.graphql.context import Ctx
from kith.graphql.errors import Problem
from kith.graphql.inputs import checked
from kith.http import problems
from kith.http.app import actor_who, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.access import reach_to_write
from kith.nouns.inputs import read
from kith.nouns.parameters import body_of
from kith.scalars import Id
from sales.leads.form import LEADS, LeadView
from sales.leads.taking import take

router = APIRouter(prefix="/v1", tags=["lead-queues"], dependencies=[Depends(only_known_parameters)])
_WRITER: Any = actor_who(lambda actor: reach_to_write(actor, "sales", LEADS))


class TakeLead(BaseModel):
    """Who takes one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    owner_id: Id


@router.post(
    "/lead-queues/{id:segment}:take",
    response_model=LeadView,
    responses={HTTPStatus.NO_CONTENT: {"description": "None waits"}},
    operation_id="takeLead",
    summary="Take the lead that has waited longest",
    openapi_extra=body_of(TakeLead),
)
async def take_lead(request: Request, id: Id, actor: Actor = _WRITER) -> Response:
    """It is one of the queue that nobody owns, and belongs to a member from then on. Each is taken by one, however many
    ask at once."""
    given = read(TakeLead, await request.body() or b"null")
    context = context_of(request)
    if (answer := await take(context, actor, id, given.owner_id)) is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    shown = msgspec.to_builtins(answer.view)
    headers = {"ETag": f'"{answer.view.version}"', **context.position(answer.recorded_at)}
    return json_response(shown if actor.sees_personal("sales") else LEADS.without_personal(shown), headers=headers)


def mutations_of(nodes: Mapping[str, Any]) -> Sequence[Any]:
    node = nodes["lead"]
    result: Any = Annotated[node | Problem, strawberry.union("TakeLeadResult")] | None

    async def take_lead(info: Ctx, queue_id: Id, owner_id: Id) -> result:
        context = info.context
        try:
            reach_to_write(context.actor, "sales", LEADS)
            answer = await take(context.service, context.actor, queue_id, owner_id)
        except (DomainError, ValidationError) as error:
            return Problem.of(problems.of_refusal(error), [])
        if answer is None:
            return None
        context.recorded(answer.recorded_at)
        row = {name: getattr(answer.view, name) for name in LEADS.view_fields}
        return node(**(row if context.sees_personal else LEADS.hidden(row)))

    words = "Takes the lead of a queue that has waited longest, for a member of it; null: none waits."
    return [strawberry.mutation(checked(take_lead), name="takeLead", description=words)]


FEATURE = Feature(mutations_of=mutations_of, routers=(router,), models=(TakeLead,))
