"""A worker process of its own, to be killed by tests: `python -m tests.doors.worker_process <folder>`.

Its one job writes the promise's number to `<folder>/acted`, then, while `<folder>/gate` is a pipe, waits until somebody
writes into it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core import logs
from core.app import open_app
from jobs import worker
from jobs.job import by_task
from jobs.stopping import stop_on_signals
from tests.plumbing import Rehearsal


def main(folder: Path) -> None:
    def act(number: int) -> str:
        with (folder / "acted").open("a", encoding="ascii") as acted:
            acted.write(f"{number}\n")
        gate = folder / "gate"
        if gate.is_fifo():
            gate.read_bytes()
        return "done"

    logs.set_up("worker")
    app = open_app()
    worker.run(app, by_task([Rehearsal(on_act=act)]), stop_on_signals())
    app.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
