"""python -m kith_local.prefork_process: has imported what all services share, and becomes a service by forking.

Ten Python processes start at once, and each would spend most of its start on the same imports. Only third-party
packages are imported here: our own code is read anew by each child, so a developer who edits it and kills a process
sees the new one. What the supervisor and this process say to each other: see prefork.py.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

SHARED = (
    "alembic.command",
    "asyncpg",
    "fastapi",
    "httpx",
    "joserfc.jwt",
    "opentelemetry.sdk.trace",
    "prometheus_client",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "strawberry.fastapi",
    "strawberry.federation",
    "structlog",
    "uvicorn",
    "uvloop",
)
_SET_PDEATHSIG = 1
_CHILD_SIGNALS = {signal.SIGCHLD}


def main() -> None:
    for name in SHARED:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a fork copies one thread only"
    gc.freeze()  # the collector would touch, and so copy, what the children share
    # Its own words go another way, so that nothing a child prints is taken for an answer.
    requests, answers = os.fdopen(os.dup(0)), os.dup(1)
    os.dup2(2, 1)
    call_yourself([sys.executable, "-m", "kith_local.prefork_process"])
    request = serve(requests, answers)
    if request is not None:
        become(request)


def serve(requests: IO[str], answers: int) -> dict[str, Any] | None:
    """Forks a child for each line, and reports each that ends. Returns its request in a child, and None at the end."""
    signal.signal(signal.SIGCHLD, lambda *_: _report_ended(answers))
    parent = os.getpid()
    for line in requests:
        request: dict[str, Any] = json.loads(line)
        # Held back, so that no end is reported before the birth.
        signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD_SIGNALS)
        if (pid := os.fork()) == 0:
            requests.close()
            os.close(answers)
            return {**request, "parent": parent}
        _report(answers, {"born": pid})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD_SIGNALS)
    return None


def _report_ended(answers: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _report(answers, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _report(answers: int, what: dict[str, int]) -> None:
    os.write(answers, json.dumps(what).encode() + b"\n")


def become(request: dict[str, Any]) -> None:
    """In the child: what `python -m MODULE ARGUMENTS` does, with that environment, folder and log."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD_SIGNALS)
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != request["parent"]:
        os._exit(1)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in enumerate((nothing, log, log)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    module, *arguments = request["module"]
    call_yourself([sys.executable, "-m", module, *arguments])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def call_yourself(arguments: list[str]) -> None:
    """Be shown by `ps` and found by `pgrep -f` under this command line, as far as there was room in the first one."""
    # Fields 48 and 49, counted after the name in parentheses, which may hold anything.
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    shown = "\0".join(arguments).encode()[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    main()
