"""What `python -m ussd` and `python -m portal` do: settings, log, and serving until told to stop."""

from __future__ import annotations

import sys
from collections.abc import Callable

from core import logs
from core.config import ConfigError, Settings, Web, load
from core.serving import PortTaken, serve


def run(name: str, chosen: Callable[[Settings], Web]) -> int:
    """Serve `<name>.app:make` until SIGTERM. 2 when the configuration cannot be used, 1 when the port is taken."""
    try:
        logs.set_up(name)
        web = chosen(load())
    except (ConfigError, ValueError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    try:
        serve(f"{name}.app:make", web.host, web.port, web.processes)
    except PortTaken as error:
        sys.stderr.write(f"{name}: {error.strerror}\n")
        return 1
    return 0
