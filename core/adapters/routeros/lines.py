"""One kept line per router: small routers feel every login (routeros.md §1.5).

One thread at a time speaks on a line. A line that died since it was last used is laid anew once, without anybody
noticing; a line that dies otherwise is thrown away and the router is left alone for a while (`Breaker`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.adapters.routeros.breaker import Breaker
from core.adapters.routeros.sayings import failure
from core.adapters.routeros.values import Row
from core.adapters.routeros.wire import Broken, Connection, Deadline, Impostor, Patience, Trap
from core.errors import GatewayDown, GatewayRefused
from core.ports import RouterAddress


class Unreachable(GatewayDown):
    """The router cannot be talked to now. `retry_after_seconds`: asking earlier fails without touching the network.

    `why` is the bare reason, `code` that of `wire.Broken`.
    """

    def __init__(self, router: RouterAddress, why: str, retry_after_seconds: float, code: str = "broken") -> None:
        super().__init__(f"router {router.name!r} {why}; next try in {retry_after_seconds:.0f} s")
        self.retry_after_seconds, self.why, self.code = retry_after_seconds, why, code


class Line:
    """What is kept for one router between calls."""

    def __init__(self, monotonic: Callable[[], float], pause_seconds_max: float) -> None:
        self.turn = threading.Lock()
        self.breaker = Breaker(monotonic, pause_seconds_max)
        self.connection: Connection | None = None
        self.router: RouterAddress | None = None

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Talk:
    """One visit to a router: commands in order, within one deadline. Made by `Lines.talk` only."""

    def __init__(self, line: Line, router: RouterAddress, patience: Patience, pause: Callable[[float], None]) -> None:
        self.router = router
        self.pause = pause
        self._line = line
        self._patience = patience
        self._deadline = Deadline(patience.call_seconds)
        self._answered = False

    @property
    def certificate_sha256(self) -> str:
        """Of the certificate that was shown; empty without TLS, and without a certificate."""
        return "" if self._line.connection is None else self._line.connection.certificate_sha256

    def rows(self, menu: str, properties: str, *queries: str) -> list[Row]:
        """Read a menu: only these properties (it is far cheaper), only rows that match all `?name=value` words."""
        return self.ask(f"{menu}/print", f"=.proplist={properties}", *queries)

    def one(self, menu: str) -> Row:
        """Read a menu that is one set of values. Such menus take no `.proplist`."""
        rows = self.ask(f"{menu}/print")
        return rows[0] if rows else {}

    def write(self, command: str, **arguments: str) -> list[Row]:
        """Change something. `id` names the row; underscores in names become dashes. Read back afterwards."""
        words = [f"={'.id' if name == 'id' else name.replace('_', '-')}={value}" for name, value in arguments.items()]
        return self.ask(command, *words)

    def ask(self, command: str, *words: str) -> list[Row]:
        """Run one command. Raises `Trap` with the router's words, or `Unreachable`."""
        kept = self._line.connection is not None and not self._answered
        try:
            return self._ask(command, *words)
        except Broken as error:
            self._line.drop()
            if not kept:
                raise self._unreachable(error) from error
        try:  # nothing was said on this line yet in this visit: it had died of old age
            return self._ask(command, *words)
        except Broken as error:
            self._line.drop()
            raise self._unreachable(error) from error

    def hang_up(self) -> None:
        """What is asked next comes in anew, from the front door."""
        self._line.drop()
        self._answered = False

    def _ask(self, command: str, *words: str) -> list[Row]:
        connection = self._line.connection or self._connect()
        self._answered = True
        try:
            reply = connection.ask(self._deadline, command, *words)
        except Trap:
            self._line.breaker.answered()
            raise
        self._line.breaker.answered()
        return reply

    def _connect(self) -> Connection:
        try:
            connection = Connection(self.router, self._patience, self._deadline)
        except Trap as trap:
            self._line.breaker.answered()
            raise failure(self.router, trap, login=True) from trap
        except Impostor as error:
            self._line.breaker.answered()
            raise GatewayRefused(f"router {self.router.name!r} {error}", code="certificate") from error
        self._line.connection, self._line.router = connection, self.router
        return connection

    def _unreachable(self, error: Broken) -> Unreachable:
        return Unreachable(self.router, str(error), self._line.breaker.failed(), error.code)


class Lines:
    """All kept lines of this process."""

    def __init__(
        self,
        patience: Patience,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._patience = patience
        self._monotonic = monotonic
        self._pause = pause
        self._lines: dict[tuple[int, str, int], Line] = {}
        self._guard = threading.Lock()

    @contextmanager
    def talk(self, router: RouterAddress, patience: Patience | None = None) -> Iterator[Talk]:
        """Have the router to oneself. A `Trap` nobody expected leaves as the failure the table names.

        `patience` is for visits that take longer than others.
        """
        with self._guard:
            line = self._lines.setdefault(
                (router.router_id, router.host, router.api_port),
                Line(self._monotonic, self._patience.pause_seconds_max),
            )
        if not line.turn.acquire(timeout=self._patience.turn_seconds):
            raise GatewayDown(f"router {router.name!r} is busy with somebody else")
        try:
            wait_seconds = line.breaker.retry_after_seconds
            if wait_seconds > 0:
                raise Unreachable(router, "did not answer a moment ago", wait_seconds)
            if line.router != router:
                line.drop()
            yield Talk(line, router, patience or self._patience, self._pause)
        except Trap as trap:
            raise failure(router, trap) from trap
        finally:
            if line.connection is not None and not line.connection.in_step:
                line.drop()
            line.turn.release()

    def close(self) -> None:
        """Hang up everywhere; the next call dials again."""
        with self._guard:
            lines = list(self._lines.values())
        for line in lines:
            with line.turn:
                line.drop()
