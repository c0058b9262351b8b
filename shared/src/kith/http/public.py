"""Paths that anybody may ask, without a token. Who serves them limits how much is asked, and from which pages."""

from starlette.types import Scope

PUBLIC = "/public/"


def is_public(scope: Scope) -> bool:
    return bool(scope["type"] == "http" and scope["path"].startswith(PUBLIC))
