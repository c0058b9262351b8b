"""How events name users. They name them by their ids; events of before named them by a text of the tenant's, each of
which is a user now, whose id follows from the tenant and the text."""

import re
from hashlib import md5
from typing import Any
from uuid import UUID

FIELDS = frozenset({"owner", "assignee", "from_assignee"})
"""The fields that name a user, in events of any type."""
_IS_ID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def named_user(tenant: str, named: str) -> UUID:
    """Returns the id of the user that the tenant's record names, by its id or by a text. `kith.db.named_users` has the
    same in SQL."""
    if _IS_ID.fullmatch(named):
        return UUID(named)
    return UUID(md5(f"{tenant}:{named}".encode(), usedforsecurity=False).hexdigest())


def naming_by_id(tenant: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns the body of an event, as JSON has it, with users named by their ids."""
    named = {name: value for name in FIELDS if isinstance(value := body.get(name), str)}
    return body | {name: str(named_user(tenant, text)) for name, text in named.items()} if named else body
