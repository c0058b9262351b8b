"""Subscriptions over WebSocket, in the protocol `graphql-transport-ws`: who may connect, how many, and for how long.

A connection says who it is in `connection_init`, before anything else. It lasts no longer than its token is valid, and
than its user may do the same. On it there are subscriptions only: queries and commands are requests of their own, with
limits of their own.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from graphql import GraphQLError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from kith.errors import Forbidden
from kith.graphql.context import GraphQLContext
from kith.http.auth import Actor, IssuerUnavailable, Unauthenticated
from kith.http.faults import fault, is_transient
from kith.http.limits import ConnectionSlot, SubscriptionLimiter

# Close codes: of the protocol (44xx), and ones that any client knows how to take.
INVALID, FORBIDDEN, TRY_AGAIN_LATER = 4400, 4403, 1013
_MAX_REASON = 120
"""A close frame has room for 123 bytes."""


class SubscriptionHandler(BaseGraphQLTransportWSHandler[GraphQLContext, None]):
    """One connection."""

    context: GraphQLContext
    _expiry: asyncio.Task[None] | None = None
    _leaving: asyncio.Task[None] | None = None
    _slot: ConnectionSlot

    @property
    def _limiter(self) -> SubscriptionLimiter:
        return self.context.service.subscription_limiter

    async def handle(self) -> None:
        limits = self._limiter.limits
        if not self._limiter.make_room():
            await self._close(TRY_AGAIN_LATER, f"This process serves {limits.connections} connections at a time")
            return
        self.connection_init_wait_timeout = timedelta(seconds=limits.init_seconds)
        with self._limiter.connection(self._leave) as self._slot:
            await super().handle()

    async def handle_message(self, message: Any) -> None:
        if wrong := _what_is_wrong_with(message):
            await self._close(INVALID, wrong)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:
        payload = message.get("payload") or {}  # null as well: so a router sends it that has nothing to hand on
        if not self.connection_init_received:
            try:
                bearer = await self._authenticate(payload)
                self.context.actor = await self.context.service.admitted(bearer)
            except (Unauthenticated, Forbidden) as refused:
                await self._close(FORBIDDEN, str(refused))
                return
            except IssuerUnavailable as away:
                await self._close(TRY_AGAIN_LATER, str(away))
                return
            if not self._limiter.know(self._slot, self.context.actor.tenant):
                most = self._limiter.limits.connections_per_tenant
                await self._close(TRY_AGAIN_LATER, f"This process serves {most} connections of a tenant at a time")
                return
            self._expiry = asyncio.create_task(self._end_with_token(bearer))
        await super().handle_connection_init({"type": "connection_init", "payload": payload})

    async def _authenticate(self, payload: Mapping[str, Any]) -> Actor:
        """By what the payload says; a client that can send headers may say it in the handshake's."""
        authorization = {name.lower(): value for name, value in payload.items()}.get("authorization")
        if authorization is None and self.context.request is not None:
            authorization = self.context.request.headers.get("authorization")
        if authorization is not None and not isinstance(authorization, str):
            raise Unauthenticated("The payload's authorization is a text, as in the header: Bearer and the token.")
        return await self.context.service.authenticator.authenticate(authorization)

    async def handle_subscribe(self, message: Any) -> None:
        most = self._limiter.limits.per_connection
        if self.connection_acknowledged and len(self.operations) >= most and message["id"] not in self.operations:
            await self._tell(message["id"], "too-many-subscriptions", f"A connection has at most {most} subscriptions.")
            return
        await super().handle_subscribe(message)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """None: the error goes to its subscription alone, and the connection's others go on."""
        del error
        return None

    async def shutdown(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        await super().shutdown()

    async def _end_with_token(self, bearer: Actor) -> None:
        while (left := bearer.expires_at - time.time()) > 0:
            await asyncio.sleep(min(left, self.context.service.look_again_seconds))
            if reason := await self._ended_before(bearer):
                await self._close(FORBIDDEN, reason)
                return
        # Nothing is said of each subscription: ended by a message it would be over, and clients that connect again by
        # themselves, with a new token and after their last cursor, would not.
        await self._close(FORBIDDEN, "The token has expired")

    async def _ended_before(self, bearer: Actor) -> str | None:
        """Returns why the connection may not go on: with other scopes it would have to begin anew."""
        try:
            admitted = await self.context.service.admitted(bearer)
        except Forbidden as refused:
            return refused.detail
        except Exception as error:  # noqa: BLE001 - whatever it was, the connection ends or is looked at again
            if is_transient(error):  # it is looked up again
                return None
            fault(error)
            return "This is an internal error: connect again"
        return None if admitted == self.context.actor else "What the user's roles allow has changed: connect again"

    def _leave(self) -> None:
        # Not awaited: a client that does not answer the closing would keep the next one out.
        self._leaving = asyncio.create_task(self._close(TRY_AGAIN_LATER, "Others wait to connect: say who you are"))

    async def _tell(self, id: str, code: str, detail: str) -> None:
        error = GraphQLError(detail, extensions={"code": code})
        with suppress(WebSocketDisconnected):
            await self.send_message({"id": id, "type": "error", "payload": [error.formatted]})

    async def _close(self, code: int, reason: str) -> None:
        # RuntimeError: it is closed already
        with suppress(WebSocketDisconnected, RuntimeError):
            await self.websocket.close(code, reason[:_MAX_REASON])


def _what_is_wrong_with(message: Any) -> str | None:
    """The base class takes the shape of a message for granted."""
    if not isinstance(message, dict):
        return "A message is an object"
    kind, payload = message.get("type"), message.get("payload")
    fields = payload if isinstance(payload, dict) else {}
    subscribes = kind == "subscribe"
    rules = {
        "A message has a type, which is a text": isinstance(kind, str),
        "It has an id, which is a text": kind not in ("subscribe", "complete") or isinstance(message.get("id"), str),
        "The payload of connection_init is an object": kind != "connection_init" or isinstance(payload, dict | None),
        "The payload of subscribe has a query, which is a text": not subscribes or isinstance(fields.get("query"), str),
        "Variables are an object": not subscribes or isinstance(fields.get("variables"), dict | None),
        "The operationName is a text": not subscribes or isinstance(fields.get("operationName"), str | None),
    }
    return next((words for words, kept in rules.items() if not kept), None)
