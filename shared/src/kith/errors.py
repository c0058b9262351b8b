"""The errors that a business rule may raise. The edge chooses how each is answered (see kith.http.faults)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kith.error_codes import ErrorCode


class DomainError(Exception):
    """A business fact stands in the way. The API chooses the status by the class, the words are for people."""

    code: ClassVar[ErrorCode] = ErrorCode.INVALID

    candidates: Sequence[Mapping[str, Any]] = ()
    """Records that may be what was meant: each with its `id`, a `score` of 100, and `reasons`."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotFound(DomainError):
    """There is no such thing, or not for this tenant."""

    code = ErrorCode.NOT_FOUND

    @classmethod
    def of(cls, what: str, key: object, *, field: str = "id") -> "NotFound":
        return cls(f"There is no {what} {key}.", field=field)


class Conflict(DomainError):
    """The state it is in forbids it."""

    code = ErrorCode.CONFLICT


class Gone(DomainError):
    """It was there, and is not any more."""

    code = ErrorCode.CONTENT_GONE


class NothingAmended(Conflict):
    code = ErrorCode.NOTHING_AMENDED


class Invalid(DomainError):
    """The input breaks a rule that its shape alone cannot show."""

    code = ErrorCode.INVALID


class VersionMismatch(DomainError):
    """Someone else changed it first."""

    code = ErrorCode.VERSION_MISMATCH


class Forbidden(DomainError):
    """The token does not carry what this needs."""

    code = ErrorCode.FORBIDDEN


class TenantRemoved(Forbidden):
    """The token is valid, and its tenant is not here any more."""

    code = ErrorCode.TENANT_REMOVED


class UserSuspended(Forbidden):
    """The token is valid, and its user may do nothing for now."""

    code = ErrorCode.USER_SUSPENDED
