"""`python -m sim`: the pretend town as one process, with its page and its API on one loopback port.

`SIM_TOWN` names another plan than `sim/town.toml`; `SIM_PORTS` ("page=8000 api=8728") overrides single ports in it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sim import api, page
from sim.town import Town
from sim.town_plan import BadPlan, Plan, load, ports_from

HOST = "127.0.0.1"


class QuietHandler(WSGIRequestHandler):
    """A page that asks for news every second is not worth a log line each."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def create_app(town: Town) -> Flask:
    """The town's web side."""
    web = Flask(__name__, static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = api.BODY_BYTES_MAX
    web.register_blueprint(api.blueprint(town))
    web.register_blueprint(page.blueprint())
    return web


def serve(town: Town, port: int) -> BaseWSGIServer:
    """Serve the town on `port` in the background, or on a free one when somebody has it."""
    application = create_app(town)
    try:
        server = make_server(HOST, port, application, threaded=True, request_handler=QuietHandler)
    except (OSError, SystemExit):
        server = make_server(HOST, 0, application, threaded=True, request_handler=QuietHandler)
    threading.Thread(target=server.serve_forever, name="page", daemon=True).start()
    return server


def main() -> int:
    """Run until SIGTERM or SIGINT. 0 when stopped in order, 2 when the plan cannot be used."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # in a thread: a handler may not touch the lock that the interrupted wait holds
        threading.Thread(target=stop.set, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        plan: Plan = load().on_ports(ports_from(os.environ.get("SIM_PORTS", "")))
    except BadPlan as error:
        print(f"sim: {error}", file=sys.stderr)
        return 2
    try:
        town = Town(plan).start()
    except OSError as error:
        print(f"sim: the town cannot open: {error}", file=sys.stderr)
        return 2
    server = serve(town, plan.page_port)
    print(f"the town is open at http://{HOST}:{server.port}/", flush=True)
    stop.wait()
    server.shutdown()
    town.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
