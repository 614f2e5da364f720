"""The bell that wakes the relay: a Redis list with at most one ring in it.

Ringing is best effort and cheap; the relay looks every 250 ms anyway, so losing every ring costs nothing but latency.
"""

from __future__ import annotations

import time
from typing import Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

BELL = "duka:doorbell"
RING_SECONDS_MAX = 0.25
"""What a ring may cost whoever has just committed, at the very worst."""
CONNECT_SECONDS_MAX = 0.1
ANSWER_SECONDS_MAX = 0.1
assert CONNECT_SECONDS_MAX + ANSWER_SECONDS_MAX < RING_SECONDS_MAX
BREAKER_SECONDS = 5.0
"""After a failed ring nobody tries again for so long."""
RING_KEPT_SECONDS = 60
WAIT_SECONDS_MAX = 1.0
WAIT_SLACK_SECONDS = 1.0
"""How much longer than the wait itself the relay's connection listens for Redis' answer."""


class Pause(Protocol):
    """Something that can wait and be interrupted (`threading.Event`)."""

    def wait(self, timeout: float) -> object: ...


class Doorbell:
    """`ring()` for those who commit, `wait()` for the relay. Neither ever raises because Redis is away."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._ringing = _client(redis_url, ANSWER_SECONDS_MAX)
        self._waiting: redis.Redis | None = None
        self._silent_until = 0.0

    def ring(self) -> bool:
        """Wake the relay. False when Redis could not be told, which nobody needs to care about."""
        if time.monotonic() < self._silent_until:
            return False
        try:
            with self._ringing.pipeline(transaction=True) as pipe:
                pipe.lpush(BELL, "1")
                pipe.ltrim(BELL, 0, 0)
                pipe.expire(BELL, RING_KEPT_SECONDS)
                pipe.execute()
        except (redis.RedisError, OSError):
            self._silent_until = time.monotonic() + BREAKER_SECONDS
            return False
        return True

    def wait(self, seconds: float, pause: Pause | None = None) -> bool:
        """Sleep until somebody rings, at most `seconds` (0 < seconds ≤ WAIT_SECONDS_MAX). True when rung.

        While Redis is away it only sleeps, on `pause` when given, so that a stopping process need not wait for it.
        """
        assert 0 < seconds <= WAIT_SECONDS_MAX
        started = time.monotonic()
        try:
            if self._waiting is None:
                self._waiting = _client(self._url, WAIT_SECONDS_MAX + WAIT_SLACK_SECONDS)
            return self._waiting.blpop([BELL], timeout=seconds) is not None
        except (redis.RedisError, OSError):
            rest = seconds - (time.monotonic() - started)
            if rest > 0:
                pause.wait(rest) if pause is not None else time.sleep(rest)
            return False

    def close(self) -> None:
        """Let go of the connections."""
        self._ringing.close()
        if self._waiting is not None:
            self._waiting.close()


def _client(url: str, answer_seconds: float) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS_MAX,
        socket_timeout=answer_seconds,
        retry=Retry(NoBackoff(), 0),
    )
