"""Remembers that the demo was loaded into this data, and on which day: from that day its stories count backwards."""

from datetime import UTC, date, datetime, timedelta

import msgspec

from kith_local.layout import Layout


class Marker(msgspec.Struct):
    today: date
    is_loaded: bool = False

    @classmethod
    def of(cls, layout: Layout) -> "Marker":
        try:
            return msgspec.json.decode((layout.data / "demo.json").read_bytes(), type=cls)
        except (FileNotFoundError, msgspec.DecodeError):
            # Yesterday: whatever the hour is now, nothing of it lies in the future.
            return cls(today=(datetime.now(UTC) - timedelta(days=1)).date())

    def keep(self, layout: Layout) -> None:
        layout.data.mkdir(parents=True, exist_ok=True)
        (layout.data / "demo.json").write_bytes(msgspec.json.encode(self))
