"""The statements that a version's code sends to its databases: recorded as they are sent, kept as text, and put to the
schema of a later version, which must plan and permit them, with parameters and columns of the same types."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

_PLANNED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES)\b", re.IGNORECASE)
_OF_THE_DRIVER = re.compile(r"typeinfo_tree|AS cur,")
_LIST = re.compile(r"(\$\d+(?:::[\w\[\] ]+)?)(?:, \$\d+(?:::[\w\[\] ]+)?)+")
"""So many parameters as a request names ids, say."""
_NUMBER = re.compile(r"\$\d+")


@dataclass(frozen=True, slots=True, order=True)
class Sent:
    database: str
    role: str
    statement: str


@dataclass(frozen=True, slots=True)
class Frozen:
    role: str
    statement: str
    parameters: tuple[str, ...]
    columns: Mapping[str, str]
    """Types of PostgreSQL; the columns are those of the answer."""


@contextmanager
def recorded() -> Iterator[set[Sent]]:
    """The statements on all connections opened meanwhile as a role of Kith's, but for those that no plan is made of."""
    sent, connect = set[Sent](), asyncpg.connect

    async def watched(*arguments: Any, **options: Any) -> Any:
        role = (options.get("server_settings") or {}).get("role")
        if role is None:
            return await connect(*arguments, **options)
        database = urlsplit(arguments[0]).path.removeprefix("/")

        def note(statement: str) -> None:
            if _PLANNED.match(statement) and not _OF_THE_DRIVER.search(statement):
                sent.add(Sent(database, role, statement))

        class Watched(asyncpg.Connection):
            async def prepare(self, query: str, **options: Any) -> Any:  # which no query logger sees
                note(query)
                return await super().prepare(query, **options)

        connection = await connect(*arguments, connection_class=Watched, **options)
        connection.add_query_logger(lambda issued: note(issued.query))
        return connection

    asyncpg.connect = watched
    try:
        yield sent
    finally:
        asyncpg.connect = connect


async def frozen(url: str, sent: Iterable[Sent]) -> tuple[list[Frozen], list[str]]:
    """Returns one of each form, as the database describes it; and those that it refuses, such as of temporary
    tables."""
    forms = {(each.role, _form(each.statement)): each for each in sorted(sent, reverse=True)}
    found, refused = list[Frozen](), list[str]()
    connection = await asyncpg.connect(url)
    try:
        for each in sorted(forms.values()):
            try:
                found.append(await _described(connection, each.role, each.statement))
            except asyncpg.PostgresError as error:
                refused.append(f"{error}: {each.statement}")
    finally:
        await connection.close()
    return found, refused


async def refusals(url: str, statements: Iterable[Frozen]) -> list[str]:
    """Returns what the database does not serve any more, or not as it did."""
    wrong = list[str]()
    connection = await asyncpg.connect(url)
    try:
        for each in statements:
            try:
                now = await _described(connection, each.role, each.statement)
            except asyncpg.PostgresError as error:
                wrong.append(f"{each.role}: {error}: {each.statement}")
            else:
                if now != each:
                    wrong.append(f"{each.role}: {now.parameters} -> {now.columns}, and was {each}")
    finally:
        await connection.close()
    return wrong


async def _described(connection: Any, role: str, statement: str) -> Frozen:
    """As planned and permitted for the role; nothing of it is executed."""
    async with connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL ROLE {role}")
        prepared = await connection.prepare(statement)
        await connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}")
    parameters = tuple(each.name for each in prepared.get_parameters())
    return Frozen(role, statement, parameters, {each.name: each.type.name for each in prepared.get_attributes()})


def _form(statement: str) -> str:
    return _NUMBER.sub("$", _LIST.sub(r"\1", statement))


def write_statements(path: Path, statements: Iterable[Frozen]) -> None:
    path.write_text("".join(f"{json.dumps(asdict(each))}\n" for each in statements))


def read_statements(path: Path) -> list[Frozen]:
    rows = (json.loads(line) for line in path.read_text().splitlines())
    return [Frozen(each["role"], each["statement"], tuple(each["parameters"]), each["columns"]) for each in rows]
