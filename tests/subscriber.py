"""A client of GraphQL subscriptions over a WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = "graphql-transport-ws"


@dataclass
class Client:
    """Of one connection. Messages of several subscriptions are distinguished by their id."""

    socket: ClientConnection
    kept: list[Any] = field(default_factory=list)

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def subscribe(self, query: str, id: str = "1", **variables: Any) -> None:
        await self.say(type="subscribe", id=id, payload={"query": query, "variables": variables})

    async def message(self, id: str = "1") -> Any:
        """The next one of that subscription."""
        while True:
            for each in self.kept:
                if each.get("id") == id:
                    self.kept.remove(each)
                    return each
            self.kept.append(json.loads(await asyncio.wait_for(self.socket.recv(), 20)))

    async def next(self, id: str = "1") -> Any:
        """Returns the next value of the one field that was selected."""
        message = await self.message(id)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def event(self, id: str = "1") -> Any:
        """The next that is not only a cursor to go on from."""
        async with asyncio.timeout(20):
            while (value := await self.next(id))["event"] is None:
                pass
        return value

    async def error(self, id: str = "1") -> Any:
        message = await self.message(id)
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        return errors[0]["extensions"]

    async def closed(self) -> tuple[int, str]:
        """With which code, and why. What arrived before is kept, and has to be read: the close comes after it."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(20):
                while True:
                    self.kept.append(json.loads(await self.socket.recv()))
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


@asynccontextmanager
async def connected(port: int, token: str | None = None, protocol: str = PROTOCOL) -> AsyncIterator[Client]:
    url = f"ws://127.0.0.1:{port}/graphql"
    async with connect(url, subprotocols=[Subprotocol(protocol)], compression=None) as socket:
        client = Client(socket)
        if token is not None:
            await client.say(type="connection_init", payload={"authorization": f"Bearer {token}"})
            assert json.loads(await socket.recv())["type"] == "connection_ack"
        yield client
