"""Looks at every router on its own clock, many at once: one that is silent keeps a hand busy for some seconds and nobody waiting.

Not the workers' business, because hundreds of routers, some of them dead, would keep them from customers: threads of the clock's
process do it, beside the sweeps, and a router that hangs delays no sweep. Of several clocks each takes routers whose time has
come, and nobody takes them twice. Where there are no routers nothing of it is even loaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import structlog

from core import heartbeats, network
from core.errors import GatewayFailure
from core.findings import RouterHealth
from core.network import NoSuchRouter
from core.ports import Hotspot, RouterAddress
from core.texts import one_line
from jobs.perform import describe, frames, guard

if TYPE_CHECKING:
    from core.app import App

NAME = "routers"
HANDS = 24
TICK_SECONDS, BEAT_SECONDS = 0.5, 10
STOP_SECONDS_MAX = 8
FULL_EVERY = 10
"""Every tenth look at a router is a thorough one."""

log = structlog.get_logger()


class Seen(NamedTuple):
    """What one look found: health, or why there is none."""

    tenant_id: int
    router_id: int
    health: RouterHealth | None
    trouble: str = ""


class Prober:
    """Looks, and writes down what it saw. `open_hotspot` is called with the first router; all hands use what it gives."""

    def __init__(self, app: App, open_hotspot: Callable[[], Hotspot], hands: int = HANDS) -> None:
        self._app = app
        self._open_hotspot = open_hotspot
        self._every = timedelta(seconds=app.settings.jobs.probe_seconds)
        self._hands = hands
        self._failures = 0

    @cached_property
    def _hotspot(self) -> Hotspot:
        return self._open_hotspot()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._hands, thread_name_prefix="probe")

    def round(self) -> int:
        """Look at every router that is due, and come back when all of them are on record; how many there were."""
        done = 0
        while taken := self._take(self._hands):
            self._record([future.result() for future in taken])
            done += len(taken)
        return done

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Outlives every outage of the database."""
        with guard(self._hold_up), self._app.work(None) as uow:
            network.spread(uow, self._every)
        busy: set[Future[Seen]] = set()
        beaten_at: float | None = None
        seen = 0
        while not stop.is_set():
            failures, taken = self._failures, []
            with guard(self._hold_up):
                free = self._hands - len(busy)
                taken = self._take(free) if free else []
                busy |= set(taken)
                done, busy = wait(busy, TICK_SECONDS, FIRST_COMPLETED)
                self._record([future.result() for future in done])
                seen += len(done)
                if beaten_at is None or time.monotonic() - beaten_at >= BEAT_SECONDS:
                    self._beat(seen)
                    beaten_at, seen = time.monotonic(), 0
            if failures and failures == self._failures:
                log.info("prober.resumed")
                self._failures = 0
            if failures != self._failures or not (taken or busy):
                stop.wait(TICK_SECONDS)

    def close(self) -> None:
        """Let the hands go: what they hold in them is not waited for."""
        if "_pool" in self.__dict__:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if "_hotspot" in self.__dict__:
            self._hotspot.close()

    def _beat(self, seen: int) -> None:
        with self._app.work(None, forgettable=True) as uow:
            heartbeats.begin(uow.session, NAME, uow.now, BEAT_SECONDS)
            heartbeats.beat(uow.session, NAME, uow.now, seen, 0)

    def _hold_up(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            log.error("prober.held_up", error=describe(error), frames=frames(error))

    def _take(self, count: int) -> list[Future[Seen]]:
        with self._app.look(None) as uow:  # asking takes no lock
            if not network.somebody_waits_for_a_look(uow):
                return []
        with self._app.work(None, forgettable=True) as uow:
            due = network.due_for_a_look(uow, self._every, count)
            now = uow.now
        return [self._pool.submit(self._look, tenant_id, router, now) for tenant_id, router in due]

    def _look(self, tenant_id: int, router: RouterAddress, now: datetime) -> Seen:
        thorough = (router.router_id + int(now.timestamp() // self._every.total_seconds())) % FULL_EVERY == 0
        try:
            health = self._hotspot.probe(router, now) if thorough else self._hotspot.glance(router)
        except GatewayFailure as error:
            return Seen(tenant_id, router.router_id, None, one_line(str(error), 200))
        return Seen(tenant_id, router.router_id, health)

    def _record(self, seen: Iterable[Seen]) -> None:
        by_tenant: dict[int, list[Seen]] = {}
        for one in seen:
            by_tenant.setdefault(one.tenant_id, []).append(one)
        for tenant_id, ours in by_tenant.items():
            with self._app.work(tenant_id) as uow:
                for one in sorted(ours, key=lambda each: each.router_id):
                    try:
                        if one.health is None:
                            network.router_down(uow, one.router_id, one.trouble)
                        else:
                            network.router_up(uow, one.router_id, one.health)
                    except NoSuchRouter:
                        continue  # forgotten while we looked at it


@contextmanager
def watching(app: App, stop: threading.Event) -> Iterator[None]:
    """While the block runs, a thread looks after the routers."""
    prober = Prober(app, app.lookout)
    thread = threading.Thread(target=prober.run, args=(stop,), name="prober", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_SECONDS_MAX)
        prober.close()
