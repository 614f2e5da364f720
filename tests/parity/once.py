"""Asking a server takes seconds, so it is asked everything once, and every test looks at what it gave."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from tests.parity.servers import SERVERS
from tests.parity.world import Endpoint, World

FAILURES = (AssertionError, OSError, RuntimeError, SQLAlchemyError)


class Once:
    """What a server on a kind of database gave, asked for once; a failure to ask is one, too."""

    def __init__(self, worlds: Callable[[str], World], play: Callable[[World, list[Endpoint]], dict[str, Any]]) -> None:
        self._worlds, self._play = worlds, play
        self._known: dict[tuple[str, str], dict[str, Any] | str] = {}

    def __call__(self, server: str, kind: str) -> dict[str, Any]:
        if (server, kind) not in self._known:
            try:
                world = self._worlds(kind)
                with ExitStack() as stack:
                    names = SERVERS if server == "in turns" else (server,)
                    endpoints = [stack.enter_context(SERVERS[name](world)) for name in names]
                    self._known[server, kind] = self._play(world, endpoints)
            except FAILURES as error:
                self._known[server, kind] = f"{server} on {kind} could not be asked: {type(error).__name__}: {error}"
        known = self._known[server, kind]
        if isinstance(known, str):
            raise AssertionError(known)
        return known
