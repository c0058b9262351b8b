"""python fake_house.py HOME PORT [broken]: a supervisor, as in production, over one fake service."""

import asyncio
import sys
from pathlib import Path

from kith_local.layout import Layout
from kith_local.plan import Part, Plan
from kith_local.ports import Port
from kith_local.supervisor import Supervisor, supervise


def main(home: str, port: str, *how: str) -> int:
    fake = (sys.executable, "-I", "-S", str(Path(__file__).with_name("fake_service.py")))
    part = Part(
        "sales-api",
        (*fake, "die", "1", "no such table") if how else (*fake, "serve", port),
        ready=f"http://127.0.0.1:{port}/readyz",
        url=f"http://127.0.0.1:{port}/docs",
        ports=(Port(int(port), "KITH_PORT_SALES"),),
    )
    plan = Plan(infrastructure=(), early=(), before=(), parts=(part,), after=())
    return asyncio.run(supervise(Supervisor(plan, Layout(home=Path(home), bus="embedded"))))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
