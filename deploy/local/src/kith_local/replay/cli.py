"""`make replay`, and `python -m kith_local.replay`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from kith_local.replay import SETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, metavar="DIR", help="the folder of the files")
    parser.add_argument("--set", required=True, metavar="SET", help=f"one of {', '.join(SETS)}, or all")
    parser.add_argument("--tenant", default="", metavar="NAME", help="the set's name if not given")
    parser.add_argument(
        "--end", default="", metavar="INSTANT", help="when the last event is to have happened, with its zone; or now"
    )
    parser.add_argument(
        "--file", action="append", default=[], metavar="NAME=PATH", help="another file of the same columns; repeatable"
    )


def run(arguments: argparse.Namespace) -> int:
    """send recorded data through the bulk API"""
    # Imported here: a caller that only declares the arguments should not wait for the HTTP client.
    from kith_local.replay.session import Request, replay  # noqa: PLC0415

    folder = Path(arguments.data) if arguments.data else None
    return replay(Request.of(arguments.set, folder, arguments.tenant, arguments.file, arguments.end))


def main(argv: Sequence[str] | None = None) -> int:
    from rich.console import Console  # noqa: PLC0415 - as above

    from kith_local.errors import LocalError  # noqa: PLC0415 - as above

    parser = argparse.ArgumentParser(prog="kith_local.replay", description=run.__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except LocalError as error:
        Console(stderr=True).print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        return 1
