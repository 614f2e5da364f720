"""`python -m portal`: the payment companies' door under its production server."""

from __future__ import annotations

import sys

from core import logs
from core.config import ConfigError, load
from core.serving import PortTaken, serve


def main() -> int:
    """Serve until SIGTERM. 2 when the configuration cannot be used, 1 when the port is taken."""
    try:
        logs.set_up("portal")
        web = load().portal
    except (ConfigError, ValueError) as error:
        print(f"portal: {error}", file=sys.stderr)
        return 2
    try:
        serve("portal.app:make", web.host, web.port, web.processes)
    except PortTaken as error:
        print(f"portal: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
