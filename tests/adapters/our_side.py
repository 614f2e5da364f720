"""A very small service that plays our part opposite the pretend companies and remembers what it was told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Self

import pytest

from sim.http import Reply, Request, Server, text_reply

Page = Callable[[Request], Reply]


def say(text: str, status: int = 200) -> Page:
    """A page that always answers the same."""
    return lambda _request: text_reply(status, text)


class OurSide:
    """Pages by path; what is not known answers 200 with an empty body."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self._changed = threading.Condition()
        self._received: list[Request] = []
        self._server = Server(self._route)

    def __enter__(self) -> Self:
        self._server.start("127.0.0.1", 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def url(self, path: str) -> str:
        """The address of a page."""
        host, port = self._server.address
        return f"http://{host}:{port}{path}"

    def received(self, path: str) -> list[Request]:
        """What arrived at a page so far."""
        with self._changed:
            return [request for request in self._received if request.path == path]

    def forms(self, path: str) -> list[dict[str, str]]:
        """The same as forms."""
        return [request.form() for request in self.received(path)]

    def bodies(self, path: str) -> list[dict[str, object]]:
        """The same as JSON."""
        return [request.json_object() for request in self.received(path)]

    def wait_for(self, path: str, count: int = 1, timeout_seconds: float = 5.0) -> list[Request]:
        """Wait until so many posts have arrived at a page."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.received(path)) >= count, timeout_seconds)
        found = self.received(path)
        assert arrived, f"only {len(found)} of {count} posts to {path}"
        return found

    def _route(self, request: Request) -> Reply:
        with self._changed:
            self._received.append(request)
            self._changed.notify_all()
        page = self.pages.get(request.path)
        return page(request) if page else text_reply(200, "")


@pytest.fixture
def ours() -> Iterator[OurSide]:
    with OurSide() as service:
        yield service
