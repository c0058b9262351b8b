"""A GraphQL subscription at the gateway, as any HTTP client can have it: server-sent events."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from kith_local.errors import LocalError

QUIET = 60.0
"""Seconds without a byte, after which it counts as cut off: there are signs of life more often."""


class NotSubscribed(LocalError):
    """It was refused, or was cut off."""


async def subscribe(
    gateway: str, token: str, query: str, variables: Mapping[str, Any] | None = None
) -> AsyncIterator[Any]:
    """The data of each message, without end. Raises NotSubscribed."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    body = {"query": query, "variables": dict(variables or {})}
    try:
        async with (
            httpx.AsyncClient(timeout=httpx.Timeout(30, read=QUIET), trust_env=False) as http,
            http.stream("POST", f"{gateway}/graphql", json=body, headers=headers) as answer,
        ):
            if not answer.is_success:
                raise NotSubscribed(
                    f"The gateway refused: {answer.status_code} {(await answer.aread())[:500].decode()}"
                )
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "data" and value:
                    yield _data(json.loads(value))
    except httpx.TransportError as error:
        raise NotSubscribed(f"The subscription was cut off: {type(error).__name__} {error}".strip()) from None
    raise NotSubscribed("The gateway ended the subscription.")


def _data(message: Mapping[str, Any]) -> Any:
    if errors := message.get("errors"):
        raise NotSubscribed(f"The subscription was refused: {'; '.join(each['message'] for each in errors)}")
    return message["data"]
