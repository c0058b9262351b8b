"""An alert, with an example of when it fires and one of when it does not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Series = Mapping[str, str]
"""By a series, its values a minute apart in the notation of promtool: `0+30x20` begins at 0 and grows by 30."""


class Severity(StrEnum):
    CRITICAL = "critical"
    """Customers of the API notice, or figures stand still: somebody is called."""
    WARNING = "warning"
    """It will become so, or one tenant notices: somebody looks at it the same day."""
    INFO = "info"
    """Something to know, and nothing to do at once."""


@dataclass(frozen=True)
class Alert:
    name: str
    """Also that of its runbook, docs/runbooks/<name>.md."""
    severity: Severity
    expr: str
    description: str
    """A sentence with the labels that the expression keeps: `{{ $labels.service }}`."""
    fires: Series
    quiet: Series
    lasts: str = "0m"
    """How long the expression must hold."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """That the expression keeps, with their values in the example that fires."""
    at: str = "20m"
    """When the examples are looked at."""

    @property
    def name_in_words(self) -> str:
        """The summary, without values: `Outbox stalled`."""
        return re.sub("(?<=[a-z])(?=[A-Z])", " ", self.name.removeprefix("Kith")).capitalize()


@dataclass(frozen=True)
class Record:
    """A series that Prometheus computes, and keeps as if it had been scraped."""

    record: str
    expr: str


@dataclass(frozen=True)
class Group:
    name: str
    rules: tuple[Alert | Record, ...]
