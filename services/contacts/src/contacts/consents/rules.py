"""Consent: what a contact allows us to send it, for which purpose and by which channel, and whether it may be sent."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, Self
from uuid import UUID

from kith.error_codes import ErrorCode
from kith.errors import Conflict, Invalid
from kith.events.consents import ConsentChanged
from kith.nouns.aggregate import CustomerOwned, NamesContact


class ConsentChannel(StrEnum):
    ANY = "any"
    EMAIL = "email"
    PHONE = "phone"
    SMS = "sms"
    CHAT = "chat"
    POST = "post"
    SOCIAL = "social"


class ConsentState(StrEnum):
    REQUESTED = "requested"
    """Asked for, and not confirmed yet: it allows nothing."""
    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


class ConsentNotRequested(Conflict):
    code = ErrorCode.CONSENT_NOT_REQUESTED


class ConsentNotGiven(Conflict):
    code = ErrorCode.CONSENT_NOT_GIVEN


class ConsentAlreadyGiven(Conflict):
    code = ErrorCode.CONSENT_ALREADY_GIVEN


@dataclass(kw_only=True, eq=False)
class Consent(CustomerOwned, NamesContact):
    """What a contact allows, for one purpose by one channel. There is one each; what is said later changes it."""

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    contact_id: UUID = field()
    purpose: str
    channel: ConsentChannel = ConsentChannel.ANY
    state: ConsentState
    separate: bool = False
    """Given by itself, and not with something else, as China's PIPL wants it for some purposes."""
    text_version: str | None = None
    """Of the text that the contact has read."""
    source: str | None = None
    """Where it was said: `checkout`."""
    requested_at: datetime | None = None
    given_at: datetime | None = None
    withdrawn_at: datetime | None = None
    refused_at: datetime | None = None
    expires_at: datetime | None = None
    """From then on it allows nothing."""
    token_hash: str | None = None
    """Of the token by which a request is confirmed."""
    proof: str | None = None

    @classmethod
    def record(
        cls,
        *,
        id: UUID,
        at: datetime,
        state: ConsentState,
        token: str | None = None,
        **fields: Any,
    ) -> tuple[Self, ConsentChanged]:
        it = cls(id=id, state=state, **fields)
        if token is not None and state is not ConsentState.REQUESTED:
            raise Invalid("A token confirms what is requested.", field="token")
        it._stand(state, at)
        it._ensure_lasts(at)
        it._keep(token)
        return it, ConsentChanged.of(it)

    def request(self, *, at: datetime, token: str | None, **said: Any) -> ConsentChanged:
        """It is asked for again. With a `token`, which you send to the contact, only who sends that back confirms
        it."""
        self._ensure_is_not_given(at)
        self._say(said, at)
        self._stand(ConsentState.REQUESTED, at)
        self._keep(token)
        return ConsentChanged.of(self)

    def confirm(self, *, at: datetime, token: str | None) -> ConsentChanged:
        """The contact confirmed what was requested: from now on it allows what it says. The token is that of the
        request, if it had one."""
        self.ensure_not_before_last_change(at)
        if self.state is not ConsentState.REQUESTED:
            raise ConsentNotRequested(f"Consent {self.id} is {self.state}: there is no request to confirm.")
        if self.token_hash is not None and not hmac.compare_digest(self.token_hash, self._hashed(token or "")):
            raise Invalid("It is not the token of the request.", field="token")
        self._ensure_lasts(at)
        self._stand(ConsentState.GIVEN, at)
        self._keep(None)
        return ConsentChanged.of(self)

    def give(self, *, at: datetime, **said: Any) -> ConsentChanged:
        """The contact gave it, now or once more. All that is said of it is what is sent here, but for the proof:
        without another one it stays."""
        self.ensure_not_before_last_change(at)
        self._say(said, at)
        self._stand(ConsentState.GIVEN, at)
        self._keep(None)
        return ConsentChanged.of(self)

    def withdraw(self, *, at: datetime, source: str | None) -> ConsentChanged:
        """The contact takes it back: from now on it allows nothing. What was sent before was allowed."""
        self.ensure_not_before_last_change(at)
        if self.state is not ConsentState.GIVEN:
            raise ConsentNotGiven(f"Consent {self.id} is {self.state}: there is nothing to withdraw.")
        self._stand(ConsentState.WITHDRAWN, at)
        self.source = source or self.source
        return ConsentChanged.of(self)

    def refuse(self, *, at: datetime, source: str | None) -> ConsentChanged:
        """The contact said no to what was requested."""
        self.ensure_not_before_last_change(at)
        if self.state is not ConsentState.REQUESTED:
            raise ConsentNotRequested(f"Consent {self.id} is {self.state}: there is no request to refuse.")
        self._stand(ConsentState.REFUSED, at)
        self.source = source or self.source
        self._keep(None)
        return ConsentChanged.of(self)

    def _ensure_is_not_given(self, at: datetime) -> None:
        self.ensure_not_before_last_change(at)
        if self.state is ConsentState.GIVEN and not is_expired(self, at):
            raise ConsentAlreadyGiven(f"Consent {self.id} is given already.")

    def _say(self, said: dict[str, Any], at: datetime) -> None:
        kept = {"proof": said.get("proof") or self.proof}
        vars(self).update(said | kept)
        self._ensure_lasts(at)

    def _ensure_lasts(self, at: datetime) -> None:
        if is_expired(self, at):
            raise Invalid("It expires after it is given.", field="expires_at")

    def _stand(self, state: ConsentState, at: datetime) -> None:
        self.state = state
        setattr(self, f"{state}_at", at)

    def _keep(self, token: str | None) -> None:
        self.token_hash = None if token is None else self._hashed(token)

    def _hashed(self, token: str) -> str:
        return hashlib.sha256(f"{self.id}/{token}".encode()).hexdigest()


class Expiring(Protocol):
    @property
    def expires_at(self) -> datetime | None: ...


def is_expired(consent: Expiring, at: datetime) -> bool:
    return consent.expires_at is not None and consent.expires_at <= at


class Standing(StrEnum):
    """How a consent stands at an instant."""

    REQUESTED = "requested"
    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    EXPIRED = "expired"


class Stands(Expiring, Protocol):
    """A consent as it was at an instant."""

    @property
    def state(self) -> ConsentState: ...


def standing(consent: Stands, at: datetime) -> Standing:
    if consent.state is ConsentState.GIVEN and is_expired(consent, at):
        return Standing.EXPIRED
    return Standing(consent.state)


class Because(StrEnum):
    """Why somebody may be contacted, or may not."""

    CONSENT_GIVEN = "consent-given"
    NO_CONSENT = "no-consent"
    CONSENT_REQUESTED = "consent-requested"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    CONSENT_REFUSED = "consent-refused"
    CONSENT_EXPIRED = "consent-expired"
    CONTACT_ARCHIVED = "contact-archived"
    CONTACT_ERASED = "contact-erased"


REASONS = {
    Because.CONSENT_GIVEN: "The contact has consented to it.",
    Because.NO_CONSENT: "The contact has never been asked for it.",
    Because.CONSENT_REQUESTED: "The contact was asked for it, and has not confirmed it.",
    Because.CONSENT_WITHDRAWN: "The contact has withdrawn its consent.",
    Because.CONSENT_REFUSED: "The contact has refused it.",
    Because.CONSENT_EXPIRED: "The consent has expired.",
    Because.CONTACT_ARCHIVED: "The contact is archived.",
    Because.CONTACT_ERASED: "The contact was erased.",
}
_BECAUSE = {
    Standing.REQUESTED: Because.CONSENT_REQUESTED,
    Standing.GIVEN: Because.CONSENT_GIVEN,
    Standing.WITHDRAWN: Because.CONSENT_WITHDRAWN,
    Standing.REFUSED: Because.CONSENT_REFUSED,
    Standing.EXPIRED: Because.CONSENT_EXPIRED,
}
_DECIDE = {Standing.GIVEN, Standing.WITHDRAWN, Standing.REFUSED}


class Said(NamedTuple):
    """What a contact has said for a purpose, of a channel or of any."""

    standing: Standing
    since: datetime
    id: UUID


class Verdict(NamedTuple):
    because: Because
    consent_id: UUID | None = None
    """The consent that decided."""

    @property
    def allowed(self) -> bool:
        return self.because is Because.CONSENT_GIVEN


def verdict(said: Iterable[Said]) -> Verdict:
    """Decides by what was said last, of the channel or of any channel. What is requested or expired decides nothing,
    where something else was said."""
    newest = sorted(said, key=lambda each: (each.since, each.id), reverse=True)
    if not newest:
        return Verdict(Because.NO_CONSENT)
    decisive = next((each for each in newest if each.standing in _DECIDE), newest[0])
    return Verdict(_BECAUSE[decisive.standing], decisive.id)
