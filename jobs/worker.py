"""A worker: takes parcels of promise ids from Redis and keeps them, one after another, in one process without forking.

RQ is used for what it is good at: handing out and time limits. What is true stands in the database, so a worker may be
killed at any point and Redis may be emptied under it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING
from uuid import uuid4

import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.worker import DequeueStrategy, WorkerStatus

from core.tasks import QUEUES, Task
from jobs.job import AnyJob
from jobs.perform import describe, perform_batch
from jobs.relay import KEEP

if TYPE_CHECKING:
    from core.app import App

SIGN_OF_LIFE_SECONDS = 30
"""How long a worker may be silent before Redis forgets it; also bounds how long it sleeps without looking."""
REDIS_SECONDS_MAX = 2.0
BACK_OFF_SECONDS_FIRST, BACK_OFF_SECONDS_MAX = 0.25, 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shift:
    """What this process works with, opened once."""

    app: App
    jobs: Mapping[type[Task], AnyJob]


_shift: Shift | None = None


def keep(ids: str) -> None:
    """Keep the promises `"1,2,3"`. This is the function that RQ calls."""
    assert _shift is not None, "a worker is started by jobs.worker.run"
    perform_batch(_shift.app, _shift.jobs, [int(promise_id) for promise_id in ids.split(",")])


class PromiseWorker(SimpleWorker):
    """RQ's worker without what we do not need: no fork, no remote commands, no job but ours, short reconnects."""

    max_connection_wait_time = BACK_OFF_SECONDS_MAX
    log_result_lifespan = False

    def __init__(self, queues: Sequence[Queue], connection: redis.Redis, stopping: threading.Event) -> None:
        super().__init__(
            queues,
            name=f"worker-{uuid4().hex}",
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=SIGN_OF_LIFE_SECONDS,
            log_job_description=False,
        )
        self.stopping = stopping
        self._spoke_at = -float(SIGN_OF_LIFE_SECONDS)

    def execute_job(self, job: RqJob, queue: Queue) -> None:
        """Keep a parcel, within its time. Of RQ's books only the line that says who has what in hand is kept: all of them
        would take a third of a short job's time, and what counts is in the database."""
        if job.func_name != KEEP:
            log.error("worker.foreign_job", job=job.id)
            job.delete()
            return
        self._state = WorkerStatus.BUSY  # what decides whether a signal to stop waits for the parcel in hand
        self.connection.hset(self.key, "current_job", job.id)
        try:
            with self.death_penalty_class(job.timeout, JobTimeoutException, job_id=job.id):
                keep(*job.args)
        except JobTimeoutException as error:
            log.error("worker.parcel_broken_off", job=job.id, error=describe(error))
        finally:
            self._state = WorkerStatus.IDLE
        with self.connection.pipeline(transaction=False) as pipe:
            pipe.hdel(self.key, "current_job")
            pipe.delete(job.key)
            pipe.execute()

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Often enough to stay known to Redis, and not around every parcel."""
        now = time.monotonic()
        if pipeline is None and now - self._spoke_at < SIGN_OF_LIFE_SECONDS / 3:
            return
        self._spoke_at = now
        super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Told when it changes."""
        if state != self._state:
            super().set_state(state, pipeline)

    def request_stop(self, signum: int | None, frame: FrameType | None) -> None:
        """Finish the parcel in hand, then go."""
        self.stopping.set()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def check_for_suspension(self, burst: bool) -> None:
        """Asked before every parcel. A signal that came before our handlers stood is not forgotten."""
        if self.stopping.is_set():
            raise StopRequested

    def set_shutdown_requested_date(self) -> None:
        """Not told to Redis: a signal handler in the middle of a job is no place for the network."""

    def subscribe(self) -> None:
        """No remote commands: whoever reaches Redis must not be able to stop us."""


def run(
    app: App, jobs: Mapping[type[Task], AnyJob], stopping: threading.Event | None = None, burst: bool = False
) -> None:
    """Work until SIGTERM or SIGINT (`burst`: until the queues are empty). Outlives Redis being away, stopped or emptied."""
    global _shift
    _shift = Shift(app, jobs)
    stopping = stopping or threading.Event()
    back_off = 0.0
    while not stopping.is_set():
        try:
            _work(app.settings.redis.url, stopping, burst)
            back_off = 0.0
            if burst:
                return
        except StopRequested:
            break
        except (redis.RedisError, OSError) as error:
            if not back_off:
                log.error("worker.no_redis", error=describe(error))
        back_off = min(max(2 * back_off, BACK_OFF_SECONDS_FIRST), BACK_OFF_SECONDS_MAX)
        stopping.wait(back_off)
    log.info("worker.stopped")


def _work(redis_url: str, stopping: threading.Event, burst: bool) -> None:
    """One life of an RQ worker: it ends when told to, and whenever Redis surprises it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    connection = redis.Redis.from_url(
        redis_url,
        socket_connect_timeout=REDIS_SECONDS_MAX,
        socket_timeout=REDIS_SECONDS_MAX,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        queues = [Queue(name, connection=connection, serializer=JSONSerializer) for name in QUEUES]
        worker = PromiseWorker(queues, connection, stopping)
        log.info("worker.started", queues=list(QUEUES))
        worker.work(burst=burst, logging_level="WARNING", dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        connection.close()
