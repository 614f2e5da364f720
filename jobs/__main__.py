"""`python -m jobs relay|worker|clock`: one process of each kind or more; see the Procfile."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from types import FrameType

from core import logs
from core.app import open_app
from core.config import ConfigError
from jobs import clock, relay, worker


def main(arguments: list[str] | None = None) -> int:
    """Run one process until SIGTERM or SIGINT. 0 when it stopped in order, 2 when the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m jobs", description=__doc__)
    parser.add_argument("process", choices=("relay", "worker", "clock"))
    process: str = parser.parse_args(arguments).process
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # in a thread: a handler may not touch the lock that the interrupted `stop.wait` holds
        threading.Thread(target=stop.set, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        logs.set_up(process)
        app = open_app()
    except (ConfigError, ValueError) as error:
        print(f"{process}: {error}", file=sys.stderr)
        return 2
    try:
        if process == "relay":
            relay.run(app, stop)
        elif process == "worker":
            from jobs.registry import JOBS  # only workers need the jobs and what they bring along

            worker.run(app, JOBS, stop)
        else:
            from jobs.sweeps import SWEEPS

            clock.run(app, SWEEPS, stop)
    finally:
        app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
