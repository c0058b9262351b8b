"""What holds for every record of a person that can be erased."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from kith.error_codes import ErrorCode
from kith.errors import Conflict
from kith.nouns.aggregate import Aggregate


class AlreadyErased(Conflict):
    code = ErrorCode.ALREADY_ERASED

    def __init__(self, record: "Erasable") -> None:
        super().__init__(f"{type(record).__name__} {record.id} was erased.")


@dataclass(kw_only=True, eq=False)
class Erasable(Aggregate):
    """Base of the nouns whose records can be erased: what says who it is goes for good, and what happened with it
    stays, under its id."""

    PERSONAL: ClassVar[tuple[str, ...]]
    """The fields that say who it is."""

    erased_at: datetime | None = None

    def forget(self, at: datetime) -> None:
        self.ensure_not_erased()
        self.ensure_not_before_last_change(at)
        for name in self.PERSONAL:
            held = getattr(self, name)
            setattr(self, name, type(held)() if isinstance(held, list | dict) else None)
        self.erased_at = at

    def ensure_not_erased(self) -> None:
        """Raises AlreadyErased: nothing is written about it again."""
        if self.erased_at is not None:
            raise AlreadyErased(self)
