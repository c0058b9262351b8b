"""Reconciliations over REST: ask for one, and see what they found."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from analytics.reconciliation import runs as reconcile
from analytics.reconciliation.reads import ReconciliationDetails, ReconciliationView, details_of, page_of
from kith.api import Feature
from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.scalars import Cursor, Id

router = APIRouter(
    prefix="/v1/reconciliations", tags=["reconciliations"], dependencies=[Depends(only_known_parameters)]
)
READER: Any = actor_with("analytics:read")
OPERATOR: Any = actor_with("analytics:operate")


@dataclass(slots=True)
class ReconciliationPage:
    items: list[ReconciliationView]
    next: str | None


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ReconciliationDetails,
    operation_id="requestReconciliation",
    summary="Compare all that is counted with what the services hold",
)
async def request_reconciliation(request: Request, actor: Actor = OPERATOR) -> Response:
    """A worker does it: poll the returned address until `state` is `done` or `failed`. While one is requested or runs,
    that one is returned."""
    async with context_of(request).database.write(actor.tenant) as transaction:
        id = await reconcile.request(transaction.connection, actor.tenant, by=actor.subject)
        found = await details_of(transaction.connection, actor.tenant, id)
    return json_response(found, status=HTTPStatus.ACCEPTED, headers={"Location": f"{router.prefix}/{id}"})


@router.get(
    "", response_model=ReconciliationPage, operation_id="listReconciliations", summary="Reconciliations, newest first"
)
async def list_reconciliations(
    request: Request,
    first: First = DEFAULT_PAGE,
    after: Cursor | None = None,
    actor: Actor = READER,
) -> Response:
    """Without their reports. They are kept for 90 days."""
    async with context_of(request).database.read(actor.tenant) as connection:
        page = await page_of(connection, actor.tenant, first=first, after=after)
    return json_response(ReconciliationPage(page.rows, page.next))


@router.get(
    "/{id}", response_model=ReconciliationDetails, operation_id="getReconciliation", summary="Get a reconciliation"
)
async def get_reconciliation(request: Request, id: Id, actor: Actor = READER) -> Response:
    """With its report: per collection the records that differ, per metric the numbers that do."""
    async with context_of(request).database.read(actor.tenant) as connection:
        return json_response(await details_of(connection, actor.tenant, id))


FEATURE = Feature(routers=(router,))
