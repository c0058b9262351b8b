"""Takes the terminal for ourselves while we run.

Ctrl-C goes to every process of the terminal's foreground group, `make` among them, which then reports an error
although everything stopped as it should. So the group that reads the terminal becomes our own.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def foreground() -> Iterator[None]:
    if not sys.stdin.isatty() or os.getpgrp() == os.getpid():
        yield  # no terminal, or started by the shell itself
        return
    terminal = sys.stdin.fileno()
    before = os.tcgetpgrp(terminal)
    if before != os.getpgrp():
        yield  # in the background of that terminal
        return
    # A group that is not in front is stopped by the kernel when it asks to be.
    ignored = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTTOU, signal.SIGTSTP)}
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)
        for number, handler in ignored.items():
            signal.signal(number, handler)
