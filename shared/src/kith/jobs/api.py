"""Jobs over both APIs: seen, paused, resumed, cancelled. What requests one is elsewhere."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import strawberry
from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from kith.errors import DomainError, Invalid
from kith.graphql.context import Ctx
from kith.graphql.errors import Problem
from kith.graphql.fields import Connection, connection_of, field
from kith.graphql.inputs import checked
from kith.http import problems
from kith.http.app import Context, actor_who, context_of, json_response, only_known_parameters
from kith.http.auth import Actor
from kith.jobs import changes
from kith.jobs.reads import JobView, details_of, page_of
from kith.jobs.table import JobState
from kith.nouns.lists.pages import DEFAULT_PAGE, Page
from kith.nouns.parameters import First, pascal
from kith.scalars import Code, Cursor, Id

Change = Callable[[AsyncConnection, Table, str, UUID], Any]


@dataclass(frozen=True)
class Verb:
    """What may be asked of a job that there is."""

    name: str
    summary: str
    words: str
    change: Change


CANCEL = Verb(
    "cancel",
    "Call a job off",
    "One that runs stops within some seconds. One that has ended is refused (409).",
    changes.cancel,
)
PAUSE = Verb(
    "pause", "Pause a job", "It stops within some seconds, and keeps what it has done until then.", changes.pause
)
RESUME = Verb(
    "resume",
    "Resume a job",
    "It goes on from where it was: one that is paused, and one that failed on its way.",
    changes.resume,
)


@dataclass(frozen=True)
class JobsApi:
    """The jobs of one table over both APIs."""

    table: Table
    service: str
    name: str
    """In the singular, words joined by underscores: `health_job`."""
    plural: str
    tag: str
    summary: type[JobView]
    """What a list shows of a job."""
    details: type[JobView]
    page: Any
    """The model of a page, and of one job, in REST."""
    model: Any
    summary_type: Any
    """The same in GraphQL."""
    type: Any
    words: Mapping[str, str]
    """Descriptions in GraphQL, by the names of its queries; of the list in REST by `list`."""
    verbs: tuple[Verb, ...] = (CANCEL,)
    shown: Callable[[Any, Actor], Any] = lambda job, _: job
    """Returns a job as an actor sees it."""
    states: tuple[str, ...] = tuple(JobState)
    """That one may be in."""
    noun: str = "job"
    """What one is called."""
    many: str = "Jobs, newest first"
    at: str | None = None
    """The path in REST, where it is not that of the plural: a name in GraphQL is of one service alone."""
    whose: Callable[[Actor, str], str | None] | None = None
    """Returns whose jobs an actor may `read`, or `write`; None: everybody's. Raises Forbidden. By default whoever has
    the service's scope of that verb may do so with all."""

    @property
    def path(self) -> str:
        return self.at or f"/v1/{self.plural.replace('_', '-')}"

    def requested_by(self, actor: Actor, verb: str) -> str | None:
        if self.whose is not None:
            return self.whose(actor, verb)
        actor.require(f"{self.service}:{verb}")
        return None

    async def accepted(self, connection: AsyncConnection, actor: Actor, id: UUID) -> Response:
        """Answers with a job that was requested, and where to look for what comes of it."""
        found = self.shown(await details_of(connection, self.table, self.details, actor.tenant, id), actor)
        return json_response(found, status=HTTPStatus.ACCEPTED, headers={"Location": f"{self.path}/{id}"})

    def router(self) -> APIRouter:
        router = APIRouter(prefix=self.path, tags=[self.tag], dependencies=[Depends(only_known_parameters)])
        reader, writer = (actor_who(partial(self._may, verb)) for verb in ("read", "write"))

        @router.get(
            "",
            response_model=self.page,
            operation_id=f"list{pascal(self.plural)}",
            summary=self.many,
            description=self.words["list"],
        )
        async def list_jobs(
            request: Request,
            first: First = DEFAULT_PAGE,
            after: Cursor | None = None,
            state: Code | None = None,
            actor: Actor = reader,
        ) -> Response:
            async with context_of(request).database.read(actor.tenant) as connection:
                page = await self._page(connection, actor, first, after, state)
            return json_response(self.page(page.rows, page.next))

        @router.get(
            "/{id:segment}",
            response_model=self.model,
            operation_id=f"get{pascal(self.name)}",
            summary=f"How far a {self.noun} is, and what came of it",
            description=self.words.get("one", "Look again until `state` is `done`, `failed` or `cancelled`."),
        )
        async def get_job(request: Request, id: Id, actor: Actor = reader) -> Response:
            async with context_of(request).database.read(actor.tenant) as connection:
                return json_response(await self.one(connection, actor, id))

        for verb in self.verbs:
            self._add(router, verb, writer)
        return router

    def _add(self, router: APIRouter, verb: Verb, writer: Any) -> None:
        @router.post(
            f"/{{id:segment}}:{verb.name}",
            response_model=self.model,
            operation_id=f"{verb.name}{pascal(self.name)}",
            summary=verb.summary,
            description=verb.words,
        )
        async def change(request: Request, id: Id, actor: Actor = writer) -> Response:
            return json_response(await self._changed(context_of(request), verb, actor, id))

    def _may(self, verb: str, actor: Actor) -> None:
        self.requested_by(actor, verb)

    async def one(self, connection: AsyncConnection, actor: Actor, id: UUID, verb: str = "read") -> Any:
        """Returns a job as this actor sees it. Raises NotFound, and Forbidden."""
        by = self.requested_by(actor, verb)
        found = await details_of(connection, self.table, self.details, actor.tenant, id, by=by, noun=self.noun)
        return self.shown(found, actor)

    async def _page(
        self, connection: AsyncConnection, actor: Actor, first: int, after: str | None, state: str | None
    ) -> Page[Any]:
        by = self.requested_by(actor, "read")
        if state is not None and state not in self.states:
            raise Invalid(f"It is one of {', '.join(self.states)}.", field="state")
        found = await page_of(
            connection, self.table, self.summary, actor.tenant, by=by, state=state, first=first, after=after
        )
        return found._replace(rows=[self.shown(each, actor) for each in found.rows])

    async def _changed(self, context: Context, verb: Verb, actor: Actor, id: UUID) -> Any:
        async with context.database.write(actor.tenant) as transaction:
            await self.one(transaction.connection, actor, id, "write")
            await verb.change(transaction.connection, self.table, actor.tenant, id)
            return await self.one(transaction.connection, actor, id, "write")

    def queries(self) -> tuple[Any, ...]:
        """Returns the queries of GraphQL: one job, and all of them."""
        one, several = (_camel(name) for name in (self.name, self.plural))
        one_type, summary_type = self.type, self.summary_type

        async def one_job(info: Ctx, id: UUID) -> one_type:  # type: ignore[valid-type]
            context, actor = info.context, info.context.actor
            self._may("read", actor)
            async with context.service.database.read(actor.tenant) as connection:
                job: Any = await self.one(connection, actor, id)
            return job  # type: ignore[no-any-return]  # resolved by field name

        async def all_jobs(
            info: Ctx, first: First = DEFAULT_PAGE, after: Cursor | None = None, state: Code | None = None
        ) -> Connection[summary_type]:  # type: ignore[valid-type]
            context, actor = info.context, info.context.actor
            self._may("read", actor)
            async with context.service.database.read(actor.tenant) as connection:
                return connection_of(await self._page(connection, actor, first, after, state))

        # The fields of a type are told apart by the names of their functions.
        one_job.__name__, all_jobs.__name__ = one, several
        return tuple(
            field(name=each.__name__, description=self.words[each.__name__])(each) for each in (one_job, all_jobs)
        )

    def mutations(self) -> tuple[Any, ...]:
        return tuple(self._mutation(verb) for verb in self.verbs)

    def _mutation(self, verb: Verb) -> Any:
        name = f"{verb.name}{pascal(self.name)}"
        result = result_of(name, self.type)

        async def change(info: Ctx, id: UUID) -> result:  # type: ignore[valid-type]
            async def changed() -> Any:
                self._may("write", info.context.actor)
                return await self._changed(info.context.service, verb, info.context.actor, id)

            return await or_problem(changed(), self.type)  # type: ignore[no-any-return]

        change.__name__ = name
        return strawberry.mutation(checked(change), name=name, description=verb.words)


def result_of(mutation: str, type: Any) -> Any:
    """Returns the type of what a mutation returns: a job, or a Problem."""
    return Annotated[type | Problem, strawberry.union(f"{mutation[0].upper()}{mutation[1:]}Result")]


async def or_problem(made: Awaitable[Any], type: Any) -> Any:
    """Returns what was made as this type, or the Problem why it was refused."""
    try:
        job = await made
    except (DomainError, ValidationError) as error:
        return Problem.of(problems.of_refusal(error), [])
    return type(**{each.name: getattr(job, each.name) for each in fields(job)})


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)
