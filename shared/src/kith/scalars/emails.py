"""Addresses of e-mail, as email-validator reads them. Whether mail arrives there is not looked up."""

from dataclasses import dataclass
from typing import Any

from email_validator import EmailNotValidError, validate_email

from kith.scalars.scalar import refuse
from kith.scalars.texts import Written

_RULE = "It is an address of e-mail, as in ann@example.com."


@dataclass(frozen=True)
class EmailScalar(Written):
    """An address in its normal form: the domain in lower case, what is international in one form of Unicode."""

    most: int = 254
    spelling: str = r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"
    rule: str = _RULE

    def read(self, sent: Any) -> Any:
        text = super().read(sent)
        if not isinstance(text, str) or len(text) > self.most:
            return text
        try:
            return validate_email(text, check_deliverability=False).normalized
        except EmailNotValidError:  # its words quote the address
            refuse(_RULE)
