"""Whom silence concerns next, and when the data are to end for that to be at an instant we choose.

How long a silence lasts until it lowers the score follows from the customer's own events and the model. So some of the
set is sent to a tenant of its own first, and that one shows whose silence comes next: in any other tenant it is the
same, by as much sooner or later as the data end.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from kith_local.replay.api import Api
from kith_local.replay.commands import CUSTOMERS, Command, Mapped, Reference
from kith_local.replay.shift import last_of, move

SHARE = 10
"""Of so many customers, one is sent."""
AHEAD = timedelta(minutes=30)
"""By so much the data will end before now. Who sinks earlier than this after their end would have sunk already."""
BAND = "at_risk"


class Sinking(NamedTuple):
    """A customer whom silence alone puts at risk."""

    external_id: str
    after: timedelta
    """The end of the set."""

    def end_for(self, at: datetime) -> datetime:
        """When the set is to end, for it to be at `at`."""
        return at - self.after


def part_of(mapped: Mapped, end: datetime) -> Mapped:
    """Some of the customers with all that is theirs, moved as the whole set is that ends then."""
    chosen = {Reference(CUSTOMERS, each.external_id) for each in mapped.commands[CUSTOMERS][::SHARE]}
    part = Mapped(
        {noun: [each for each in commands if _whose(each) in chosen] for noun, commands in mapped.commands.items()}
    )
    move(part, end - last_of(mapped))
    return part


async def sinking_next(api: Api, end: datetime) -> Sinking | None:
    """The first of the tenant whose data end then; None while nobody is scored yet."""
    listed = (await api.get("analytics", f"/v1/health/upcoming?to={BAND}&first=500")).json()["items"]
    for each in listed:
        after = datetime.fromisoformat(each["due_at"]) - end
        if after >= AHEAD:
            customer = (await api.get("contacts", f"/v1/customers/{each['customer_id']}")).json()
            return Sinking(customer["external_id"], after)
    return None


def _whose(command: Command) -> object:
    """The customer that it is, or is of."""
    is_customer = command.noun == CUSTOMERS
    return Reference(CUSTOMERS, command.external_id) if is_customer else command.fields.get("customer_id")
