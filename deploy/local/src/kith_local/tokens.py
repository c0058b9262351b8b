"""A token from the embedded issuer, as `make token` prints it."""

import json
import os
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from kith_local.errors import LocalError
from kith_local.layout import Layout
from kith_local.ports import ports_of
from kith_local.state import StateFile


def fetch_token(layout: Layout, *, tenant: str, scopes: str = "", subject: str = "", email: str = "") -> str:
    """Returns a token with all scopes, unless `scopes` names some; of a machine, or of the person with this subject and
    address. Raises LocalError if there is no issuer, or it refuses."""
    if not tenant:
        raise LocalError("A token is for one tenant: make -s token TENANT=demo")
    url = issuer_url(layout)
    try:
        client = json.loads((layout.issuer / "client.json").read_text())
        asked = {"tenant": tenant, "scope": scopes, "subject": subject, "email": email}
        body = urlencode({"grant_type": "client_credentials", **asked, **client})
        with urlopen(Request(f"{url}/token", body.encode()), timeout=10) as answer:  # noqa: S310 - loopback http
            return str(json.load(answer)["access_token"])
    except HTTPError as refusal:
        with refusal:
            problem = json.load(refusal)
        raise LocalError(f"{problem['error']}: {problem['error_description']}") from None
    except (URLError, FileNotFoundError, TimeoutError):
        raise LocalError(f"The issuer does not run at {url}. Start Kith first: make start (or make run).") from None


def issuer_url(layout: Layout) -> str:
    """Where the running one is, else where it would be."""
    if given := os.environ.get("KITH_ISSUER_URL"):
        return given
    state = StateFile(layout.run).read()
    for part in state.parts if state is not None else []:
        if part.name == "issuer":
            return part.url
    return f"http://127.0.0.1:{ports_of()['issuer'].number}"
