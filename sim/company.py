"""What every pretend company has: an address, a memory, people to send out, and ways to be in trouble."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Self

from sim.background import Background, system_now
from sim.http import HTML_ERROR, Fault, Reply, Request, Server, text_reply
from sim.poster import Poster


class Company:
    """What all pretend companies share: an address, and the ways in which a company can be in trouble."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.now = now or system_now
        self.server = Server(self._route)
        self.background = Background(type(self).__name__)
        self.poster = Poster()

    def _route(self, request: Request) -> Reply:
        return text_reply(404, f"No such address: {request.path}")

    @property
    def base_url(self) -> str:
        """Where the company is, without a slash at the end."""
        host, port = self.server.address
        return f"http://{host}:{port}"

    @property
    def requests_seen(self) -> list[Request]:
        """Every call that got through the door, oldest first (the last 20 000)."""
        return list(self.server.seen)

    def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Open the door; returns itself so that making and starting fit on one line."""
        self.server.start(host, port)
        self.background.start()
        return self

    def stop(self) -> None:
        """Close for good."""
        self.background.stop()
        self.server.stop()
        self.poster.close()

    def reach(self, public: str, loopback: str) -> None:
        """Posts to addresses that begin with `public` go to `loopback`: our public https name, say, to this machine."""
        self.poster.reach(public, loopback)

    def wait_until_idle(self, timeout_seconds: float = 10.0) -> bool:
        """True once every call is answered, and every callback that is due has been posted and answered."""
        deadline = time.monotonic() + timeout_seconds
        while self.server.wait_until_quiet(max(0.0, deadline - time.monotonic())):
            if not self.background.wait_until_idle(max(0.0, deadline - time.monotonic())):
                return False
            if self.server.wait_until_quiet(0) and self.background.wait_until_idle(0):
                return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def go_down(self) -> None:
        """Connections are refused from now on."""
        self.server.go_down()

    def come_up(self) -> None:
        """Back on the same port."""
        self.server.come_up()

    def slow(self, seconds: float) -> None:
        """Every answer takes so much longer; 0 ends it."""
        self.server.slow(seconds)

    def answer_with(
        self,
        status: int,
        body: str,
        *,
        times: int = 1,
        path: str = "",
        content_type: str = "text/plain",
        after_acting: bool = False,
    ) -> None:
        """Answer the next calls with this; `after_acting` does what was asked first, then gives the wrong answer."""
        self.server.add_fault(Fault(Reply(status, body.encode(), content_type), times, path, after_acting))

    def html_error_page(self, *, times: int = 1, path: str = "", status: int = 503) -> None:
        """Show a web server's error page where JSON was expected."""
        self.server.add_fault(Fault(Reply(status, HTML_ERROR, "text/html"), times, path, after_acting=False))

    def fall_silent(self, *, times: int = 1, path: str = "", after_acting: bool = False) -> None:
        """Take the next calls and never answer; `after_acting` does the deed and keeps quiet about it."""
        self.server.add_fault(Fault(None, times, path, after_acting))

    def recover(self) -> None:
        """End silence, slowness, error pages and refusals."""
        self.server.recover()
        self.server.come_up()
