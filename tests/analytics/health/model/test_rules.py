"""What a health model goes through from its first draft to its end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics.health.model.rules import (
    HealthModel,
    HealthModelRetiredAlready,
    HealthModelState,
    NothingToPublish,
)
from analytics.pulses.rules import Pulse
from kith.errors import Invalid, NothingAmended
from kith.ids import new_id

DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def document(title: str = "Retail") -> dict[str, Any]:
    return {"title": title, "measures": []}


@pytest.fixture
def model() -> HealthModel:
    model, _ = HealthModel.draft(id=new_id(), at=BEGIN, document=document())
    model.created_at = model.updated_at = BEGIN
    return model


def test_a_draft_scores_nobody_until_it_is_published(model: HealthModel) -> None:
    assert (model.state, model.number, model.published_document) == (HealthModelState.DRAFT, 0, None)
    event = model.publish(at=BEGIN + DAY)
    assert (event.number, event.document) == (1, document())
    assert (model.state, model.published_at) == (HealthModelState.PUBLISHED, BEGIN + DAY)
    assert (model.published_document, model.draft_document) == (document(), None)


def test_what_is_published_stays_in_force_while_it_is_revised(model: HealthModel) -> None:
    model.publish(at=BEGIN)
    model.revise(at=BEGIN, document=document("Shops"))
    assert (model.state, model.title) == (HealthModelState.REVISED, "Shops")
    assert (model.published_document, model.number) == (document(), 1)
    assert model.publish(at=BEGIN).number == 2
    assert model.published_document == document("Shops")


def test_revised_back_to_what_is_in_force_there_is_nothing_to_publish(model: HealthModel) -> None:
    model.publish(at=BEGIN)
    model.revise(at=BEGIN, document=document("Shops"))
    model.revise(at=BEGIN, document=document())
    assert (model.state, model.draft_document, model.title) == (HealthModelState.PUBLISHED, None, "Retail")
    with pytest.raises(NothingToPublish, match="no draft newer than its number 1"):
        model.publish(at=BEGIN)


def test_the_same_document_again_is_no_revision(model: HealthModel) -> None:
    with pytest.raises(NothingAmended):
        model.revise(at=BEGIN, document=document())
    model.publish(at=BEGIN)
    with pytest.raises(NothingAmended):
        model.revise(at=BEGIN, document=document())


def test_a_retired_model_stays_retired(model: HealthModel) -> None:
    model.publish(at=BEGIN)
    model.retire(at=BEGIN)
    for again in (
        lambda: model.publish(at=BEGIN),
        lambda: model.revise(at=BEGIN, document=document("Shops")),
        lambda: model.retire(at=BEGIN),
    ):
        with pytest.raises(HealthModelRetiredAlready):
            again()


def test_its_history_is_published_in_order(model: HealthModel) -> None:
    with pytest.raises(Invalid) as refusal:
        model.publish(at=BEGIN - DAY)
    assert refusal.value.field == "occurred_at"


def test_a_pulse_holds_for_ninety_days_unless_said_otherwise() -> None:
    given: dict[str, Any] = {"id": new_id(), "at": BEGIN, "customer_id": new_id(), "score": 80, "note": "They moved."}
    pulse, event = Pulse.set_by_hand(expires_at=None, **given)
    assert pulse.expires_at == event.expires_at == BEGIN + 90 * DAY
    assert Pulse.set_by_hand(expires_at=BEGIN + DAY, **given)[1].expires_at == BEGIN + DAY
    with pytest.raises(Invalid) as refusal:
        Pulse.set_by_hand(expires_at=BEGIN, **given)
    assert refusal.value.field == "expires_at"
