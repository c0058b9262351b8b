"""python -m kith_local COMMAND: what the Makefile's targets call."""

import argparse
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console

from kith_local import personal_data, silence
from kith_local.errors import LocalError
from kith_local.layout import Layout, keep_private
from kith_local.replay import cli as replay

_WRITES_THE_CHECKOUT = frozenset({"contracts", "migration", "check-migrations", "noun", "gateway-install"})
"""What others may read, as they may read the rest of it."""


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if arguments.command not in _WRITES_THE_CHECKOUT:
            keep_private(Layout.of().home)
        return int(COMMANDS[arguments.command](arguments))
    except LocalError as error:
        Console(stderr=True).print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "replay": replay.add_arguments,
    "silence": silence.add_arguments,
    "personal-data": personal_data.add_arguments,
}


def _instant(text: str) -> datetime | None:
    """No text is no instant, as the Makefile passes it. Raises ValueError."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kith_local", description="Runs all of Kith on one machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        if name == "token":
            command.add_argument("--tenant", required=True)
            command.add_argument("--scopes", default="", help="separated by spaces; all if not given")
            command.add_argument("--subject", default="", help="of a person; a machine's if not given")
            command.add_argument("--email", default="", help="the person's, as verified")
        if name == "backup":
            command.add_argument("--to", type=Path, required=True, help="the folder in which it is made")
        if name == "restore":
            command.add_argument("--backup", type=Path, required=True, help="the folder of the backup")
            command.add_argument("--to", type=_instant, help="an instant after the backup")
        if (add := _ARGUMENTS.get(name)) is not None:
            add(command)
        if name == "contracts":
            command.add_argument("--check", action="store_true", help="only report what differs")
        if name == "migration":
            command.add_argument("--service", required=True)
            command.add_argument("--name", required=True, help="what changes, in a few words")
        if name == "noun":
            command.add_argument("--service", required=True)
            command.add_argument("--name", required=True, help="one of it: credit_note")
            command.add_argument("--plural", default="", help="several of it: the name and an s, if not given")
    return parser


# Each imports what it needs: a token should not wait for what starts PostgreSQL.
# ruff: noqa: PLC0415


def _run(_: argparse.Namespace) -> int:
    """everything in the foreground, until Ctrl-C"""
    from kith_local.control import run
    from kith_local.topology import plan_for

    layout = Layout.of()
    return run(plan_for(layout), layout, _console())


def _start(_: argparse.Namespace) -> int:
    """everything in the background; returns when all is ready"""
    from kith_local.control import start

    return start(Layout.of(), _console())


def _supervise(_: argparse.Namespace) -> int:
    """what start leaves running"""
    from kith_local.control import supervise_detached
    from kith_local.topology import plan_for

    layout = Layout.of()
    return supervise_detached(plan_for(layout), layout)


def _doctor(_: argparse.Namespace) -> int:
    """what is wrong, in words, and what to do"""
    from kith_local.doctor import examine

    return examine(Layout.of(), _console())


def _stop(_: argparse.Namespace) -> int:
    """stop what start started"""
    from kith_local.control import stop

    return stop(Layout.of(), _console())


def _status(_: argparse.Namespace) -> int:
    """what runs where"""
    from kith_local.control import status

    return status(Layout.of(), _console())


def _backup(arguments: argparse.Namespace) -> int:
    """back up what runs here"""
    from kith_local.backup import backup

    return backup(Layout.of(), arguments.to, _console())


def _restore(arguments: argparse.Namespace) -> int:
    """put a backup in the place of the data"""
    from kith_local.backup import restore

    return restore(Layout.of(), arguments.backup, arguments.to, _console())


def _reset(_: argparse.Namespace) -> int:
    """stop, and clear all data"""
    from kith_local.control import reset

    return reset(Layout.of(), _console())


def _token(arguments: argparse.Namespace) -> int:
    """print an access token"""
    from kith_local.tokens import fetch_token

    who = {"subject": arguments.subject, "email": arguments.email}
    print(fetch_token(Layout.of(), tenant=arguments.tenant, scopes=arguments.scopes, **who))  # noqa: T201 - its whole purpose
    return 0


def _issuer(_: argparse.Namespace) -> int:
    """the OAuth issuer, in the foreground"""
    from kith_local.issuer_server import serve

    serve(Layout.of().issuer, url=os.environ["KITH_ISSUER_URL"])
    return 0


def _gateway_install(_: argparse.Namespace) -> int:
    """bring the gateway's Node packages"""
    from kith_local.node import install_gateway

    install_gateway()
    return 0


def _demo(_: argparse.Namespace) -> int:
    """load the demo tenant through the API"""
    from kith_local.demo.load import load_demo

    return load_demo(Layout.of(), _console())


def _contracts(arguments: argparse.Namespace) -> int:
    """write the contracts that are committed"""
    from kith_local.contracts import check_contracts, write_contracts

    return (check_contracts if arguments.check else write_contracts)(_console())


def _migration(arguments: argparse.Namespace) -> int:
    """draft a service's next migration"""
    from kith_local.draft_migration import draft_migration

    draft_migration(service=arguments.service, name=arguments.name)
    return 0


def _check_migrations(_: argparse.Namespace) -> int:
    """lint the migrations of all services"""
    from kith_local.migration_lint import check_migrations

    return check_migrations(_console())


def _noun(arguments: argparse.Namespace) -> int:
    """write the skeleton of a noun"""
    from kith_local.layout import ROOT
    from kith_local.noun import write_noun

    for path in write_noun(service=arguments.service, name=arguments.name, plural=arguments.plural):
        _console().print(path.relative_to(ROOT), highlight=False)
    return 0


def _console() -> Console:
    # Piped, rich would cut its lines to 80 columns: links and paths must stay whole.
    return Console(width=None if sys.stdout.isatty() else 200)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "start": _start,
    "stop": _stop,
    "status": _status,
    "doctor": _doctor,
    "backup": _backup,
    "restore": _restore,
    "reset": _reset,
    "token": _token,
    "issuer": _issuer,
    "supervise": _supervise,
    "gateway-install": _gateway_install,
    "demo": _demo,
    "replay": replay.run,
    "silence": silence.run,
    "personal-data": personal_data.run,
    "contracts": _contracts,
    "migration": _migration,
    "check-migrations": _check_migrations,
    "noun": _noun,
}

if __name__ == "__main__":
    sys.exit(main())
