"""The relay: takes what is due from the outbox and puts it into the workers' hands.

One lease, one push to Redis, then sleep on the doorbell for at most 250 ms. The bell is speed, the look is the guarantee.
Redis holds no truth: whatever it loses falls due again when its lease ends.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from core import outbox
from core.outbox import JOB_SECONDS_MAX, LEASE_SECONDS
from core.roles import SYSTEM
from core.tasks import QUEUES
from jobs.perform import BATCH_SECONDS_MAX, describe

if TYPE_CHECKING:
    from core.app import App

KEEP = "jobs.worker.keep"
"""The only function a worker runs; its only argument is ids with commas between them."""
LEASED_AT_ONCE_MAX = 500
BATCH_MAX = 25
QUEUED_PER_WORKER_MAX = 10
"""The relay takes nothing more while so many jobs per worker lie in Redis unstarted. Short enough that even slow workers
start a job before it vanishes: what is not leased cannot run out of lease."""
QUEUED_SECONDS_MAX = LEASE_SECONDS - BATCH_SECONDS_MAX - JOB_SECONDS_MAX
"""A job nobody started for so long vanishes from Redis; its promises fall due again when their lease ends."""
FAILED_KEPT_SECONDS = 3600
LOOK_SECONDS = 0.25
LOOK_SECONDS_MIN = 0.005
FULL_SECONDS = 0.05
"""How long to wait for the workers when Redis holds enough."""
BACK_OFF_SECONDS_FIRST, BACK_OFF_SECONDS_MAX = 0.25, 2.0
REDIS_SECONDS_MAX = 2.0
RELEASED_SECONDS = 1.0
"""Promises that could not be handed over are due again after so long."""
assert QUEUED_SECONDS_MAX > 0, "a batch must fit into a lease"
assert QUEUED_SECONDS_MAX + BATCH_SECONDS_MAX + JOB_SECONDS_MAX <= LEASE_SECONDS, "a lease must outlive queue and work"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parcel:
    """Promises that one worker keeps one after another."""

    queue: str
    ids: tuple[int, ...]

    @property
    def seconds_max(self) -> int:
        """After so long the worker is interrupted."""
        return JOB_SECONDS_MAX if len(self.ids) == 1 else BATCH_SECONDS_MAX + JOB_SECONDS_MAX


class Queues:
    """The workers' queues in Redis, by name."""

    def __init__(self, redis_url: str, workers: int = 2) -> None:
        self._jobs_max = QUEUED_PER_WORKER_MAX * workers
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=REDIS_SECONDS_MAX,
            socket_timeout=REDIS_SECONDS_MAX,
            retry=Retry(NoBackoff(), 0),
        )
        self._queues: Mapping[str, Queue] = {
            name: Queue(name, connection=self._redis, serializer=JSONSerializer) for name in QUEUES
        }

    def room(self) -> int:
        """How many more jobs may be queued now. Raises `redis.RedisError`."""
        with self._redis.pipeline(transaction=False) as pipe:
            for queue in self._queues.values():
                pipe.llen(queue.key)
            queued = sum(int(length) for length in pipe.execute())
        return max(self._jobs_max - queued, 0)

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Hand everything over, all or nothing. Raises `redis.RedisError`."""
        with self._redis.pipeline(transaction=True) as pipe:
            for name, queue in self._queues.items():
                jobs = [_rq_job(parcel) for parcel in parcels if parcel.queue == name]
                if jobs:
                    queue.enqueue_many(jobs, pipeline=pipe)
            pipe.execute()

    def close(self) -> None:
        self._redis.close()


def _rq_job(parcel: Parcel) -> Any:
    return Queue.prepare_data(
        KEEP,
        args=(",".join(map(str, parcel.ids)),),
        timeout=parcel.seconds_max,
        result_ttl=0,
        ttl=QUEUED_SECONDS_MAX,
        failure_ttl=FAILED_KEPT_SECONDS,
        description=f"{len(parcel.ids)} of {parcel.queue}",
        job_id=f"{parcel.queue}-{parcel.ids[0]}-{uuid4().hex[:8]}",
    )


def parcels_of(leased: Sequence[tuple[int, str, str | None]], hands: int) -> list[Parcel]:
    """How leased promises are divided: few → one each, so that workers share; many → batches of at most BATCH_MAX.

    Promises of one lane stay together (two workers would only get in each other's way), lanes never mix: a router that
    is slow delays nobody else's.
    """
    groups: dict[tuple[str, str | None], list[int]] = {}
    for promise_id, queue, lane in leased:
        groups.setdefault((queue, lane), []).append(promise_id)
    parcels = []
    for (queue, lane), ids in groups.items():
        size = BATCH_MAX if lane is not None else min(BATCH_MAX, ceil(len(ids) / hands))
        parcels += [Parcel(queue, tuple(ids[start : start + size])) for start in range(0, len(ids), size)]
    return parcels


def run_once(app: App, queues: Queues, limit: int = LEASED_AT_ONCE_MAX) -> int:
    """Carry what is due now; how many promises were handed over.

    Raises `redis.RedisError` or `SQLAlchemyError`; nothing is lost by either. What was leased and could not be handed over
    is due again after RELEASED_SECONDS, or when its lease ends if even that cannot be written.
    """
    return _carry(app, queues, limit)[0]


def run(app: App, stop: threading.Event) -> None:
    """Carry promises until `stop` is set. Outlives every outage of Redis and of the database."""
    queues = Queues(app.settings.redis.url, app.settings.jobs.workers)
    back_off = 0.0
    log.info("relay.started")
    while not stop.is_set():
        try:
            _, pause = _carry(app, queues, LEASED_AT_ONCE_MAX)
        except (redis.RedisError, OSError, SQLAlchemyError) as error:
            if not back_off:
                log.error("relay.held_up", error=describe(error))
            back_off = min(max(2 * back_off, BACK_OFF_SECONDS_FIRST), BACK_OFF_SECONDS_MAX)
            stop.wait(back_off)
            continue
        if back_off:
            log.info("relay.resumed")
            back_off = 0.0
        app.doorbell.wait(pause, stop)
    queues.close()
    log.info("relay.stopped")


def _carry(app: App, queues: Queues, limit: int) -> tuple[int, float]:
    """`run_once`, and how many seconds there are to sleep until the next promise falls due (at most LOOK_SECONDS)."""
    room = queues.room()
    if not room:
        return 0, FULL_SECONDS
    leased: list[tuple[int, str, str | None]] = []
    with app.work(None, SYSTEM, forgettable=True) as uow:
        leased_at: datetime = uow.now
        due = outbox.next_due(uow.session)
        ready = [queue for queue, due_at in due.items() if due_at <= leased_at]
        for queue in ready:
            share = max(min(limit, room * BATCH_MAX) // len(ready), 1)
            leased += outbox.lease_due(uow.session, leased_at, share, queue)
        if ready:
            due = outbox.next_due(uow.session)
    pause = min(((due_at - leased_at).total_seconds() for due_at in due.values()), default=LOOK_SECONDS)
    pause = min(pause, LOOK_SECONDS)
    if leased:
        try:
            queues.put(parcels_of(leased, hands=2 * app.settings.jobs.workers))
        except redis.RedisError:
            _release(app, [promise_id for promise_id, _, _ in leased], leased_at)
            raise
    return len(leased), max(pause, LOOK_SECONDS_MIN)


def _release(app: App, promise_ids: Sequence[int], leased_at: datetime) -> None:
    """Give leased promises back, unless somebody has already worked on them."""
    with app.work(None, SYSTEM) as uow:
        for promise_id in promise_ids:
            row = outbox.lock(uow.session, promise_id)
            if row is not None and row.due_at == leased_at + timedelta(seconds=LEASE_SECONDS):
                outbox.postpone(row, uow.now + timedelta(seconds=RELEASED_SECONDS))
