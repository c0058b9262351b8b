"""Requests to another service's API: a record is created, found by its external id, archived."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import msgspec

from kith.error_codes import ErrorCode
from kith.peers.credentials import ClientCredentials, Credentials, NoToken

SECONDS = 10.0
"""That one request may take, with the token for it."""
_REFUSES = frozenset({400, 404, 409, 410, 412, 413, 422})
"""The request is at fault: the same one will be answered in the same way."""
_MOST_WORDS = 500


class Unanswered(Exception):
    """It may have been done or not; the same request will tell. The message says what stood in the way."""

    loggable = True


class Refused(Exception):
    """It was not done, for a reason that stays."""

    loggable = True

    def __init__(self, words: str, code: str) -> None:
        super().__init__(words)
        self.code = code


_JSON = {"Content-Type": "application/json"}
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Peers:
    """The services that are reached, by their names, and how to get in."""

    clients: Mapping[str, httpx.AsyncClient]
    credentials: ClientCredentials

    @classmethod
    def of(cls, settings: Credentials, urls: Mapping[str, Any], scopes: str) -> "Peers":
        """Of those that it is set where they are, if it is set how to get in."""
        reached = urls if settings.client_file is not None else {}
        clients = {
            name: httpx.AsyncClient(base_url=str(url), timeout=SECONDS)
            for name, url in reached.items()
            if url is not None
        }
        return cls(clients, ClientCredentials(settings, scopes))

    async def create(self, tenant: str, service: str, plural: str, body: Mapping[str, Any]) -> UUID:
        """Creates a record, or returns the one that the same request has created. Raises Unanswered and Refused."""
        answer = await self._send(tenant, service, "POST", f"/v1/{plural}", body)
        return UUID(answer.json()["id"])

    async def find(self, tenant: str, service: str, plural: str, external_id: str) -> UUID | None:
        """Raises Unanswered."""
        at = f"/v1/{plural}?external_id={external_id}"
        found = (await self._send(tenant, service, "GET", at)).json()["items"]
        return UUID(found[0]["id"]) if found else None

    async def archive(self, tenant: str, service: str, plural: str, id: UUID) -> bool:
        """Archives a record, unless it was changed since it was made. Returns whether it is archived, or not there at
        all. Raises Unanswered."""
        at = f"/v1/{plural}/{id}"
        try:
            await self._send(tenant, service, "POST", f"{at}:archive", {}, {"If-Match": '"1"'})
        except Refused as refused:
            if refused.code == ErrorCode.NOT_FOUND:
                return True
            if refused.code not in (ErrorCode.VERSION_MISMATCH, ErrorCode.RECORD_ARCHIVED):
                raise
            return (await self._send(tenant, service, "GET", at)).json()["archived_at"] is not None
        return True

    async def _send(
        self, tenant: str, service: str, method: str, at: str, body: Any = None, headers: Mapping[str, str] = _NONE
    ) -> httpx.Response:
        if (client := self.clients.get(service)) is None:
            raise Unanswered(f"It is not set where {service} is, or how to get in.")
        content = None if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(SECONDS):
                sent = {"Authorization": f"Bearer {await self.credentials.token(tenant)}", **_JSON, **headers}
                answer = await client.request(method, at, content=content, headers=sent)
        except NoToken as error:
            raise Unanswered(str(error)) from error
        except (httpx.HTTPError, OSError) as error:
            raise Unanswered(f"{service} was not reached.") from error
        if answer.is_success:
            return answer
        if answer.status_code in (401, 403):
            self.credentials.forget(tenant)
        problem = _problem_in(answer)
        if problem is None or answer.status_code not in _REFUSES:
            raise Unanswered(f"{service} answered {answer.status_code}.")
        raise Refused(f"{service}: {_words(problem)}"[:_MOST_WORDS], problem["code"])


def _problem_in(answer: httpx.Response) -> Mapping[str, Any] | None:
    """Returns the problem details; None: it is not the service that answers."""
    try:
        said = answer.json()
    except ValueError:
        return None
    return said if isinstance(said, dict) and {"code", "detail"} <= said.keys() else None


def _words(problem: Mapping[str, Any]) -> str:
    if there := problem.get("candidates"):
        return f"It may be there already: {', '.join(each['id'] for each in there)}."
    wrong = [f"{each['field']}: {each['rule']}" for each in problem.get("errors", ())]
    return "; ".join(wrong) or str(problem["detail"])
