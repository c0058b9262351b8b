"""Exports of the services, kept in files while they are compared: what they hold need not fit into memory, and no
service has to keep a snapshot open for us meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from analytics.domain.reconciliation.collections import Collection, Record

_decode = msgspec.json.Decoder(dict).decode


@dataclass(frozen=True)
class Exported:
    collection: Collection
    path: Path
    taken_at: datetime
    """As of this instant, by the service's clock."""

    def records(self) -> Iterator[Record]:
        """By id."""
        with self.path.open("rb") as lines:
            for line in lines:
                yield _decode(line)
