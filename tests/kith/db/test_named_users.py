"""A record of before names a user by a text, one of today by its id: to all they are the same user."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.conftest import FreshDatabase

from contacts.service import SERVICE
from kith.events.catalogue import decode
from kith.events.contacts import CustomerAmended
from kith.events.envelope import Envelope
from kith.events.named_users import named_user
from kith.ids import new_id

Database = Any
"""A connection."""
ID = "019ca000-0000-7000-8000-00000000000A"
ROW = "(tenant_id, id, version, created_at, updated_at, kind, name, tags"


@pytest.fixture
async def contacts(fresh_database: FreshDatabase) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(await fresh_database(SERVICE))
    await connection.execute("SET ROLE kith_worker")
    yield connection
    await connection.close()


async def customer(contacts: Database, **owner: object) -> Any:
    """As code writes it that knows only one of the two columns."""
    (name, value), id = *owner.items(), new_id()
    values = "($1, $2, 1, now(), now(), 'person', 'Ida', '{}', $3)"
    await contacts.execute(f"INSERT INTO customers {ROW}, {name}) VALUES {values}", "acme", id, value)  # noqa: S608 - of this test
    return id


async def owners(contacts: Database, id: object) -> tuple[str | None, Any]:
    (row,) = await contacts.fetch("SELECT owner, owner_id FROM customers WHERE id = $1", id)
    return row["owner"], row["owner_id"]


@pytest.mark.parametrize("text", ["ann", "Ann", "", "Größe: 食品", "a'b", ID, ID.lower(), ID.replace("-", "")])
async def test_a_text_is_the_same_user_in_sql_and_in_python(contacts: Database, text: str) -> None:
    found = await contacts.fetchval("SELECT named_user('acme', $1)", text)
    assert found == named_user("acme", text)
    assert (str(found) == ID.lower()) is (text.lower() == ID.lower())
    assert (found == named_user("other", text)) is (text.lower() == ID.lower())


async def test_what_code_of_before_writes_is_of_a_user_who_was_invited_by_nobody(
    contacts: Database,
) -> None:
    ann, bob = named_user("acme", "ann"), named_user("acme", "bob")
    one, other = await customer(contacts, owner="ann"), await customer(contacts, owner="ann")
    assert await owners(contacts, one) == await owners(contacts, other) == ("ann", ann)
    await contacts.execute("UPDATE customers SET owner = 'bob' WHERE id = $1", one)
    assert await owners(contacts, one) == ("bob", bob)
    await contacts.execute("UPDATE customers SET owner = NULL WHERE id = $1", one)
    assert await owners(contacts, one) == (None, None)
    users = await contacts.fetch("SELECT id, name, external_id, state, actor_id FROM users ORDER BY name")
    assert [tuple(each) for each in users] == [
        (ann, "ann", "ann", "invited", None), (bob, "bob", "bob", "invited", None),
    ]  # fmt: skip
    published = await contacts.fetch("SELECT subject, aggregate_version, data FROM outbox ORDER BY seq")
    assert [tuple(each) for each in published] == [(each, 1, b'{"state":"invited"}') for each in (ann, bob)]


async def test_code_of_before_reads_what_code_of_today_writes(contacts: Database) -> None:
    ann = await contacts.fetchval("SELECT user_of_before('acme', 'ann')")
    bob = await contacts.fetchval("SELECT user_of_before('acme', 'bob')")
    id = await customer(contacts, owner_id=ann)
    assert await owners(contacts, id) == (str(ann), ann)
    await contacts.execute("UPDATE customers SET owner_id = $2 WHERE id = $1", id, bob)
    assert await owners(contacts, id) == (str(bob), bob)
    await contacts.execute("UPDATE customers SET owner_id = NULL WHERE id = $1", id)
    assert await owners(contacts, id) == (None, None)


async def test_a_name_that_another_user_has_as_external_id_is_a_user_all_the_same(
    contacts: Database,
) -> None:
    await contacts.execute(
        "INSERT INTO users (tenant_id, id, external_id, version, created_at, updated_at, name, state, role_ids) "
        "VALUES ('acme', $1, 'ann', 1, now(), now(), 'Ann Berg', 'invited', '{}')", new_id(),
    )  # fmt: skip
    id = await customer(contacts, owner="ann")
    assert await owners(contacts, id) == ("ann", named_user("acme", "ann"))
    assert await contacts.fetchval("SELECT count(*) FROM users WHERE name = 'ann' AND external_id IS NULL") == 1


def test_an_event_of_before_names_the_same_user() -> None:
    for said, meant in (("ann", named_user("acme", "ann")), (ID, named_user("acme", ID))):
        now = datetime.now(UTC)
        body = msgspec.json.encode({"changed": ["owner"], "owner": said})
        envelope = Envelope(
            id=new_id(), source="contacts", type=CustomerAmended.type, subject=new_id(), time=now, tenant_id="acme",
            customer_id=None, aggregate_version=2, recorded_at=now, traceparent=None, data=body,
        )  # fmt: skip
        assert decode(envelope, CustomerAmended).owner_id == meant
