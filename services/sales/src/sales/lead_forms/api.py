"""The address of web forms: what anybody may send, from the pages that a form stands on."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from kith.api import Feature
from kith.http.answers import json_response, problem_response
from kith.http.app import address_of, context_of
from kith.http.faults import refusal
from kith.scalars import LookedFor
from sales.lead_forms.rules import LeadForm
from sales.lead_forms.submitting import (
    REFUSALS,
    SUBMISSIONS,
    Door,
    Result,
    form_of,
    may_send,
    result_of,
    submit,
)

Named = Annotated[str, LookedFor(100)]
"""What is none is as unknown as one that there is not."""
router = APIRouter(prefix="/public/lead-forms", include_in_schema=False)
_PREFLIGHT = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type"}


@router.post("/{tenant}/{id}")
async def submit_lead_form(request: Request, tenant: Named, id: Named) -> Response:
    context, door = context_of(request), _door_of(request)
    result, shared = Result.FAILED, dict[str, str]()
    try:
        door.let_in(address_of(request), tenant, id)
        form = await form_of(context, tenant, id)
        shared = _shared(form, request)
        result = await submit(context, door, tenant, form, request)
    except REFUSALS as error:
        result = result_of(error)
        found = refusal(error)
        assert found is not None
        return problem_response(found.problem, {**found.headers, **shared})
    finally:
        SUBMISSIONS.labels(result).inc()
    return json_response({"status": "accepted"}, status=HTTPStatus.ACCEPTED, headers=shared)


@router.options("/{tenant}/{id}")
async def ask_lead_form(request: Request, tenant: Named, id: Named) -> Response:
    """A browser asks so before it sends JSON from another site."""
    _door_of(request).let_in(address_of(request), tenant, id)
    shared = _shared(await form_of(context_of(request), tenant, id), request)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={**shared, **(_PREFLIGHT if shared else {})})


def _shared(form: LeadForm, request: Request) -> dict[str, str]:
    """Returns the headers by which a page of the form may read the answer."""
    origin = request.headers.get("origin")
    if origin is None or not may_send(form, request):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _door_of(request: Request) -> Door:
    state: Any = request.app.state
    if not hasattr(state, "lead_forms"):
        state.lead_forms = Door()
    door: Door = state.lead_forms
    return door


FEATURE = Feature(routers=(router,))
