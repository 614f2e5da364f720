"""`python -m portal`: the payment companies' door under its production server."""

from __future__ import annotations

import sys

from core import logs
from core.config import ConfigError, load
from core.serving import PortTaken, serve


def make() -> object:
    """The WSGI application of one server process."""
    from core.app import open_app  # the process that only watches over the others needs none of this
    from portal.app import create_app

    logs.set_up("portal")
    return create_app(open_app())


def main() -> int:
    """Serve until SIGTERM. 2 when the configuration cannot be used, 1 when the port is taken."""
    try:
        logs.set_up("portal")
        web = load().portal
    except (ConfigError, ValueError) as error:
        print(f"portal: {error}", file=sys.stderr)
        return 2
    try:
        serve("portal.__main__:make", web.host, web.port, web.processes)
    except PortTaken as error:
        print(f"portal: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
