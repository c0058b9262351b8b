from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.field_definitions.rules import FieldDefinition, FieldWasRemoved
from kith.custom.field import FieldType
from kith.errors import Invalid, NothingAmended
from kith.ids import new_id
from kith.nouns.aggregate import RecordNotArchived

DAY = datetime(2026, 3, 1, tzinfo=UTC)
CHOICE = {"value_type": FieldType.CHOICE, "choices": ["north", "south"]}


def created(**fields: Any) -> FieldDefinition:
    given = {"of_noun": "customer", "code": "region", "label": "Region", "personal": None, **CHOICE, **fields}
    it, _ = FieldDefinition.create(id=new_id(), at=DAY, **given)
    it.updated_at = DAY
    return it


def test_an_amendment_says_what_changed_and_what_the_field_is() -> None:
    event = created().amend(at=DAY, required=True, label="Where")
    assert (event.changed, event.code, event.required) == (["label", "required"], "region", True)


def test_an_amendment_that_changes_nothing_is_refused() -> None:
    with pytest.raises(NothingAmended):
        created().amend(at=DAY, label="Region")


def test_it_is_not_amended_before_its_last_change() -> None:
    with pytest.raises(Invalid):
        created().amend(at=DAY - timedelta(seconds=1), label="Where")


def test_a_text_is_personal_unless_said_otherwise() -> None:
    text = {"value_type": FieldType.TEXT, "choices": []}
    assert created(**text).personal
    assert not created(**text, personal=False).personal
    assert not created().personal


def test_choices_are_added_and_none_is_taken_away() -> None:
    it = created()
    it.amend(at=DAY, choices=["east", "north", "south"])
    with pytest.raises(Invalid, match="Records may have north") as refused:
        it.amend(at=DAY, choices=["east", "south"])
    assert refused.value.field == "choices"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"choices": []}, "choices"),
        ({"value_type": FieldType.NUMBER}, "choices"),
        ({"value_type": FieldType.MONEY, "choices": []}, "currency"),
        ({"currency": "EUR"}, "currency"),
        ({"value_type": FieldType.LINK, "choices": []}, "links_to"),
        ({"value_type": FieldType.LINK, "choices": [], "links_to": "nobody"}, "links_to"),
        ({"unique": True}, "unique"),
        ({"default": "north", "personal": True}, "default"),
        ({"value_type": FieldType.NUMBER, "choices": [], "default": "1", "unique": True}, "default"),
    ],
)
def test_what_no_field_of_its_type_has_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        created(**fields)
    assert refused.value.field == field


def test_one_that_is_archived_is_restored_and_one_that_was_removed_is_gone() -> None:
    it = created()
    with pytest.raises(RecordNotArchived):
        it.restore(at=DAY)
    assert it.archive(at=DAY).archived_at == DAY
    it.restore(at=DAY)
    it.remove(at=DAY)
    with pytest.raises(FieldWasRemoved):
        it.restore(at=DAY)
