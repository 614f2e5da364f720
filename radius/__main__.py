"""`python -m radius`: answer routers until SIGTERM or SIGINT."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from types import FrameType

from core import logs
from core.app import open_app
from core.config import ConfigError
from radius.server import RadiusServer

GARBAGE_THRESHOLD = 50_000
SWITCH_SECONDS = 0.0002
"""How long a thread may keep another one waiting that could send off an answer: the notes of logins are written beside them."""


def main() -> int:
    """0 when it stopped in order, 2 when the configuration cannot be used or a port is taken."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # in a thread: a handler may not touch the lock that the interrupted `stop.wait` holds
        threading.Thread(target=stop.set, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        logs.set_up("radius")
        app = open_app()
    except (ConfigError, ValueError) as error:
        sys.stderr.write(f"radius: {error}\n")
        return 2
    wanted = app.settings.radius
    server = RadiusServer(app, wanted.host, wanted.auth_port, wanted.acct_port)
    try:
        server.start()
    except OSError as error:
        sys.stderr.write(f"radius: cannot listen on {wanted.host}: {error.strerror}\n")
        app.close()
        return 2
    # what lives now lives for ever, and a batch is many small lists that die with it: cycles are looked for seldom
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)
    stop.wait()
    server.stop()
    app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
