"""What the local run keeps is for its user alone."""

import os
import stat
import subprocess
import sys
from pathlib import Path

MAKES = """
import sys; from pathlib import Path; from kith_local.layout import keep_private
home = Path(sys.argv[1]); keep_private(home)
(home / "issuer").mkdir(parents=True); (home / "issuer" / "key.json").write_text("secret")
"""


HOME = "0o711" if os.geteuid() == 0 else "0o700"
"""Root's PostgreSQL runs as another login, which must find its folder."""


def modes(home: Path) -> dict[str, str]:
    return {each.name: oct(stat.S_IMODE(each.stat().st_mode)) for each in (home, *home.rglob("*"))}


def test_nobody_else_may_read_what_is_made_or_was_there(tmp_path: Path) -> None:
    for name in ("new", "old"):
        home = tmp_path / name
        if name == "old":
            home.mkdir(mode=0o755)
        subprocess.run([sys.executable, "-c", MAKES, str(home)], check=True)
        assert modes(home) == {name: HOME, "issuer": "0o700", "key.json": "0o600"}


def test_every_command_that_keeps_something_keeps_it_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    command = [sys.executable, "-m", "kith_local", "status"]
    subprocess.run(command, check=False, env={"KITH_HOME": str(home), "PATH": "/usr/bin:/bin"}, capture_output=True)
    assert modes(home)["home"] == HOME
