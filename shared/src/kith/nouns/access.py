"""Whose records of a noun an actor reads and changes.

Records that are somebody's (kith.db.owned) are read and changed by narrow scopes as well, as far as those reach. What
is nobody's needs the whole scope, but for reading reference data (Form.reference_data).
"""

from kith.db.owned import ownership
from kith.http.auth import Actor
from kith.http.scopes import Width, width_of
from kith.nouns.resource import Resource
from kith.reach import EVERYONE, Reach


def reach_to_read(actor: Actor, service: str, resource: Resource) -> Reach:
    """Returns whose records it reads. Raises Forbidden."""
    scope = f"{service}:read"
    if ownership(resource.table) is None and not resource.reference_data:
        actor.require(scope)
    return actor.reach(scope)


def reach_to_write(actor: Actor, service: str, resource: Resource) -> Reach:
    """Returns whose records it changes: none that it does not read, where it reads any, as the answer shows them.
    Raises Forbidden."""
    scope, reads = f"{service}:{resource.write_verb}", f"{service}:read"
    if ownership(resource.table) is None:
        actor.require(scope)
        return EVERYONE
    by_reading = width_of(reads, actor.scopes)
    narrower = reads if Width.NONE < by_reading < width_of(scope, actor.scopes) else scope
    return actor.reach(narrower)
