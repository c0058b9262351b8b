"""What a service holds of a person, over REST: its part of the answer to a data subject who asks for access."""

from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from kith.audit.disclosures import Disclosure
from kith.customers.held import Person, PersonNoun, held_of, is_held
from kith.errors import NotFound
from kith.http.app import Context, actor_who, context_of, only_known_parameters
from kith.http.auth import Actor
from kith.nouns.export import NDJSON, TEXT, SnapshotResponse, media_type_of
from kith.nouns.resource import Resource
from kith.scalars import Id

TAG = "personal data"
WORDS = "What is held of a person, for whoever asks for it. Each service has its part."


def held_router(service: str, resources: Sequence[Resource]) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=[TAG], dependencies=[Depends(only_known_parameters)])

    def sees_all(actor: Actor) -> None:
        actor.require(f"{service}:read")
        actor.require(f"{service}:personal")

    reader = actor_who(sees_all)

    @router.get(
        "/personal-data/{noun:segment}/{id:segment}",
        response_class=StreamingResponse,
        responses={HTTPStatus.OK: {"content": {kind: {"schema": {"type": "string"}} for kind in (NDJSON, TEXT)}}},
        operation_id="exportPersonalData",
        summary="All that is held of a person",
    )
    async def held(request: Request, noun: PersonNoun, id: Id, actor: Actor = reader) -> Response:
        """Lines of JSON, all as it was at one instant; the header Kith-Position says at which. A line is a record of
        the customer or the contact, or one that names it, `{"noun": "contact", "record": {…}}`, or an entry of a
        record's history, `{"noun": "contact", "id": "…", "history": {…}}`. The last line is `{"end": {"rows": 12}}`:
        without it the answer broke off. It needs the scopes `read` and `personal`, and the records that are shown are
        in the audit log. Where nothing is held, it is 404; ask every service."""
        context, disclosure = context_of(request), context_of(request).disclosure_to(actor)
        assert disclosure is not None, "the scope was checked"
        kind = TEXT if media_type_of(request) == TEXT else NDJSON
        return Held(context, resources, Person(actor.tenant, noun, id), disclosure, kind)

    return router


class Held(SnapshotResponse):
    """Streams what is held of a person, a few hundred lines at a time."""

    def __init__(
        self,
        context: Context,
        resources: Sequence[Resource],
        person: Person,
        disclosure: Disclosure,
        media_type: str,
    ) -> None:
        super().__init__(context, person.tenant, self._lines(), media_type)
        self._resources, self._person, self._disclosure = resources, person, disclosure

    async def ready(self) -> None:
        """Raises NotFound."""
        if not await is_held(self._snapshot.connection, self._resources, self._person):
            raise NotFound.of(self._person.noun, self._person.id)

    async def _lines(self) -> AsyncIterator[bytes]:
        encoder, count = msgspec.json.Encoder(), 0
        async for lines in held_of(self._snapshot.connection, self._resources, self._person, self._disclosure):
            count += len(lines)
            yield encoder.encode_lines(lines)
        yield encoder.encode_lines([{"end": {"rows": count}}])
