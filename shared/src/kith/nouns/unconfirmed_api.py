"""The REST of unconfirmed references, of every service whose records name those of others."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.nouns.unconfirmed_reads import Known, UnconfirmedReference, page_of
from kith.scalars import Cursor

TAG = "unconfirmed references"
WORDS = "Records of other services that were named here, and of which nothing has been heard since."


@dataclass(slots=True)
class UnconfirmedPage:
    items: list[UnconfirmedReference]
    next: str | None


def unconfirmed_router(service: str, known: Known) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=[TAG], dependencies=[Depends(only_known_parameters)])
    reader = actor_with(f"{service}:read")

    @router.get(
        "/unconfirmed-references",
        response_model=UnconfirmedPage,
        operation_id="listUnconfirmedReferences",
        summary="List references to records that are not known",
    )
    async def list_(
        request: Request, first: First = DEFAULT_PAGE, after: Cursor | None = None, actor: Actor = reader
    ) -> Response:
        """An id of another service is accepted when it is named: its record may have been created just before. What is
        listed is not known after a minute: a wrong id, or an event that has not come."""
        async with context_of(request).database.read(actor.tenant) as connection:
            page = await page_of(connection, actor.tenant, known, first, after)
        return json_response(UnconfirmedPage(page.rows, page.next))

    return router
