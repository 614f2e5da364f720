"""One hand at a time on a router: the lock that a promise with a lane is kept under.

The lock lives in Redis and may be lost with it (flushed, stopped, expired under a very slow hand). That is harmless: it
spares routers two conversations at once and us some repeated work, but nothing true depends on it. What is applied is the
wanted state, computed afresh, and `record` is guarded by the promise's row in the database. So without Redis we go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import uuid4

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.outbox import JOB_SECONDS_MAX

HELD_SECONDS_MAX = 2 * JOB_SECONDS_MAX
"""A worker that died frees its lane after so long; no living one holds it longer (jobs/relay.py bounds its time)."""
BUSY_PAUSE_MILLISECONDS = 150
REDIS_SECONDS_MAX = 0.5
BREAKER_SECONDS = 5.0
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

log = structlog.get_logger()


class Lanes:
    """The locks, as far as one Redis knows them."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=REDIS_SECONDS_MAX,
            socket_timeout=REDIS_SECONDS_MAX,
            retry=Retry(NoBackoff(), 0),
        )
        self._away_until = 0.0

    @contextmanager
    def hold(self, tenant_id: int, lane: str | None) -> Iterator[bool]:
        """Take the lane while the block runs. False: another hand has it. True without a lane, and without Redis."""
        token = uuid4().hex
        key = f"lane:{tenant_id}:{lane}"
        taken = lane is None or self._take(key, token)
        try:
            yield taken
        finally:
            if lane is not None and taken:
                self._give_back(key, token)

    def _take(self, key: str, token: str) -> bool:
        if time.monotonic() < self._away_until:
            return True
        try:
            return bool(self._redis.set(key, token, nx=True, px=HELD_SECONDS_MAX * 1000))
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + BREAKER_SECONDS
            log.warning("lane.unlocked", lane=key, reason=type(error).__name__)
            return True

    def _give_back(self, key: str, token: str) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            self._redis.eval(_RELEASE, 1, key, token)
        except (redis.RedisError, OSError) as error:
            self._away_until = time.monotonic() + BREAKER_SECONDS
            log.warning("lane.not_given_back", lane=key, reason=type(error).__name__)


@cache
def lanes_at(redis_url: str) -> Lanes:
    """One set of connections per process and Redis."""
    return Lanes(redis_url)
