"""What visitors of a web page fill in becomes a lead. There is no token: whoever knows the address of the form may send
something.

Who asks is limited by address first, then by form, and a form has one submission in hand at a time: what one is flooded
with costs the others no more than it takes to say no. All of that is of one process. Of a form that is not there, is
archived, or is of no tenant, the same is said; of one that is there not what is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from prometheus_client import Counter
from pydantic import ValidationError
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request

from kith.db.connections import is_tenant
from kith.errors import DomainError, Invalid, NotFound, TenantRemoved
from kith.events import actors
from kith.http.answers import JSON
from kith.http.app import Context
from kith.http.bodies import check_size, declared_bytes, read_body
from kith.nouns.calls import By, Call
from kith.reach import EVERYONE
from kith.runtime.fairness import FairQueue, QueueFull, Rates
from sales.lead_forms.form import LEAD_FORMS, lead_forms
from sales.lead_forms.rules import LeadForm
from sales.leads.form import LEADS, CaptureLead

MAX_BODY = 16 * 1024
MOST_FIELDS = 100
FORM_ENCODED = "application/x-www-form-urlencoded"


class Result(StrEnum):
    ACCEPTED = "accepted"
    HONEYPOT = "honeypot"
    """It was answered as if it were accepted."""
    REFUSED = "refused"
    """Something in it is not right."""
    ORIGIN = "origin"
    """It came from a page that the form does not stand on."""
    UNKNOWN = "unknown"
    LIMITED = "limited"
    """There were too many, of the form or from the address."""
    FAILED = "failed"
    """By a fault of Kith."""


SUBMISSIONS = Counter(
    "kith_lead_form_submissions_total",
    "What visitors sent to web forms, by what became of it: `accepted`, a `honeypot` that was filled in, `refused`, "
    "from another `origin`, to an `unknown` form, `limited`, or `failed` by a fault",
    ["result"],
)
for each in Result:
    SUBMISSIONS.labels(each)


@dataclass(frozen=True)
class Door:
    """Of one process."""

    addresses: Rates = field(default_factory=lambda: Rates(0.5, 30))
    forms: Rates = field(default_factory=lambda: Rates(5.0, 50))
    slots: FairQueue = field(default_factory=lambda: FairQueue(4, waiting=20, seconds=5.0, share=1))

    def let_in(self, address: str, tenant: str, id: str) -> None:
        """Raises HTTPException (429)."""
        for allowance in (self.addresses.take(address), self.forms.take(f"{tenant}/{id}")):
            if not allowance.allowed:
                raise _too_many(allowance.retry)


def _too_many(retry: int) -> HTTPException:
    words = f"Too much was sent. Try again in {retry} s."
    return HTTPException(HTTPStatus.TOO_MANY_REQUESTS, words, {"Retry-After": str(retry)})


class OriginRefused(HTTPException):
    def __init__(self) -> None:
        super().__init__(HTTPStatus.FORBIDDEN, "The form does not stand on this page.")


async def form_of(context: Context, tenant: str, id: str) -> LeadForm:
    """Raises NotFound, with the same words whatever is missing."""
    try:
        known = UUID(id) if is_tenant(tenant) else None
    except ValueError:
        known = None
    c, found = lead_forms.c, None
    if known is not None:
        wanted = select(*(c[name] for name in LEAD_FORMS.attributes))
        its = (c.tenant_id == tenant, c.id == known, c.archived_at.is_(None))
        try:
            async with context.database.read(tenant) as connection:
                found = (await connection.execute(wanted.where(*its))).mappings().one_or_none()
        except TenantRemoved:
            pass
    if found is None:
        raise NotFound("There is no such form.")
    return LeadForm(**found)


async def submit(context: Context, door: Door, tenant: str, form: LeadForm, request: Request) -> Result:
    """Captures the lead that a request is about; what robots fill in is not kept. Raises one of REFUSALS."""
    if not may_send(form, request):
        raise OriginRefused
    body = form.lead_of(await _sent(request))
    if body is None:
        return Result.HONEYPOT
    given = CaptureLead.model_validate_json(msgspec.json.encode(body))
    try:
        async with door.slots.slot(f"{tenant}/{form.id}"):
            await context.commands.run_one(
                tenant, LEADS, Call(LEADS.create, given), by=By(actors.form(form.id), EVERYONE)
            )
    except (QueueFull, TimeoutError):
        raise _too_many(1) from None
    return Result.ACCEPTED


def may_send(form: LeadForm, request: Request) -> bool:
    """Whether its page is one that the form stands on. Who is no browser names none."""
    origin = request.headers.get("origin")
    return origin is None or origin in form.origins


def result_of(error: Exception) -> Result:
    if isinstance(error, OriginRefused):
        return Result.ORIGIN
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return Result.LIMITED
    return Result.UNKNOWN if isinstance(error, NotFound) else Result.REFUSED


REFUSALS = (HTTPException, DomainError, ValidationError)


async def _sent(request: Request) -> Mapping[str, Any]:
    """Returns the fields as they were filled in. Raises HTTPException and Invalid."""
    check_size(declared_bytes(request.headers) or 0, MAX_BODY)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, FORM_ENCODED):
        words = f"Send it with Content-Type: {JSON} or {FORM_ENCODED}."
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words, {"Accept": f"{JSON}, {FORM_ENCODED}"})
    content = await read_body(request.receive, MAX_BODY)
    try:
        if kind == JSON:
            found: Mapping[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        else:
            found = dict(parse_qsl(content.decode(), strict_parsing=True, max_num_fields=MOST_FIELDS))
    except (ValueError, msgspec.DecodeError):
        raise Invalid("It is an object of JSON, or a form in UTF-8.", field="body") from None
    return found
