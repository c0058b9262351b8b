"""A value that was corrected stays in the history alone; and of who was erased it is not in that, either."""

import asyncpg
from tests.conftest import FreshDatabase
from tests.kith.tenants.filled import tables_with

from contacts.service import SERVICE
from kith.ids import new_id
from kith.testing import Issuer, Tenant, serving


async def test_a_corrected_value_is_in_the_history_alone_until_the_person_is_erased(
    fresh_database: FreshDatabase, issuer: Issuer, tenant: str
) -> None:
    url = await fresh_database(SERVICE)
    owner = await asyncpg.connect(url)
    wrong, right = (f"ann{new_id().hex}" for _ in range(2))

    async def where(word: str) -> set[str]:
        return await tables_with(owner, word) | await tables_with(owner, word.encode().hex())

    async with serving(SERVICE, url, issuer) as client:
        mine = Tenant(client, issuer, tenant)
        customer = (await mine.made("/v1/customers", kind="person", name=f"{wrong} Gruber"))["id"]
        contact = await mine.made("/v1/contacts", customer_id=customer, name=wrong, email=f"{wrong}@graben.example")
        of_contact = {"contact_id": contact["id"], "purpose": "news", "state": "given"}
        consent = (await mine.made("/v1/consents", **of_contact, proof=f"Signed by {wrong}"))["id"]
        note = (await mine.made("/v1/notes", contact_id=contact["id"], body=f"{wrong} likes tea"))["id"]
        corrections = {
            f"customers/{customer}:amend": {"name": right},
            f"contacts/{contact['id']}:amend": {"name": right, "email": f"{right}@graben.example"},
            f"consents/{consent}:give": {"proof": f"Signed by {right}"},
            f"notes/{note}:amend": {"body": f"{right} likes tea"},
        }
        for path, body in corrections.items():
            assert (await mine.post(f"/v1/{path}", body)).status_code == 200, path
        assert await where(wrong) == {"public.history"}
        assert await where(right) >= {"public.history", "public.contacts", "public.notes", "public.search_entries"}
        for path in (f"notes/{note}", f"contacts/{contact['id']}", f"customers/{customer}"):
            assert (await mine.post(f"/v1/{path}:erase", {})).status_code == 200, path
        assert await where(wrong) | await where(right) == set()
    await owner.close()
