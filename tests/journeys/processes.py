"""The processes of one service, to be killed wherever it hurts: `portal ussd radius relay worker worker clock`.

What dies is started again by the supervisor.

Where a story would only wait for a clock, the clock is moved, by a plain UPDATE of when promises are due: `end_leases` (a
minute after a worker died), `check_now` (ninety seconds after a prompt), `free_lanes` (the forty seconds for which a dead
worker keeps a router's lane). One story moves nothing and shows that nobody has to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import redis
import requests
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from sqlalchemy import select

from cli.supervisor import Supervisor
from core.app import App
from core.clock import SystemClock
from core.outbox import LEASE_SECONDS, Promise
from core.tasks import QUEUES
from tests.journeys.harm import MOMENT_SECONDS_MAX, Snag
from tests.services import PostgresServer, RedisServer, eventually

PROCESSES = 7
OPEN_SECONDS_MAX = 90.0
SCHEDULED = {"CheckPayment", "Probe"}
"""Promises that are always open: a look at the router, and looks at payments that happen to be in the future."""
DEAD_HAND_SECONDS = 4
"""In the storm: a lease older than this belonged to somebody who is dead; a living worker needs a tenth of it."""
LINES_KEPT = 400


@dataclass
class Said:
    """What the processes say: the latest lines, and which workers have said that they are ready."""

    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    ready: set[int] = field(default_factory=set)
    """Process ids."""
    bugs: list[str] = field(default_factory=list)
    """Lines that no death of a process excuses: something happened that nobody had thought of."""

    def __call__(self, name: str, line: str) -> None:
        self.lines.append(f"{name:10} {line}")
        if '"promise.bug"' in line or '"sweep.failed"' in line:
            self.bugs.append(line)
        if '"worker.started"' in line:
            self.ready.add(int(json.loads(line)["pid"]))


@dataclass
class Processes:
    """One service: what runs, what it stands on, and every way to hurt it."""

    app: App
    """The test's own eyes on the shop's database."""
    redis: RedisServer
    postgres: PostgresServer | None
    supervisor: Supervisor
    said: Said
    web_bases: tuple[str, str]
    """ussd and portal."""
    radius_ports: tuple[int, int]

    def tidy_up(self) -> None:
        """What an earlier story may have left behind: no Redis, or one that does not know any more who its workers are."""
        self.said.lines.clear()
        self.said.bugs.clear()
        if self.redis.process is None:
            self.redis.start()
        for name, pid in self.pids("worker").items():
            if pid in self.said.ready - self._workers_known():
                self.kill_if_alive(name)

    def wait_until_open(self) -> None:
        """Every process is up and answers: two web doors, RADIUS on both ports, and a worker waits for work."""
        eventually(lambda: len(self.supervisor.processes) == PROCESSES, OPEN_SECONDS_MAX, "all processes live")
        for base in self.web_bases:
            eventually(lambda url=f"{base}/healthz": _answers(url), OPEN_SECONDS_MAX, f"{base} answers")  # type: ignore[misc]
        for port in self.radius_ports:
            eventually(lambda port=port: _taken(port), OPEN_SECONDS_MAX, f"RADIUS listens on {port}")  # type: ignore[misc]
        eventually(lambda: self.said.ready & set(self.pids("worker").values()), OPEN_SECONDS_MAX, "a worker is ready")

    def _workers_known(self) -> set[int]:
        with self.redis.client() as client:
            known = {int(client.hget(key, "pid") or 0) for key in client.scan_iter("rq:worker:*", count=1000)}
        return known & set(self.pids("worker").values())

    def promises(self, *kinds: str) -> list[Promise]:
        """Open and parked promises (of these kinds), oldest first."""
        with self.app.work(None) as uow:
            rows = uow.session.query(Promise).filter(Promise.done_at.is_(None)).order_by(Promise.id)
            return [row for row in rows if not kinds or row.kind in kinds]

    # ---- harm ------------------------------------------------------------------------------------------------------------

    def pids(self, name: str) -> dict[str, int]:
        """The living processes of this name: `worker` means all workers."""
        return {each: pid for each, pid in self.supervisor.processes.items() if each.split(".")[0] == name}

    def kill(self, *names: str) -> None:
        """SIGKILL for every process of these names, with all its children; returns when they are dead."""
        for name in names:
            victims = self.pids(name)
            assert victims, f"no {name} is alive to be killed"
            self._kill(victims)

    def kill_at_work(self, kind: str) -> list[int]:
        """SIGKILL for the workers that have a promise of this kind in hand now; everything they held."""
        held = self.at_work_on(kind)
        assert held, f"no worker is at work on a {kind}"
        self._kill({name: pid for name, pid in self.pids("worker").items() if pid in held})
        return [promise_id for ids in held.values() for promise_id in ids]

    def at_work_on(self, kind: str) -> dict[int, list[int]]:
        """As `at_work`, only those with a promise of this kind."""
        return {pid: ids for pid, ids in self.at_work().items() if kind in self._kinds_of(ids)}

    def killed_at(self, spot: Snag, name: str) -> None:
        """The process of this name (not a worker) that comes by the spot dies there."""
        spot.wait_until_caught(lambda: self.pids(name).values())
        self.kill(name)

    def worker_killed_at(self, spot: Snag, kind: str) -> list[int]:
        """The worker that comes by the spot keeping a promise of this kind dies there; everything it held."""
        spot.wait_until_caught(lambda: self.at_work_on(kind))
        return self.kill_at_work(kind)

    def _kinds_of(self, promise_ids: list[int]) -> set[str]:
        """Read without asking for SQLite's write lock: a worker may be holding it, and that is why we ask."""
        with self.app.engine.connect().execution_options(only_reads=True) as connection:
            return set(connection.scalars(select(Promise.kind).where(Promise.id.in_(promise_ids))))

    def at_work(self) -> dict[int, list[int]]:
        """Process id of every worker with a job in hand → the promises in that job."""
        alive, held = set(self.pids("worker").values()), {}
        with self.redis.client() as client:
            for key in client.scan_iter("rq:worker:*", count=1000):
                pid, job_id = client.hmget(key, "pid", "current_job")
                if pid is not None and job_id is not None and int(pid) in alive:
                    try:
                        job = RqJob.fetch(job_id.decode(), connection=client, serializer=JSONSerializer)
                    except NoSuchJobError:  # done in this very moment
                        continue
                    held[int(pid)] = [int(promise_id) for promise_id in str(job.args[0]).split(",")]
        return held

    def kill_if_alive(self, name: str) -> bool:
        """SIGKILL for this very process. False when it was dead anyway."""
        victim = {each: pid for each, pid in self.supervisor.processes.items() if each == name}
        self._kill(victim)
        return bool(victim)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """These processes stand still while the block runs, with nothing in hand: nobody else could write to SQLite then."""
        pids = self.pids(name).values()

        def all_get(number: signal.Signals) -> None:
            for pid in pids:
                os.killpg(pid, number)

        def stopped_idle() -> bool:
            if not self.at_work():
                all_get(signal.SIGSTOP)
                if not self.at_work():
                    return True
                all_get(signal.SIGCONT)
            return False

        eventually(stopped_idle, MOMENT_SECONDS_MAX, f"every {name} has nothing in hand")
        try:
            yield
        finally:
            all_get(signal.SIGCONT)

    def queued(self) -> int:
        """How many jobs the relay has laid into Redis and nobody has taken."""
        with self.redis.client() as client:
            return sum(client.llen(f"rq:queue:{name}") for name in QUEUES)

    def _kill(self, victims: dict[str, int]) -> None:
        for pid in victims.values():
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it died a moment ago
        eventually(lambda: not set(victims.values()) & set(self.supervisor.processes.values()), 10, "they are dead")

    def snag(self, table: str, event: str, when: str = "1 = 1") -> AbstractContextManager[Snag]:
        """Whoever comes by this spot in mid-transaction is held there while the block runs, to be killed."""
        return Snag(self.app.settings.database.url, table, event, when).laid()

    def database_dies(self) -> None:
        """PostgreSQL stops at once without saving and starts again. SQLite lives in our processes: all of them die at once."""
        if self.postgres is None:
            self._kill(self.supervisor.processes)
        else:
            self.postgres.crash()
            self.postgres.start()
            self.app.engine.dispose()

    # ---- moving clocks ---------------------------------------------------------------------------------------------------

    def end_leases(self, promise_ids: list[int]) -> None:
        """As if the minute had passed after which a dead worker's promises fall due again."""
        self._due_now(lambda row: row.id in promise_ids)

    def end_old_leases(self) -> None:
        """As if leases were seconds long: what was leased a while ago and is still open was in a dead hand."""
        leased_before = SystemClock().now() - timedelta(seconds=DEAD_HAND_SECONDS)
        first, last = (
            leased_before + timedelta(seconds=LEASE_SECONDS / 2),
            leased_before + timedelta(seconds=LEASE_SECONDS),
        )
        self._due_now(lambda row: first < row.due_at < last and row.kind not in SCHEDULED)

    def check_now(self) -> None:
        """As if the ninety seconds had passed after which we ask the company ourselves."""
        self._due_now(lambda row: row.kind == "CheckPayment")

    def free_lanes(self) -> None:
        """As if the forty seconds had passed after which a dead worker's hold on a router ends."""
        try:
            with self.redis.client() as client:
                for key in client.scan_iter("lane:*"):
                    client.delete(key)
        except redis.ConnectionError:
            return  # a Redis that is just away has forgotten all lanes

    def _due_now(self, wanted: Callable[[Promise], bool]) -> None:
        with self.app.work(None) as uow:
            for row in uow.session.query(Promise).filter(Promise.done_at.is_(None), Promise.parked_at.is_(None)):
                if wanted(row) and row.due_at > uow.now:
                    row.due_at = uow.now


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _taken(port: int) -> bool:
    """Does somebody listen on this UDP port?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
