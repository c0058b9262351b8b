"""What a note is, and what becomes of it."""

from datetime import UTC, datetime, timedelta

import pytest

from contacts.notes.rules import Note
from kith.errors import NothingAmended
from kith.ids import new_id
from kith.nouns.aggregate import AlreadyErased

AT = datetime(2026, 3, 1, tzinfo=UTC)


def written(body: str = "Likes it strong.") -> Note:
    note, event = Note.write(id=new_id(), at=AT, actor="user:x", customer_id=new_id(), body=body, pinned=True)
    note.created_at = note.updated_at = AT
    assert not hasattr(event, "body")
    return note


def test_its_author_is_who_wrote_it() -> None:
    assert written().author == "user:x"


def test_what_is_amended_is_named_and_not_told() -> None:
    note = written()
    event = note.amend(at=AT, body="Likes it weak.", pinned=False)
    assert (note.body, note.pinned, event.changed, event.pinned) == ("Likes it weak.", False, ["body", "pinned"], False)
    with pytest.raises(NothingAmended):
        note.amend(at=AT, pinned=False)


def test_what_was_erased_is_gone_and_nothing_is_written_again() -> None:
    note = written()
    note.erase(at=AT + timedelta(days=1))
    assert (note.body, note.pinned) == (None, True)
    with pytest.raises(AlreadyErased):
        note.amend(at=AT + timedelta(days=2), body="Ann")
