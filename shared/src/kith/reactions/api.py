"""The REST of reactions that were refused."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from kith.api import Feature
from kith.http.app import actor_with, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.lists.pages import DEFAULT_PAGE
from kith.nouns.parameters import First
from kith.reactions.refused import RefusedReaction, page_of
from kith.scalars import Cursor

TAG = "refused reactions"
WORDS = "What was to follow from an event, and was refused."


@dataclass(slots=True)
class RefusedReactionPage:
    items: list[RefusedReaction]
    next: str | None


def reactions_feature(service: str) -> Feature:
    """Returns what a service offers that reacts to events."""
    router = APIRouter(prefix="/v1", tags=[TAG], dependencies=[Depends(only_known_parameters)])
    reader = actor_with(f"{service}:read")

    @router.get(
        "/refused-reactions",
        response_model=RefusedReactionPage,
        operation_id="listRefusedReactions",
        summary="List what was to follow from events, and was refused",
    )
    async def list_(
        request: Request, first: First = DEFAULT_PAGE, after: Cursor | None = None, actor: Actor = reader
    ) -> Response:
        """Newest first; they are kept for 90 days. Nothing was changed: give the command again, if it is still
        wanted."""
        async with context_of(request).database.read(actor.tenant) as connection:
            page = await page_of(connection, actor.tenant, first, after)
        return json_response(RefusedReactionPage(page.rows, page.next))

    return Feature(routers=(router,))
