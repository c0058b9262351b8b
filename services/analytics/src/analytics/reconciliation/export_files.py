"""Exports of the services, kept in files while they are compared: what they hold need not fit into memory, and no
service has to keep a snapshot open for us meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import msgspec

from analytics.reconciliation.collections import Collection, Record

_decode = msgspec.json.Decoder(dict).decode


@dataclass(frozen=True)
class Exported:
    collection: Collection
    file: BinaryIO
    taken_at: datetime
    """As of this instant, by the service's clock."""

    def records(self) -> Iterator[Record]:
        """By id."""
        self.file.seek(0)
        for line in self.file:
            yield _decode(line)
