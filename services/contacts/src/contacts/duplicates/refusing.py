"""What is created may be refused where it may be there already, if its sender asks for that."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from contacts.duplicates.finding import Alike, alike
from kith.error_codes import ErrorCode
from kith.errors import Conflict, DomainError
from kith.nouns.aggregate import Aggregate
from kith.nouns.inputs import Input, values_of
from kith.nouns.resource import Attempt, Check, Resource

_MOST_NAMED = 10


class OnDuplicate(StrEnum):
    """What becomes of a record that may be there already."""

    PROCEED = "proceed"
    """It is created, and listed with the others as a suspected pair."""
    REFUSE = "refuse"


def needed_to(on_duplicate: OnDuplicate) -> Sequence[str]:
    """Returns the verbs of the scopes that it takes. A refusal says that an address is known, and whose it is."""
    return ("read", "personal") if on_duplicate is OnDuplicate.REFUSE else ()


class PossibleDuplicate(Conflict):
    code = ErrorCode.POSSIBLE_DUPLICATE

    def __init__(self, words: str, found: Sequence[Alike]) -> None:
        ids = ", ".join(str(each.id) for each in found)
        super().__init__(f"It may be a {words} that is there already: {ids}. Send on_duplicate: proceed if it is not.")
        self.candidates = [
            {"id": str(each.id), "score": each.score, "reasons": [*map(str, each.reasons)]} for each in found
        ]


async def none_alike(
    connection: AsyncConnection,
    tenant: str,
    resource: Resource,
    asked: Sequence[Attempt],
    made: Callable[[Any], Aggregate],
) -> Check:
    """Returns the check that what is created is not there already, where its sender asks for it. `made` makes the
    record of an input."""
    records: dict[str, Aggregate] = {}
    for given in (given for given, _ in asked if _refuses(given)):
        with suppress(DomainError):  # its rule refuses it then, and says why
            records[_key(given)] = made(given)
    found = await alike(connection, tenant, resource, [*records.values()]) if records else []
    others = dict(zip(records, found, strict=True))
    if not others:
        return lambda *_: None

    def check(given: Input, _: Aggregate) -> None:
        if _refuses(given) and (known := others.get(_key(given))):
            raise PossibleDuplicate(resource.words, known[:_MOST_NAMED])

    return check


def _refuses(given: Input) -> bool:
    return OnDuplicate.REFUSE in values_of([given], "on_duplicate")


def _key(given: Input) -> str:
    """An input is completed between when it is looked up and when it is checked: with what it inherits, and with
    values of custom fields."""
    return given.model_dump_json(include=_COMPARED)


_COMPARED = {"kind", "name", "website", "email", "emails", "phone", "phones"}
