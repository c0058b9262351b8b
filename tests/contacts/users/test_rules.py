"""Who a user is, and when it may do what."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contacts.users.rules import (
    User,
    UserAlreadyLinked,
    UserAlreadySuspended,
    UserNotInvited,
    UserNotSuspended,
    UserState,
)
from kith.errors import Invalid, NothingAmended
from kith.events.actors import user_id
from kith.ids import new_id
from kith.nouns.aggregate import AlreadyErased

AT = datetime(2026, 3, 1, tzinfo=UTC)
LATER = AT + timedelta(days=1)


def invited(subject: str | None = None) -> User:
    user, _ = User.invite(id=new_id(), at=AT, tenant="acme", subject=subject, name="Ann", email="ann@example.org")
    user.created_at = user.updated_at = AT
    return user


def active() -> User:
    user = invited("ann")
    user.activate(at=AT, tenant="acme", subject=None)
    return user


def test_an_invitation_says_by_which_actor_but_not_who_it_is() -> None:
    team, role = new_id(), new_id()
    user, event = User.invite(
        id=new_id(),
        at=AT,
        tenant="acme",
        subject="ann",
        name="Ann",
        email="ann@example.org",
        team_id=team,
        role_ids=[role],
    )
    assert (user.state, user.actor_id) == (UserState.INVITED, user_id("acme", "ann"))
    assert (event.state, event.actor_id, event.team_id, event.role_ids) == ("invited", user.actor_id, team, [role])
    assert not {"name", "email", "subject"} & set(event.__struct_fields__)


def test_an_invited_user_is_activated_once_and_linked() -> None:
    user = invited()
    with pytest.raises(Invalid, match="no subject yet"):
        user.activate(at=LATER, tenant="acme", subject=None)
    event = user.activate(at=LATER, tenant="acme", subject="ann")
    assert (event.state, event.actor_id) == ("active", user_id("acme", "ann"))
    with pytest.raises(UserNotInvited):
        user.activate(at=LATER, tenant="acme", subject="bob")


def test_another_subject_is_another_actor() -> None:
    user = active()
    with pytest.raises(UserAlreadyLinked):
        user.link(at=LATER, tenant="acme", subject="ann")
    assert user.link(at=LATER, tenant="acme", subject="google|ann").actor_id == user_id("acme", "google|ann")


def test_who_is_resumed_is_what_it_was() -> None:
    for user, before in ((active(), UserState.ACTIVE), (invited(), UserState.INVITED)):
        with pytest.raises(UserNotSuspended):
            user.resume(at=LATER)
        assert user.suspend(at=LATER).state == "suspended"
        with pytest.raises(UserAlreadySuspended):
            user.suspend(at=LATER)
        assert user.resume(at=LATER).state == before


def test_an_amendment_says_all_that_a_directory_keeps() -> None:
    user, role = active(), new_id()
    event = user.amend(at=LATER, role_ids=[role], name="Ann Lee")
    assert (event.changed, event.state, event.actor_id, event.role_ids) == (
        ["name", "role_ids"],
        "active",
        user_id("acme", "ann"),
        [role],
    )
    with pytest.raises(NothingAmended):
        user.amend(at=LATER, name="Ann Lee")


def test_an_erased_user_is_suspended_for_good_under_its_actor() -> None:
    user = active()
    user.team_id, user.role_ids = UUID(int=1), [UUID(int=2)]
    event = user.erase(at=LATER)
    assert [user.name, user.email, user.team_id, user.role_ids] == [None, None, None, []]
    assert (event.state, event.actor_id) == ("suspended", user_id("acme", "ann"))
    with pytest.raises(AlreadyErased):
        user.resume(at=LATER)
    with pytest.raises(AlreadyErased):
        user.link(at=LATER, tenant="acme", subject="bob")
