"""Lead form: a form of a web page, by which visitors become leads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from kith.errors import Invalid
from kith.events.leads import LeadFormAmended, LeadFormArchived, LeadFormCreated, LeadFormRestored
from kith.nouns.aggregate import Archivable

TAKEN = ("company", "country", "email", "name", "phone", "title")
"""The fields of a lead that a form may take, beside those that the tenant defines."""
_CUSTOM = re.compile(r"custom(_personal)?\.(.+)")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


@dataclass(kw_only=True, eq=False)
class LeadForm(Archivable):
    """A form of a web page, by which visitors become leads without signing in."""

    name: str
    origins: list[str] = field(default_factory=list)
    """Of the pages that have it: scheme, host, and port."""
    takes: list[str] = field(default_factory=list)
    """That it takes."""
    source: str | None = None
    campaign: str | None = None
    queue_id: UUID | None = None
    honeypot: str | None = None
    """A field that people do not see: whoever fills it in is none."""

    @classmethod
    def create(cls, *, id: UUID, at: datetime, **fields: Any) -> tuple[Self, LeadFormCreated]:
        it = cls(id=id, **fields)
        it._check()
        return it, LeadFormCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> LeadFormAmended:
        """Only the fields sent change; lists are sent whole."""
        self.ensure_not_before_last_change(at)
        changed = self.set(fields)
        self._check()
        return LeadFormAmended.of_changed(self, changed)

    def archive(self, *, at: datetime) -> LeadFormArchived:
        """It takes nothing until it is restored."""
        self.put_away(at)
        return LeadFormArchived()

    def restore(self, *, at: datetime) -> LeadFormRestored:
        """It takes leads again."""
        self.take_back(at)
        return LeadFormRestored()

    def lead_of(self, sent: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the body that captures the lead, of what was filled in; None: nobody has filled it in. Raises
        Invalid for a field that it does not take."""
        if self.honeypot is not None and sent.get(self.honeypot):
            return None
        body: dict[str, Any] = {"source": self.source, "campaign": self.campaign, "queue_id": self.queue_id}
        for name, value in sent.items():
            if name == self.honeypot or value in ("", None):
                continue
            if name not in self.takes:
                raise Invalid("The form does not take it.", field=name)
            if own := _CUSTOM.fullmatch(name):
                body.setdefault(f"custom{own[1] or ''}", {})[own[2]] = value
            else:
                body[name] = value
        return {name: value for name, value in body.items() if value is not None}

    def _check(self) -> None:
        """Raises Invalid."""
        for place, each in enumerate(self.origins):
            if not _ORIGIN.fullmatch(each):
                raise Invalid("It is scheme, host and port: https://example.com.", field=f"origins.{place}")
        for place, each in enumerate(self.takes):
            if each not in TAKEN and not _CUSTOM.fullmatch(each):
                rule = f"It is one of {', '.join(TAKEN)}, or a field of your own as custom.code."
                raise Invalid(rule, field=f"takes.{place}")
        if "name" not in self.takes:
            raise Invalid("It takes the name: a lead has one.", field="takes")
        if self.honeypot in self.takes:
            raise Invalid("It is none of the fields that people fill in.", field="honeypot")
