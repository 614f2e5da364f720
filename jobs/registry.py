"""Which job keeps which promise. Imported only by the worker process, when it starts."""

from __future__ import annotations

from jobs import messages, money, network, routers
from jobs.job import by_task

JOBS = by_task((*money.ALL, *network.ALL, *routers.ALL, *messages.ALL))
