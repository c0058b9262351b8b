"""Serves the issuer on its URL's port."""

from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from kith_local.issuer import Issuer
from kith_local.issuer_files import client_in, key_in


def serve(folder: Path, *, url: str) -> None:
    """Until SIGTERM. Listens on loopback whatever the URL says: its secret lies in a file on this machine."""
    issuer = Issuer(url=url, key=key_in(folder), client=client_in(folder))
    port = urlsplit(url).port
    assert port is not None, "the supervisor gives one"
    uvicorn.run(issuer.app(), host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=2)
