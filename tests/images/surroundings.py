"""What the images need around them: databases, an issuer, and a place for their logs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
from tests.conftest import take_port
from tests.images.build import Image
from tests.images.sandbox import PATIENCE, SOCKETS, Process, run, running, until

from kith.http.scopes import SCOPES
from kith.ids import new_id
from kith_local.issuer import Issuer
from kith_local.issuer_files import client_in, key_in
from kith_local.postgres import EmbeddedPostgres

SERVICES = ("contacts", "sales", "service-desk", "analytics")


def variable(prefix: str, service: str) -> str:
    return f"KITH_{prefix}_{service.upper().replace('-', '_')}"


@dataclass(frozen=True)
class Surroundings:
    postgres: EmbeddedPostgres
    issuer: Issuer
    folder: Path

    @classmethod
    @contextmanager
    def standing(cls, postgres: EmbeddedPostgres, folder: Path) -> Iterator[Self]:
        url = f"http://127.0.0.1:{take_port()}"
        issuer = Issuer(url=url, key=key_in(folder / "issuer"), client=client_in(folder / "issuer"))
        postgres.create_databases(*(f"image_{each}" for each in (*SERVICES, "bus")))
        process = subprocess.Popen(
            (sys.executable, "-m", "kith_local", "issuer"),
            env=os.environ | {"KITH_HOME": str(folder), "KITH_ISSUER_URL": url},
        )
        try:
            yield cls(postgres, issuer, folder)
        finally:
            process.terminate()
            process.wait()

    def authorization(self) -> dict[str, str]:
        """Of a tenant of its own, with all scopes."""
        token = self.issuer.issue(tenant=f"t-{new_id().hex}", scopes=SCOPES, now=int(time.time()))
        return {"Authorization": f"Bearer {token}"}

    def await_issuer(self, url: str) -> None:
        def answers() -> bool | None:
            with suppress(httpx.TransportError):
                return httpx.get(url, trust_env=False).is_success or None
            return None

        until(answers, lambda: f"{url} does not answer")

    @contextmanager
    def running(self, image: Image, *arguments: str, **settings: str) -> Iterator[Process]:
        given = self._settings | settings
        log = self._log(image, *arguments)
        with running(image, *arguments, log=log, sockets=self._sockets, **given) as process:
            yield process

    def ends(self, image: Image, *arguments: str) -> tuple[int, str]:
        """The exit code and the output of what ends by itself."""
        log = self._log(image, *arguments)
        process = run(image, *arguments, log=log, sockets=self._sockets, **self._settings)
        return process.wait(PATIENCE), log.read_text()

    @property
    def _sockets(self) -> Path:
        return Path(self.postgres.url("").rpartition("host=")[2])

    @property
    def _settings(self) -> dict[str, str]:
        urls = {
            variable("DATABASE_URL", each): f"postgresql://postgres@/image_{each}?host={SOCKETS}"
            for each in (*SERVICES, "bus")
        }
        return urls | {"KITH_ISSUER_URL": self.issuer.url}

    def _log(self, image: Image, *arguments: str) -> Path:
        return self.folder / f"{'-'.join((image.name, *arguments))}.log"
