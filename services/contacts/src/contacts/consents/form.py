"""The form of a consent: what can be done with it, its table, and how it is seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import TEXT, Boolean, Column, Index, select
from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.consents.rules import Consent, ConsentChannel, ConsentState
from contacts.contacts.form import contacts
from contacts.customers.form import of_known_customer
from contacts.tables import metadata
from kith.customers.links import survivors
from kith.customers.pointing import told_of
from kith.db.tables import ERASED_WITH, Moment, TenantId, aggregate_table, one_of, reference
from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, NewInput
from kith.nouns.resource import Attempt, Check, Command, Follows, One, Resource, View, personal
from kith.scalars import Code, Flag, Id, Instant, Note, Pattern

Token = Annotated[
    str, Pattern("[A-Za-z0-9_-]{16,128}", "It has 16 to 128 of A to Z, a to z, 0 to 9, _ and -, drawn at random.")
]
_TOKEN = Field(default=None, description="drawn at random and sent to the contact, who sends it back; it is not kept")


class ConsentAlreadyRecorded(Conflict):
    code = ErrorCode.CONSENT_ALREADY_RECORDED


class ContactWasErased(Conflict):
    code = ErrorCode.ALREADY_ERASED


class RecordConsent(NewInput):
    contact_id: Id
    purpose: Code = Field(description="what it is for, by a code of your own: `newsletter`")
    channel: ConsentChannel = ConsentChannel.ANY
    state: ConsentState
    token: Token | None = _TOKEN
    separate: Flag = Field(default=False, description="given by itself, and not with something else (PIPL)")
    text_version: Code | None = Field(default=None, description="of the text that the contact has read")
    source: Code | None = Field(default=None, description="where it was said: `checkout`")
    expires_at: Instant | None = None
    proof: Note | None = Field(default=None, description="what shows that it was said; it is erased with the contact")

    def fields(self) -> dict[str, Any]:
        # The customer is the contact's, and is not sent.
        return super().fields() | {"customer_id": vars(self).get("customer_id")}


class RequestConsent(Input):
    token: Token | None = _TOKEN
    separate: Flag = False
    text_version: Code | None = None
    source: Code | None = None
    expires_at: Instant | None = None
    proof: Note | None = None


class ConfirmConsent(Input):
    token: Token | None = Field(default=None, description="of the request, if it had one")


class GiveConsent(Input):
    separate: Flag = False
    text_version: Code | None = None
    source: Code | None = None
    expires_at: Instant | None = None
    proof: Note | None = None


class WithdrawConsent(Input):
    source: Code | None = None


class RefuseConsent(Input):
    source: Code | None = None


consents = of_known_customer(
    aggregate_table(
        "consents",
        metadata,
        *reference("contact_id", contacts),
        Column("purpose", TenantId, nullable=False),
        Column("channel", one_of(ConsentChannel), nullable=False),
        Column("state", one_of(ConsentState), nullable=False),
        Column("separate", Boolean, nullable=False),
        Column("text_version", TEXT),
        Column("source", TEXT),
        Column("requested_at", Moment),
        Column("given_at", Moment),
        Column("withdrawn_at", Moment),
        Column("refused_at", Moment),
        Column("expires_at", Moment),
        Column("token_hash", TEXT),
        Column("proof", TEXT, info={ERASED_WITH: "contact_id"}),
        customer_owned=True,
        told=("contact_id",),
        listed_by=("purpose", "state"),
    )
)
consents.c.contact_id.nullable = False
_TOLD = told_of(consents.c, "contact_id")
Index(
    "consents_one_of_each",
    *(consents.c.tenant_id, _TOLD, consents.c.purpose, consents.c.channel),
    unique=True,
)
_OF_ERASED = WithdrawConsent | RefuseConsent
"""What is still noted of a contact that was erased."""


async def can_be_so(connection: AsyncConnection, tenant: str, asked: Sequence[Attempt]) -> Check:
    """Returns the check that a contact has one consent each for a purpose and a channel, and was not erased."""
    new = {given.contact_id for given, _ in asked if isinstance(given, RecordConsent)}
    of = new | {record.contact_id for _, record in asked if isinstance(record, Consent)}
    of |= {*(await survivors(connection, tenant, contacts, of)).values()}
    t, c = contacts.c, consents.c
    # Locked, so that none is erased meanwhile: what proves it would come after.
    erased = select(t.id).where(t.tenant_id == tenant, t.id.in_(of), t.erased_at.is_not(None))
    locked = select(t.id).where(t.tenant_id == tenant, t.id.in_(of)).order_by(t.id).with_for_update(read=True)
    await connection.execute(locked)
    gone = set(await connection.scalars(erased))
    there = select(_TOLD, c.purpose, c.channel, c.id).where(c.tenant_id == tenant, _TOLD.in_(new))
    taken = {tuple(row)[:3]: row.id for row in await connection.execute(there)} if new else {}

    def check(given: Input, consent: Aggregate) -> None:
        assert isinstance(consent, Consent)
        if consent.contact_id in gone and not isinstance(given, _OF_ERASED):
            raise ContactWasErased(f"Contact {consent.contact_id} was erased.", field="contact_id")
        if isinstance(given, RecordConsent):
            # The contact that was told: who was two had one consent of each, and has two until they are separated.
            key = (consent.told_contact_id or consent.contact_id, consent.purpose, consent.channel)
            if key in taken:
                raise ConsentAlreadyRecorded(f"It is consent {taken[key]}: change that one.", field="purpose")
            taken[key] = consent.id

    return check


@dataclass(slots=True)
class ConsentView(View):
    customer_id: UUID
    contact_id: UUID
    purpose: str
    channel: ConsentChannel
    state: ConsentState
    separate: bool
    text_version: str | None
    source: str | None
    requested_at: datetime | None
    given_at: datetime | None
    withdrawn_at: datetime | None
    refused_at: datetime | None
    expires_at: datetime | None
    proof: str | None = personal()


CONSENTS = Resource(
    "consent",
    "consents",
    Consent,
    consents,
    ConsentView,
    (
        Command("record", RecordConsent, Consent.record),
        Command("request", RequestConsent, Consent.request),
        Command("confirm", ConfirmConsent, Consent.confirm),
        Command("give", GiveConsent, Consent.give),
        Command("withdraw", WithdrawConsent, Consent.withdraw),
        Command("refuse", RefuseConsent, Consent.refuse),
    ),
    filters=("customer_id", "contact_id", "purpose", "state"),
    follows={"contact_id": Follows(contacts.c.id, ("customer_id",))},
    relations=(One("customer", many="consents"), One("contact", many="consents")),
    checks=can_be_so,
)
