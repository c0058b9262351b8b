"""Settings of the database. Those of TLS have the names that libpq has for them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, Field

from kith.db.login import PASSWORD_FILE, with_parameters
from kith.runtime.setting_types import Count, DatabaseUrl, File, OneOf

SslMode = Annotated[str, OneOf(("disable", "allow", "prefer", "require", "verify-ca", "verify-full"))]
_VERIFYING = ("verify-ca", "verify-full")


class DatabaseSettings(BaseModel):
    database_url: DatabaseUrl = Field(description="its database, and the login that serves")
    database_owner_url: DatabaseUrl | None = Field(
        default=None, description="the same database, and the login that owns the tables: to migrate and rebuild"
    )
    database_pooler_url: DatabaseUrl | None = Field(
        default=None, description="pgbouncer in transaction mode, for requests; the database itself if unset"
    )
    database_replica_url: DatabaseUrl | None = Field(
        default=None, description="a streaming replica, for exports, which may lag; the database itself if unset"
    )
    database_password_file: File | None = Field(default=None, description="file with the password of the login")
    database_owner_password_file: File | None = Field(default=None, description="file with the password of the owner")
    database_sslmode: SslMode = Field(default="prefer", description="TLS to PostgreSQL, as libpq has it")
    database_sslrootcert: File | None = Field(default=None, description="certificates (PEM) that sign the server's")
    database_sslcert: File | None = Field(default=None, description="client certificate (PEM)")
    database_sslkey: File | None = Field(default=None, description="private key (PEM) of the client certificate")
    pool_size: Count = Field(default=10, description="connections of one process; an API has 4 more, of analytics 14")

    @property
    def database(self) -> str:
        """The URL of the login that serves, with all that says how to connect."""
        return self.completed(self.database_url, self.database_password_file)

    @property
    def owner_database(self) -> str:
        """The same of the login that owns the tables."""
        if self.database_owner_url is None:
            return self.database
        return self.completed(self.database_owner_url, self.database_owner_password_file)

    @property
    def pooler(self) -> str | None:
        url = self.database_pooler_url
        return None if url is None else self.completed(url, self.database_password_file)

    @property
    def replica(self) -> str | None:
        url = self.database_replica_url
        return None if url is None else self.completed(url, self.database_password_file)

    def completed(self, url: str, password_file: Path | None) -> str:
        """Returns the URL with what the settings say of TLS and of the password. What it says itself stands."""
        verifying = {
            "sslrootcert": self.database_sslrootcert,
            "sslcert": self.database_sslcert,
            "sslkey": self.database_sslkey,
        }
        mode = {"sslmode": self.database_sslmode} if self.database_sslmode != "prefer" else {}
        return with_parameters(url, {**mode, **verifying, PASSWORD_FILE: password_file})

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yields each setting that does not go with the others, and the rule."""
        if self.database_sslmode in _VERIFYING and self.database_sslrootcert is None:
            yield "database_sslrootcert", f"KITH_DATABASE_SSLMODE is {self.database_sslmode}, which needs it."
        if self.database_sslrootcert is not None and self.database_sslmode not in _VERIFYING:
            yield "database_sslmode", "With KITH_DATABASE_SSLROOTCERT it is verify-ca or verify-full."
        if (self.database_sslcert is None) != (self.database_sslkey is None):
            missing = "cert" if self.database_sslcert is None else "key"
            yield f"database_ssl{missing}", "A client certificate and its key are set together."
        for url in ("database_url", "database_pooler_url", "database_replica_url"):
            if url == "database_url" or getattr(self, url) is not None:
                yield from self._passwords(url, "database_password_file")
        yield from self._passwords("database_owner_url", "database_owner_password_file")

    def _passwords(self, url: str, file: str) -> Iterator[tuple[str, str]]:
        given = getattr(self, url)
        if getattr(self, file) is None:
            return
        if given is None:
            yield file, f"There is no {url.replace('_', ' ')} that it is for."
        elif urlsplit(given).password is not None or "password" in parse_qs(urlsplit(given).query):
            yield file, f"The {url.replace('_', ' ')} has a password already."
