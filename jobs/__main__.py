"""`python -m jobs relay|worker|clock`: one process of each kind or more; see the Procfile."""

from __future__ import annotations

import argparse
import sys

from core import logs
from core.app import open_app
from core.config import ConfigError
from jobs.stopping import stop_on_signals


def main(arguments: list[str] | None = None) -> int:
    """Run one process until SIGTERM or SIGINT. 0 when it stopped in order, 2 when the configuration cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m jobs", description=__doc__)
    parser.add_argument("process", choices=("relay", "worker", "clock"))
    process: str = parser.parse_args(arguments).process
    stop = stop_on_signals()
    try:
        logs.set_up(process)
        app = open_app()
    except (ConfigError, ValueError) as error:
        print(f"{process}: {error}", file=sys.stderr)
        return 2
    try:
        # each loads only what it needs itself: the clock no queue, the relay none of the jobs
        if process == "relay":
            from jobs import relay

            relay.run(app, stop)
        elif process == "worker":
            from jobs import worker
            from jobs.registry import JOBS

            worker.run(app, JOBS, stop)
        else:
            from jobs import clock
            from jobs.prober import watching
            from jobs.sweeps import SWEEPS

            with watching(app, stop):
                clock.run(app, SWEEPS, stop)
    finally:
        app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
