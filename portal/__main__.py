"""`python -m portal`: the payment companies' door under its production server."""

from __future__ import annotations

from core.app import open_app
from core.config import load
from core.logs import set_up
from core.serving import serve
from portal.app import create_app


def make() -> object:
    """The WSGI application of one server process."""
    set_up("portal")
    return create_app(open_app())


if __name__ == "__main__":
    web = load().portal
    serve("portal.__main__:make", web.host, web.port, web.processes)
