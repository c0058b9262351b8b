"""Where the jobs over everybody's health are wired together, kind by kind (see commands.jobs).

What a kind takes is loaded when there is one to do: a worker starts without.
"""

from analytics.commands.jobs import Jobs, Run
from kith.tasks import Task

KINDS: dict[str, Run] = {}
TASKS = (Task("health jobs", Jobs(KINDS).step, seconds=2),)
