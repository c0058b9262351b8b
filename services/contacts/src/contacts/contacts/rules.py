"""Contact: a person at a customer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, ClassVar, Self
from uuid import UUID

from contacts.merging import rules as merging
from contacts.merging.rules import Mergeable
from contacts.touchpoints.rules import Channel
from contacts.values import (
    ContactRole,
    EmailAddress,
    PhoneNumber,
    PostalAddress,
    PreferredTime,
    at_own_customer,
    each_once,
    primary_of,
    with_one_primary,
    with_primary,
)
from kith.error_codes import ErrorCode
from kith.errors import Invalid
from kith.events.contacts import (
    ContactAmended,
    ContactArchived,
    ContactCreated,
    ContactEmailBounced,
    ContactEmailVerified,
    ContactErased,
    ContactMerged,
    ContactRestored,
    ContactUnmerged,
)
from kith.nouns.aggregate import CustomerOwned, Customisable


class MergedContactField(StrEnum):
    """A field that the contact that remains may take from the one that is merged into it."""

    NAME = "name"
    SALUTATION = "salutation"
    TITLE = "title"
    COUNTRY = "country"
    PREFERRED_CHANNEL = "preferred_channel"
    PREFERRED_TIMES = "preferred_times"
    LANGUAGE = "language"
    TIME_ZONE = "time_zone"


class ContactMergedAlready(merging.Merged):
    code = ErrorCode.CONTACT_MERGED


def _in_any_case(email: EmailAddress) -> str:
    return email.address.casefold()


def _where(address: PostalAddress) -> PostalAddress:
    return replace(address, primary=False)


def _what_at_whom(role: ContactRole) -> tuple[UUID, str | None]:
    return role.customer_id, role.role


@dataclass(kw_only=True, eq=False)
class Contact(Mergeable, Customisable, CustomerOwned):
    """A person at a customer."""

    PERSONAL = (
        "name",
        "salutation",
        "title",
        "email",
        "phone",
        "country",
        "emails",
        "phones",
        "addresses",
        "preferred_channel",
        "preferred_times",
        "language",
        "time_zone",
        "custom_personal",
    )
    SINGLE = tuple(MergedContactField)
    UNITED: ClassVar = {
        "emails": _in_any_case,
        "phones": attrgetter("number"),
        "addresses": _where,
        "roles": _what_at_whom,
    }
    MOST: ClassVar = {"emails": 20, "phones": 20, "addresses": 20, "roles": 50}
    MERGED = ContactMergedAlready

    customer_id: UUID = field()  # not optional here, and so without the default it would inherit
    name: str | None
    """None: it was erased."""
    email: str | None = None
    """The primary one of `emails`."""
    phone: str | None = None
    """The primary one of `phones`, as it was written."""
    role: str | None = None
    """At its customer: of the primary one of `roles`."""
    salutation: str | None = None
    title: str | None = None
    """Of the job."""
    country: str | None = None
    """Where numbers without the code of a country are dialled."""
    emails: list[EmailAddress] = field(default_factory=list)
    phones: list[PhoneNumber] = field(default_factory=list)
    addresses: list[PostalAddress] = field(default_factory=list)
    roles: list[ContactRole] = field(default_factory=list)
    """At its customer, and at others."""
    preferred_channel: Channel | None = None
    preferred_times: list[PreferredTime] = field(default_factory=list)
    language: str | None = None
    time_zone: str | None = None

    @classmethod
    def create(
        cls, *, id: UUID, at: datetime, customer_id: UUID, name: str, **fields: Any
    ) -> tuple[Self, ContactCreated]:
        it = cls(id=id, customer_id=customer_id, name=name)
        it.roles = [ContactRole(customer_id=customer_id, primary=True)]
        vars(it).update(it._agreed({name: value for name, value in fields.items() if value}))
        return it, ContactCreated.of(it)

    def amend(self, *, at: datetime, **fields: Any) -> ContactAmended:
        """Only the fields sent change; one sent as null is cleared. A list is sent whole."""
        self._ensure_may_change(at)
        return ContactAmended.of_changed(self, self.set(self._agreed(fields)))

    def verify(self, *, at: datetime, email: str) -> ContactEmailVerified:
        """The owner of an address confirmed it, by answering a mail to it for instance."""
        self._ensure_may_change(at)
        self._replace_email(self._email(email).verified(at))
        return ContactEmailVerified.of(self)

    def bounce(self, *, at: datetime, email: str, reason: str | None) -> ContactEmailBounced:
        """Mail to an address came back for good. `reason` is the mail system's: `5.1.1`."""
        self._ensure_may_change(at)
        self._replace_email(self._email(email).bounced(at))
        return ContactEmailBounced.of(self, reason=reason)

    def archive(self, *, at: datetime) -> ContactArchived:
        """It is left out of lists, and is not changed until it is restored. What happened stays counted."""
        self.put_away(at)
        return ContactArchived()

    def restore(self, *, at: datetime) -> ContactRestored:
        """It is in lists again, as it was."""
        self.take_back(at)
        return ContactRestored()

    def erase(self, *, at: datetime, actor: str) -> ContactErased:
        """Name, addresses and numbers go for good. Contacts that were merged into it go with it."""
        self.ensure_erasable_by(actor)
        self.forget(at)
        self.forget_taken()
        return ContactErased()

    def merge(
        self,
        *,
        at: datetime,
        into: UUID,
        take: Collection[MergedContactField],
        other: Self,
        shared: Collection[str] = (),
    ) -> tuple[ContactMerged, ContactAmended | None]:
        """Into another contact, which remains: from now on both are that one. It takes the fields that it lacks, and
        those that `take` names; addresses, numbers and roles are united; of unique custom fields each keeps its own
        value. `:unmerge` undoes it."""
        changed = self.merge_into(other, at, take, shared)
        return ContactMerged(into=into), ContactAmended.of_changed(other, changed) if changed else None

    def unmerge(self, *, at: datetime, other: Self | None = None) -> tuple[ContactUnmerged, ContactAmended | None]:
        """It stands for itself again, with all that it was told, and all that was told of it since. The contact that it
        was merged into gives back what it took, where that was not changed since."""
        changed = self.separate_from(other, at)
        assert other is not None  # or it has refused
        return ContactUnmerged(out_of=other.id), ContactAmended.of_changed(other, changed) if changed else None

    def settled(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        lists = dict(fields)
        if "roles" in lists:
            lists["roles"] = self._telling(lists["roles"])
        return self._agreed(lists)

    def _telling(self, roles: Sequence[ContactRole]) -> list[ContactRole]:
        """Returns the roles without those that say nothing but the customer, where another one says what it is there;
        and with its own customer, where alone a role is primary."""
        told = {each.customer_id for each in roles if each.role is not None}
        found = [each for each in roles if each.customer_id not in told or each.role or each.since or each.until]
        found = [replace(each, primary=each.primary and each.customer_id in self._own) for each in found]
        if any(each.customer_id in self._own for each in found):
            return found
        return [ContactRole(customer_id=self._own[0], primary=True), *found]

    @property
    def _own(self) -> Sequence[UUID]:
        """The ids of its customer, which has two when it is merged."""
        told = self.told_customer_id
        return [self.customer_id] if told is None else [told, self.customer_id]

    def _ensure_may_change(self, at: datetime) -> None:
        self.ensure_not_erased()
        self.ensure_not_merged()
        self.ensure_not_before_last_change(at)

    def _agreed(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields that were sent, each list with its primary one, and the single fields as that says."""
        fields = dict(sent)
        if "addresses" in fields:
            fields["addresses"] = with_one_primary(fields["addresses"], "addresses")
        roles = self._roles(fields)
        if roles is not None:
            fields |= {"roles": roles, "role": next(each.role for each in roles if each.primary)}
        for index, each in enumerate(fields.get("preferred_times", ())):
            if each.ends <= each.begins:
                raise Invalid("It ends after it begins, on the same day.", field=f"preferred_times.{index}.ends")
        emails = self._emails(fields)
        if emails is not None:
            primary = primary_of(emails)
            fields |= {"emails": emails, "email": primary and primary.address}
        phones = self._phones(fields)
        if phones is not None:
            main = primary_of(phones)
            fields |= {"phones": phones, "phone": main and main.shown}
        return fields

    def _emails(self, sent: Mapping[str, Any]) -> list[EmailAddress] | None:
        """Returns the addresses as they are then, if any were sent."""
        if "emails" in sent:
            each_once(sent["emails"], "emails", "address")
            return with_one_primary(sent["emails"], "emails")
        if "email" in sent:
            address = sent["email"]
            new = None if address is None else EmailAddress(address=address, primary=True)
            return with_primary(self.emails, new, "address")
        return None

    def _phones(self, sent: Mapping[str, Any]) -> list[PhoneNumber] | None:
        """Returns the numbers as they are then, if any were sent."""
        country = self._country(sent)
        if "phones" in sent:
            read = [self._read(each, country, f"phones.{index}.number") for index, each in enumerate(sent["phones"])]
            each_once(read, "phones", "number")
            return with_one_primary(read, "phones")
        if "phone" in sent:
            number = sent["phone"]
            if number is not None and number == self.phone:
                return self.phones
            new = None if number is None else PhoneNumber(number=number, primary=True).read(country, field="phone")
            return with_primary(self.phones, new, "number")
        return None

    def _roles(self, sent: Mapping[str, Any]) -> list[ContactRole] | None:
        """Returns the roles as they are then, if any were sent: one is primary, at the contact's own customer."""
        if "roles" in sent:
            return at_own_customer(sent["roles"], self._own, self.role)
        if "role" in sent:
            own = primary_of(self.roles) or ContactRole(customer_id=self._own[0], primary=True)
            return [replace(own, role=sent["role"]), *(each for each in self.roles if not each.primary)]
        return None

    def _read(self, sent: PhoneNumber, country: str | None, field: str) -> PhoneNumber:
        # One that was there before numbers were read is sent back as it is.
        return sent if sent in self.phones else sent.read(country, field=field)

    def _country(self, sent: Mapping[str, Any]) -> str | None:
        """Returns the country in which numbers are dialled, if one is known: the contact's, or that of its address."""
        addresses: Sequence[PostalAddress] = sent.get("addresses", self.addresses)
        address = primary_of(addresses) or next(iter(addresses), None)
        own: str | None = sent.get("country", self.country)
        return own or (None if address is None else address.country)

    def _email(self, address: str) -> EmailAddress:
        found = next((each for each in self.emails if each.address == address), None)
        if found is None:
            raise Invalid("The contact has no such address.", field="email")
        return found

    def _replace_email(self, new: EmailAddress) -> None:
        self.emails = [new if each.address == new.address else each for each in self.emails]
