"""What an import is to do: which column is which field, by what a record is recognised, what becomes of it.

A target is a field of the noun's inputs (`name`), a part of a value in a list (`emails.address`, `emails.1.address`), a
custom field (`custom.region`), the record of a relation by its external id (`parent.external_id`), or the record itself
(`id`, `external_id`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from kith.custom.field import CustomField, FieldType
from kith.custom.reading import keys_of, read, read_text
from kith.errors import Invalid
from kith.imports.content import DELIMITERS, MOST_COLUMNS, Format
from kith.nouns.formulas import restored
from kith.nouns.inputs import CUSTOM, Amendment
from kith.nouns.resource import Command, One, Resource
from kith.scalars import Code, Flag, Id, Text
from kith.values import part_types, value_in

ID, EXTERNAL_ID = "id", "external_id"
OWN = (ID, EXTERNAL_ID)
MOST_VALUES = 20
"""Of one list."""


class CreateImport(BaseModel):
    """What is to be imported, and how. The file is sent afterwards: `PUT /v1/imports/{id}/content`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    noun: Code = Field(description="in the singular: `customer`")
    format: Code = Field(default="csv", description="`csv` or `ndjson`")
    delimiter: Code | None = Field(
        default=None,
        description="of CSV: `comma`, `semicolon`, `tab` or `bar`; by default the one that makes most columns of the "
        "first row",
    )
    mapping: dict[Text, Text | None] | None = Field(
        default=None,
        max_length=MOST_COLUMNS,
        description="the target of each column by its name; by default as with the last file that had these columns, "
        "or else by their names. A column without a target is left out",
    )
    match_by: Text = Field(
        default=EXTERNAL_ID,
        description="the target by which a record is recognised: `external_id`, `id`, a field that lists are filtered "
        "by, or a custom field that is unique",
    )
    mode: Code = Field(default="upsert", description="`create`, `update` or `upsert`, which does either")
    on_duplicate: Code = Field(
        default="skip", description="what `create` does with a row whose record is there: `skip` or `fail`"
    )
    blanks: Code = Field(
        default="keep", description="what an empty cell does to the field of a record that is there: `keep` or `clear`"
    )
    dry_run: Flag = Field(default=False, description="whether to say only what would be done; `:apply` then does it")


_CHOICES = {
    "format": tuple(Format),
    "mode": ("create", "update", "upsert"),
    "on_duplicate": ("skip", "fail"),
    "blanks": ("keep", "clear"),
}


def checked(given: CreateImport, resources: Mapping[str, Resource]) -> Resource:
    """Returns the noun. Raises Invalid."""
    choices = {"noun": tuple(resources), **_CHOICES}
    for name, allowed in choices.items():
        if getattr(given, name) not in allowed:
            raise Invalid(f"It is one of {', '.join(allowed)}.", field=name)
    if given.delimiter is not None and given.delimiter not in DELIMITERS:
        raise Invalid(f"It is one of {', '.join(DELIMITERS)}.", field="delimiter")
    resource = resources[given.noun]
    targets = Targets(resource)
    for column, target in (given.mapping or {}).items():
        if target is not None:
            targets.check(target, f"mapping.{column}")
    targets.check_key(given.match_by)
    return resource


def is_personal(target: str, resource: Resource, fields: Mapping[str, CustomField]) -> bool:
    """Whether a field, or one of the tenant's custom fields, is shown by the scope for personal data alone."""
    head, _, code = target.partition(".")
    held = fields[code].held_in if head in CUSTOM and code in fields else head
    return held in resource.personal_fields


REPORTED = ("import_row", "import_field", "import_reason")
"""The columns that a file of refused rows has behind those that were sent."""


def fingerprint_of(columns: Iterable[str]) -> str:
    """Of the columns of a file, in whatever order. A file of refused rows has that of the file that was sent."""
    sent = sorted(each.casefold() for each in columns if each not in REPORTED)
    return blake2b("\n".join(sent).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Targets:
    """What the columns of a file may be mapped to."""

    resource: Resource

    @property
    def create(self) -> Command:
        return self.resource.create

    @cached_property
    def amend(self) -> Command | None:
        """The command that updates, if there is one."""
        return next((each for each in self.resource.changes if issubclass(each.input, Amendment)), None)

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """The fields of both inputs, each with its scalar."""
        inputs = [self.create.input, *([self.amend.input] if self.amend else [])]
        return {
            name: hint
            for each in inputs
            for name, hint in get_type_hints(each, include_extras=True).items()
            if name in each.model_fields
        }

    @cached_property
    def relations(self) -> Mapping[str, One]:
        """Those to records of this service, by their names."""
        named = self.resource.references
        return {
            each.name: each for each in self.resource.relations if each.column in named and each.column in self.hints
        }

    def check(self, target: str, field: str) -> None:
        """Raises Invalid."""
        head, _, rest = target.partition(".")
        if target in OWN or (target in self.hints and target not in CUSTOM):
            return
        if head in CUSTOM and rest and self.resource.is_customisable:
            return  # by the tenant's definitions, which may change until it runs
        if head in self.relations and rest == EXTERNAL_ID:
            return
        if (kind := value_in(self.hints.get(head))) is not None:
            number, _, part = rest.partition(".") if rest[:1].isdigit() else ("0", "", rest)
            if number.isdecimal() and int(number) < MOST_VALUES and part in part_types(kind):
                return
        raise Invalid(f"There is no target {target!r}. There are: {', '.join(self.all)}.", field=field)

    def check_key(self, target: str) -> None:
        if target in OWN or (target in self.resource.filters and target in self.hints):
            return
        if target.partition(".")[0] in CUSTOM and "." in target and self.resource.is_customisable:
            return
        keys = [*OWN, *(each for each in self.resource.filters if each in self.hints)]
        if self.resource.is_customisable:
            keys.append("custom.<code>")
        raise Invalid(f"It is one of {', '.join(keys)}.", field="match_by")

    @cached_property
    def all(self) -> list[str]:
        found = [*OWN]
        for name, hint in self.hints.items():
            if name in CUSTOM or name in OWN:
                continue
            found.append(name)
            if (kind := value_in(hint)) is not None:
                found += [f"{name}.{part}" for part in part_types(kind)]
        found += [f"{name}.{EXTERNAL_ID}" for name in self.relations]
        return found + [f"{held}.<code>" for held in CUSTOM if self.resource.is_customisable]

    def suggested(self, columns: Sequence[str], fields: Mapping[str, CustomField]) -> dict[str, str | None]:
        """Returns the targets whose names the columns have, or nearly: `E-Mail` is `email`."""
        known = {_plain(each): each for each in self.all if "<" not in each}
        codes = {_plain(each.path): each.path for each in fields.values()} | {
            _plain(f"custom.{code}"): each.path for code, each in fields.items()
        }
        named = {_plain(code): each.path for code, each in fields.items()}
        found: dict[str, str | None] = {}
        for column in columns:
            plain = _plain(column)
            target = known.get(plain) or codes.get(plain) or named.get(plain)
            found[column] = None if target in found.values() else target
        return found


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())


Setter = Callable[[dict[str, Any], Any], None]


class Plan:
    """Makes documents of rows: what the API would be sent for each."""

    def __init__(self, resource: Resource, params: Mapping[str, Any], fields: Mapping[str, CustomField]) -> None:
        self.resource = resource
        self.targets = Targets(resource)
        self.match_by: str = params["match_by"]
        self.mode: str = params["mode"]
        self.skips: bool = params["on_duplicate"] == "skip"
        self._clears: bool = params["blanks"] == "clear"
        self._fields = fields
        self._is_text: bool = params["format"] == Format.CSV
        self._columns: list[str] = params["columns"]
        mapping: Mapping[str, str | None] = params["mapping"]
        mapped = [(place, name, mapping.get(name)) for place, name in enumerate(self._columns)]
        self._setters = [(place, name, self._setter(each)) for place, name, each in mapped if each is not None]
        whole = {each for each in mapping.values() if each is not None}
        primary = self.targets.create.input.PRIMARY_OF.items()
        self._said_by_lists = [(one, several) for one, several in primary if {one, several} <= whole]
        self.relations = {
            name.partition(".")[0]: self.targets.relations[name.partition(".")[0]]
            for name in mapping.values()
            if name is not None and name.endswith(f".{EXTERNAL_ID}")
        }

    def document(self, row: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
        """Returns the document of a row: what is named by relations is in it under `relation.external_id`. Raises
        Invalid."""
        made: dict[str, Any] = {}
        for place, name, put in self._setters:
            if isinstance(row, Mapping):
                if name in row:
                    put(made, row[name])
            elif place < len(row):
                cell = restored(row[place].strip())
                if cell or self._clears:
                    put(made, cell or None)
        for one, several in self._said_by_lists:  # as in a file that was exported
            if made.get(several):
                made.pop(one, None)
        return made

    def _setter(self, target: str) -> Setter:
        head, _, rest = target.partition(".")
        if head in CUSTOM and rest:
            return self._custom(rest)
        if rest and head not in self.targets.relations:
            number, _, part = rest.partition(".") if rest[:1].isdigit() else ("0", "", rest)
            return _value(head, int(number), part)
        if target not in self.targets.hints or not _is_list(self.targets.hints[target]):
            return lambda made, value: made.__setitem__(target, value)
        is_of_values = value_in(self.targets.hints[target]) is not None
        return lambda made, value: made.__setitem__(target, _listed(target, value, is_of_values=is_of_values))

    def _custom(self, code: str) -> Setter:
        field = self._fields.get(code)
        held = "custom" if field is None else field.held_in

        def put(made: dict[str, Any], value: Any) -> None:
            if field is not None and isinstance(value, str) and self._is_text:
                value = _custom_text(field, value)
            made.setdefault(held, {})[code] = value

        return put

    @cached_property
    def custom_key(self) -> CustomField | None:
        """The custom field that records are recognised by, if it is one. Raises Invalid."""
        head, _, code = self.match_by.partition(".")
        if head not in CUSTOM:
            return None
        field = self._fields.get(code)
        if field is None or not field.unique:
            raise Invalid(f"There is no custom field {code} that is unique.", field="match_by")
        return field

    def key_of(self, document: Mapping[str, Any]) -> Any:
        """Returns what the record of a row is recognised by; None if the row has nothing of it. Raises Invalid."""
        if (field := self.custom_key) is not None:
            value = document.get(field.held_in, {}).get(field.code)
            return None if value is None else str(keys_of(field.value_type, read(field, value))[0])
        value = document.get(self.match_by)
        return None if value is None else self._key.validate_python(value, strict=False)

    @cached_property
    def _key(self) -> TypeAdapter[Any]:
        return TypeAdapter(Id if self.match_by == ID else self.targets.hints[self.match_by])


def _is_list(hint: Any) -> bool:
    origin = getattr(hint, "__origin__", hint)
    return origin is list or any(_is_list(each) for each in get_args(hint) if not isinstance(each, BaseModel))


def _value(field: str, number: int, part: str) -> Setter:
    def put(made: dict[str, Any], value: Any) -> None:
        if value is None:
            return
        values = made.setdefault(field, [])
        if isinstance(values, list):
            while len(values) <= number:
                values.append({})
            if isinstance(values[number], dict):
                values[number][part] = value

    return put


def _listed(target: str, value: Any, *, is_of_values: bool) -> Any:
    if value is None:
        return []
    if not isinstance(value, str):
        return value
    if is_of_values or value.startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise Invalid("It is a list in JSON.", field=target) from None
    return [part.strip() for part in value.split(";") if part.strip()]


def _custom_text(field: CustomField, value: str) -> Any:
    if field.value_type is FieldType.MULTI_CHOICE:
        return read(field, [part.strip() for part in value.split(";") if part.strip()])
    return read_text(field, value)
