"""Where the content of attachments is wired together: for the worker, and for what an operator does."""

from functools import cache
from typing import cast

from contacts.attachments.form import attachments
from contacts.settings import ContactsSettings
from kith.attachments.store import Store
from kith.attachments.sweeping import sweeping
from kith.runtime.settings import Settings


@cache
def _store() -> Store | None:
    return ContactsSettings().attachments_store("contacts")


SWEEPING = sweeping(attachments, _store)


async def after_removal(settings: Settings, tenant: str) -> str:
    """Removes what the store has of a tenant. Returns what it did, in words."""
    store = cast("ContactsSettings", settings).attachments_store("contacts")
    if store is None:
        return "Nothing was removed from a store of attachments: none is set."
    try:
        await store.drop_all(tenant)
    finally:
        await store.close()
    return "Removed from the store: the content of all its attachments."
