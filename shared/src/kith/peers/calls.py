"""Requests to another service's API: a record is created, found by its external id, archived."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import msgspec

from kith.error_codes import ErrorCode
from kith.peers.credentials import BUSY, ClientCredentials, Credentials, NoToken

SECONDS = 8.0
"""That one request may take."""
_REFUSES = frozenset({400, 404, 409, 413, 422})
"""The request is at fault: the same one will be answered in the same way."""
_MOST_WORDS = 500


class Unanswered(Exception):
    """It may have been done or not; the same request will tell. The message says what stood in the way."""

    loggable = True


class Refused(Exception):
    """It was not done, for a reason that stays."""

    loggable = True


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

    async def archive(self, tenant: str, service: str, plural: str, id: UUID) -> None:
        """Archives a record, if it is there and is not archived already. Raises Unanswered."""
        await self._send(
            tenant,
            service,
            "POST",
            f"/v1/{plural}/{id}:archive",
            {},
            done=(ErrorCode.NOT_FOUND, ErrorCode.RECORD_ARCHIVED),
        )

    async def _send(
        self, tenant: str, service: str, method: str, at: str, body: Any = None, *, done: tuple[str, ...] = ()
    ) -> httpx.Response:
        """Returns an answer that it was done; of a refusal with one of the codes in `done` it is taken for that."""
        if (client := self.clients.get(service)) is None:
            raise Refused(f"It is not set where {service} is, or how to get in.")
        try:
            headers = {"Authorization": f"Bearer {await self.credentials.token(tenant)}"}
            content = None if body is None else msgspec.json.encode(body)
            answer = await client.request(method, at, content=content, headers=headers | _JSON)
        except (httpx.HTTPError, NoToken, OSError) as error:
            raise Unanswered(f"{service} was not reached: {error or type(error).__name__}") from error
        if answer.is_success:
            return answer
        if answer.status_code not in _REFUSES or answer.status_code in BUSY:
            raise Unanswered(f"{service} answered {answer.status_code}.")
        problem = answer.json()
        if problem["code"] in done:
            return answer
        raise Refused(f"{service}: {_words(problem)}"[:_MOST_WORDS])


_JSON = {"Content-Type": "application/json"}


def _words(problem: Mapping[str, Any]) -> str:
    wrong = [f"{each['field']}: {each['rule']}" for each in problem.get("errors", ())]
    return "; ".join(wrong) or str(problem["detail"])
