"""`make personal-data`: all that is held of a person, put together for them."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--noun", required=True, help="customer or contact")
    parser.add_argument("--id", required=True, help="of the customer or the contact")
    parser.add_argument("--out", required=True, help="the folder to be made")


def run(arguments: argparse.Namespace) -> int:
    """write all that is held of a person into a folder, for them"""
    # Imported here: a caller that only declares the arguments should not wait for the HTTP client.
    from rich.console import Console  # noqa: PLC0415

    from kith_local.layout import Layout  # noqa: PLC0415
    from kith_local.personal_data.collecting import write  # noqa: PLC0415
    from kith_local.personal_data.parts import Person  # noqa: PLC0415

    person = Person.of(arguments.tenant, arguments.noun, arguments.id)
    out = Path(arguments.out) if arguments.out else None
    return write(Layout.of(), person, out, Console(stderr=True, width=200))
