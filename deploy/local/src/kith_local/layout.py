"""Where things lie: the checkout, the folder `.kith` in it, and what goes where in there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from kith_local.errors import LocalError

ROOT = Path(__file__).resolve().parents[4]
"""The checkout. The package is always installed editable: it starts what lies beside it."""

GATEWAY = ROOT / "deploy" / "gateway"

BusKind = Literal["embedded", "kafka"]


@dataclass(frozen=True, slots=True)
class Layout:
    home: Path
    bus: BusKind

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Layout":
        """KITH_HOME moves `.kith` elsewhere; BUS chooses the bus. Raises LocalError if there is no such bus."""
        bus = environment.get("BUS") or ("kafka" if environment.get("KITH_KAFKA_BOOTSTRAP") else "embedded")
        if bus not in get_args(BusKind):
            raise LocalError(f"BUS={bus}: there is no such bus. Choose one of: {', '.join(get_args(BusKind))}.")
        return cls(home=Path(environment.get("KITH_HOME") or ROOT / ".kith").resolve(), bus=cast("BusKind", bus))

    @property
    def data(self) -> Path:
        """Each bus keeps data of its own: how far the consumers got on one means nothing on the other."""
        return self.home / self.bus

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def issuer(self) -> Path:
        return self.home / "issuer"

    @property
    def archive(self) -> Path:
        """A link to where PostgreSQL archives its log, if it does."""
        return self.data / "archive"

    @property
    def erasures(self) -> Path:
        """Outside of the data: what is restored from a backup must not take it along."""
        return self.home / "erasures.jsonl"

    @property
    def attachments(self) -> Path:
        """Outside of the data: a restore puts back what is missing, and takes nothing away."""
        return self.home / "attachments"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def downloads(self) -> Path:
        """What came over the network and may stay when the data is cleared."""
        return self.home / "downloads"

    @property
    def backups(self) -> Path:
        """Where docs/recovery.md puts them."""
        return self.home / "backups"

    def log_of(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def shown(self, path: Path) -> str:
        """A path as a person in the checkout would write it."""
        return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def keep_private(home: Path) -> None:
    """Keys, tokens, logs and data in it are for the user who runs it, and nobody else: 700, and 600 for files. This
    process and the ones it starts make no others."""
    os.umask(0o077)
    if os.geteuid() == 0:
        # Root's PostgreSQL runs as another login: it finds its own folder through this one, and can list nothing.
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711)
    elif home.exists():
        home.chmod(0o700)
