"""Shows, on recorded data, what silence does: a customer sinks, and what is done about it.

    make silence DATA=../shared/data [TENANT=silence]

Nothing happens to a customer, and at one instant that makes it another relationship. The retail set is replayed, moved
in time so that this instant comes a minute or so after; and then it is watched from outside, through the public API:
the subscription that reports it, the explanation, the playbook's task and case, and the trace that binds them.
"""

import argparse
from pathlib import Path

TENANT = "silence"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, metavar="DIR", help="the folder of the file")
    parser.add_argument("--tenant", default="", metavar="NAME", help=f"{TENANT} if not given; it must be new")


def run(arguments: argparse.Namespace) -> int:
    """show on recorded data what silence alone sets off"""
    from kith_local.silence.show import show  # noqa: PLC0415 - who only declares the arguments need not wait for it

    return show(Path(arguments.data) if arguments.data else None, arguments.tenant or TENANT)
