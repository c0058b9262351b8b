"""The document of a quote over REST."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy import ARRAY, Uuid, any_, cast, select
from starlette.responses import Response

from kith.api import Feature
from kith.http.app import actor_who, context_of, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.access import reach_to_read
from kith.nouns.lists.listing import Listing
from kith.nouns.queries import Queries
from kith.scalars import Id
from sales.products.form import products
from sales.quotes.form import QUOTES, QuoteView
from sales.quotes.rendering import QuoteDocument, Rendering

_LISTING = Listing("sales", QUOTES, {})
_READER: Any = actor_who(lambda actor: reach_to_read(actor, "sales", QUOTES))


def documents_feature(rendering: Rendering) -> Feature:
    """Returns what offers quotes as documents."""
    router = APIRouter(prefix="/v1", tags=["quotes"], dependencies=[Depends(only_known_parameters)])
    kind = rendering.media_type.partition(";")[0]

    @router.get(
        "/quotes/{id:segment}/document",
        response_class=Response,
        responses={200: {"content": {kind: {"schema": {"type": "string"}}}}},
        operation_id="getQuoteDocument",
        summary="Get a quote as a document for the customer",
    )
    async def document(request: Request, id: Id, actor: Actor = _READER) -> Response:
        """It loads nothing else. Who accepted the quote is in it for those who may see that."""
        context, reach = context_of(request), reach_to_read(actor, "sales", QUOTES)
        queries = Queries(_LISTING, QuoteView, reach=reach, personal=context.disclosure_to(actor))
        c = products.c
        async with context.database.read(actor.tenant) as connection:
            it = await queries.one(connection, actor.tenant, id)
            named = cast([*{each.product_id for each in it.lines} - {None}], ARRAY(Uuid))
            names = select(c.id, c.name).where(c.tenant_id == actor.tenant, c.id == any_(named))
            of = {row.id: row.name for row in await connection.execute(names)}
        made = QuoteDocument(
            number=it.external_id or str(it.id),
            revision=it.revision,
            state=it.state,
            currency=it.currency,
            lines=it.lines,
            value=it.value,
            sent_at=it.sent_at,
            valid_until=it.valid_until,
            signature=it.signature,
            closed_at=it.closed_at,
            products=of,
        )
        headers = {
            "Content-Security-Policy": rendering.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        return Response(rendering.render(made), media_type=rendering.media_type, headers=headers)

    return Feature(routers=(router,))
