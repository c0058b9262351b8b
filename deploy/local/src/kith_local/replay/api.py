"""Kith's public REST API, as any partner system would call it: with a token, and patience."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

import httpx

from kith_local.errors import LocalError

# 5xx too, not 503 alone: what is sent here may be sent twice, and a restart shows in more than one way.
RETRIED = frozenset({429, 500, 502, 503, 504})
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 3.0


class ApiError(LocalError):
    """The API refused a whole request, or did not answer for too long."""


class Api:
    def __init__(self, http: httpx.AsyncClient, urls: Mapping[str, str], token: str, *, patience: float = 60) -> None:
        """`patience`: for how many seconds a request is tried again."""
        self._http = http
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {token}"}
        self._patience = patience

    async def post(self, service: str, path: str, body: Any) -> httpx.Response:
        return await self._request("POST", service, path, json=body)

    async def get(self, service: str, path: str) -> httpx.Response:
        return await self._request("GET", service, path)

    async def _request(self, method: str, service: str, path: str, **more: Any) -> httpx.Response:
        """Raises ApiError if it is refused, or fails for longer than patience lasts."""
        url = f"{self._urls[service]}{path}"
        give_up_at = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                answer = await self._http.request(method, url, headers=self._headers, **more)
            except httpx.TransportError as error:
                reason = f"{type(error).__name__} {error}".strip()
            else:
                if answer.is_success:
                    return answer
                reason = _reason(answer)
                if answer.status_code not in RETRIED:
                    raise ApiError(f"{method} {url} was refused: {reason}")
            if time.monotonic() + pause > give_up_at:
                raise ApiError(f"{method} {url} failed for {self._patience:.0f} s, the last time with: {reason}")
            # Jitter: requests that were refused together do not come back together.
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            pause = min(pause * 2, LONGEST_PAUSE)


def _reason(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        errors = "; ".join(f"{each['field']}: {each['rule']}" for each in problem.get("errors", ()))
        return f"{answer.status_code} {problem['detail']} {errors}".strip()
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{answer.status_code} {answer.text[:200]}"
