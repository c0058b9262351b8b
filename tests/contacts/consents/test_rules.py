from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.consents.rules import (
    Because,
    Consent,
    ConsentAlreadyGiven,
    ConsentChannel,
    ConsentNotGiven,
    ConsentNotRequested,
    ConsentState,
    Said,
    Standing,
    standing,
    verdict,
)
from kith.errors import Invalid
from kith.ids import new_id

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LATER = DAY + timedelta(days=30)
TOKEN = "drawn-by-chance-01"
GIVEN, REQUESTED, REFUSED = ConsentState.GIVEN, ConsentState.REQUESTED, ConsentState.REFUSED


def recorded(state: ConsentState = GIVEN, **fields: Any) -> Consent:
    it, _ = Consent.record(
        id=new_id(), at=DAY, state=state, customer_id=new_id(), contact_id=new_id(), purpose="newsletter", **fields
    )
    it.updated_at = DAY
    return it


def test_a_request_is_confirmed_by_the_token_that_it_was_sent_with() -> None:
    it = recorded(REQUESTED, token=TOKEN)
    for wrong in (None, TOKEN[::-1]):
        with pytest.raises(Invalid) as refused:
            it.confirm(at=LATER, token=wrong)
        assert (refused.value.field, it.state) == ("token", REQUESTED)
    event = it.confirm(at=LATER, token=TOKEN)
    assert (event.state, it.given_at, it.requested_at) == ("given", LATER, DAY)
    with pytest.raises(ConsentNotRequested):
        it.confirm(at=LATER, token=TOKEN)


def test_the_token_is_not_kept_and_goes_with_one_request() -> None:
    it = recorded(REQUESTED, token=TOKEN)
    assert TOKEN not in str(vars(it))
    assert it.token_hash != recorded(REQUESTED, token=TOKEN).token_hash
    with pytest.raises(Invalid) as refused:
        recorded(GIVEN, token=TOKEN)
    assert refused.value.field == "token"


def test_what_is_withdrawn_may_be_requested_and_given_again() -> None:
    it = recorded(source="checkout")
    with pytest.raises(ConsentAlreadyGiven):
        it.request(at=DAY, token=None)
    assert it.withdraw(at=DAY, source="unsubscribe").source == "unsubscribe"
    with pytest.raises(ConsentNotGiven):
        it.withdraw(at=DAY, source=None)
    it.request(at=DAY, token=None)
    assert it.refuse(at=DAY, source=None).state == "refused"
    event = it.give(at=LATER, separate=True, text_version="2", source="phone", expires_at=None, proof="called us")
    assert (event.state, it.given_at, event.separate) == ("given", LATER, True)


def test_what_has_expired_may_be_requested_again() -> None:
    it = recorded(expires_at=LATER)
    assert (standing(it, DAY), standing(it, LATER)) == (Standing.GIVEN, Standing.EXPIRED)
    it.request(at=LATER, token=None, expires_at=None)
    assert it.state is REQUESTED


def test_it_expires_after_it_is_given() -> None:
    with pytest.raises(Invalid) as refused:
        recorded(expires_at=DAY)
    assert refused.value.field == "expires_at"
    with pytest.raises(Invalid):
        recorded(REQUESTED, expires_at=LATER).confirm(at=LATER, token=None)


def test_nothing_is_said_before_what_was_said_last() -> None:
    with pytest.raises(Invalid) as refused:
        recorded().withdraw(at=DAY - timedelta(seconds=1), source=None)
    assert refused.value.field == "occurred_at"


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ([], Because.NO_CONSENT),
        ([(Standing.GIVEN, 1)], Because.CONSENT_GIVEN),
        ([(Standing.REQUESTED, 1)], Because.CONSENT_REQUESTED),
        ([(Standing.EXPIRED, 1)], Because.CONSENT_EXPIRED),
        ([(Standing.GIVEN, 1), (Standing.WITHDRAWN, 2)], Because.CONSENT_WITHDRAWN),
        ([(Standing.WITHDRAWN, 1), (Standing.GIVEN, 2)], Because.CONSENT_GIVEN),
        ([(Standing.REFUSED, 1), (Standing.REQUESTED, 2)], Because.CONSENT_REFUSED),
        ([(Standing.GIVEN, 1), (Standing.EXPIRED, 2)], Because.CONSENT_GIVEN),
    ],
)
def test_what_was_said_last_decides(said: list[tuple[Standing, int]], because: Because) -> None:
    found = verdict(Said(each, DAY + timedelta(days=day), new_id()) for each, day in said)
    assert (found.because, found.allowed) == (because, because is Because.CONSENT_GIVEN)


def test_a_consent_is_for_any_channel_unless_it_says_which() -> None:
    assert recorded().channel is ConsentChannel.ANY
