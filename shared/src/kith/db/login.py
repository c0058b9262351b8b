"""Logging in to PostgreSQL. Its URL says how, in the words of libpq: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`; and
`password_file`, a file that has only the password.

All files are read for each new connection, so a password or a certificate that is replaced needs no restart.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kith.runtime.secret_files import secret_in

PASSWORD_FILE = "password_file"  # noqa: S105 - the name of a parameter


async def connect(url: str, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """Returns a connection of the driver. Raises what asyncpg raises, and OSError if a file cannot be read."""
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    if (file := parameters.pop(PASSWORD_FILE, None)) is not None:
        options["password"] = secret_in(Path(file))
        url = urlunsplit(parts._replace(query=_encoded(parameters)))
    return await asyncpg.connect(url, **options)


def engine_for(url: str, *, driver: Mapping[str, Any] | None = None, **options: Any) -> AsyncEngine:
    """Returns an engine that connects by the URL; `driver` is what asyncpg's connect takes besides."""

    async def login(*_: object, **__: object) -> "asyncpg.Connection[asyncpg.Record]":
        return await connect(url, **(driver or {}))  # SQLAlchemy has read the URL too, but knows no sslmode

    arguments = {"async_creator_fn": login, **options.pop("connect_args", {})}
    return create_async_engine(sqlalchemy_url(url), connect_args=arguments, **options)


def sqlalchemy_url(url: str) -> str:
    """`postgresql://..`, as everyone writes it, for the asyncpg driver."""
    return re.sub(r"^postgres(ql)?(\+asyncpg)?://", "postgresql+asyncpg://", url)


def with_parameters(url: str, parameters: Mapping[str, object]) -> str:
    """Returns the URL with these parameters, but for those that are None or that it has already."""
    parts = urlsplit(url)
    there = dict(parse_qsl(parts.query, keep_blank_values=True))
    added = {name: str(value) for name, value in parameters.items() if value is not None and name not in there}
    if not added:
        return url
    # Written as it was, and not parsed and made again: `postgresql:///db` would lose its slashes.
    return f"{url}{'&' if parts.query else '?'}{_encoded(added)}"


def _encoded(parameters: Mapping[str, str]) -> str:
    return urlencode(parameters, safe="/", quote_via=quote)
