"""The issuer's key and its one client's secret: made at first start, readable by their owner only."""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

CLIENT_ID = "kith-local"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    client_id: str
    client_secret: str

    @classmethod
    def read(cls, folder: Path) -> "ClientCredentials":
        """Raises FileNotFoundError if the issuer never ran here."""
        return cls(**json.loads((folder / "client.json").read_text()))


def client_in(folder: Path) -> ClientCredentials:
    _make_once(folder / "client.json", lambda: asdict(ClientCredentials(CLIENT_ID, secrets.token_urlsafe(32))))
    return ClientCredentials.read(folder)


def key_in(folder: Path) -> ECKey:
    _make_once(folder / "key.json", _new_key)
    return ECKey.import_key(json.loads((folder / "key.json").read_text()))


def _new_key() -> dict[str, Any]:
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True)
    key.ensure_kid()
    return key.as_dict(private=True)


def _make_once(path: Path, content: Callable[[], dict[str, Any]]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    # Written aside and moved: a start cut short leaves no half a key behind.
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content(), file)
    new.replace(path)
