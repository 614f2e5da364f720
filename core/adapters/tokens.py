"""Access tokens of companies, shared by all our processes.

Some companies kill the previous token whenever they issue one (payments.md §1.1), so workers must not each fetch their
own. Redis is where they meet. It holds nothing that cannot be fetched again: while it is away every process keeps its
tokens to itself and everything still works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import redis
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import LockError, RedisError
from redis.lock import Lock
from redis.retry import Retry

from core.db import WrongKey, vault

REDIS_TIMEOUT_SECONDS = 0.3
BREAK_SECONDS = 5.0
LOCK_SECONDS = 30.0
"""A lock outlives the slowest fetch of a token (14 s by default, 10 more for a last silent piece at worst), and ends by itself if its owner dies."""
PREFIX = "duka:token:"

log = structlog.get_logger(__name__)


class TokenStore(Protocol):
    """Where tokens are kept until they expire."""

    def get(self, name: str) -> str | None:
        """The token of this name, None when there is none that still holds."""
        ...

    def put(self, name: str, token: str, ttl_seconds: int) -> None:
        """Keep a token for so long."""
        ...

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Only one at a time fetches the token of this name. Waits; best effort when Redis is away."""
        ...


class LocalTokens:
    """Tokens of this process only."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def get(self, name: str) -> str | None:
        with self._guard:
            token, expires_at = self._tokens.get(name, (None, 0.0))
            return token if self._monotonic() < expires_at else None

    def put(self, name: str, token: str, ttl_seconds: int) -> None:
        with self._guard:
            self._tokens[name] = (token, self._monotonic() + ttl_seconds)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            yield


class RedisTokens:
    """Tokens in Redis, encrypted; in this process while Redis is away.

    A dead Redis is asked once in BREAK_SECONDS and costs REDIS_TIMEOUT_SECONDS then, nothing in between.
    """

    def __init__(self, redis_url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._local = LocalTokens(monotonic)
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._ask_again_at = 0.0

    def get(self, name: str) -> str | None:
        if self._away:
            return self._local.get(name)
        try:
            sealed = self._redis.get(PREFIX + name)
        except RedisError as error:
            self._lost(error)
            return self._local.get(name)
        if not isinstance(sealed, bytes):
            return None
        try:
            return vault.open(sealed)
        except WrongKey:
            return None  # sealed with a key that is gone: fetch a new token

    def put(self, name: str, token: str, ttl_seconds: int) -> None:
        sealed = vault.seal(token)
        self._local.put(name, token, ttl_seconds)
        if self._away:
            return
        try:
            self._redis.set(PREFIX + name, sealed, ex=ttl_seconds)
        except RedisError as error:
            self._lost(error)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        with self._local.lock(name):
            shared = self._take(f"{PREFIX}{name}:lock")
            try:
                yield
            finally:
                if shared is not None:
                    self._release(shared)

    @property
    def _away(self) -> bool:
        return self._monotonic() < self._ask_again_at

    def _lost(self, error: RedisError) -> None:
        self._ask_again_at = self._monotonic() + BREAK_SECONDS
        log.warning("redis_away", error=type(error).__name__, seconds=BREAK_SECONDS)

    def _take(self, name: str) -> Lock | None:
        """The lock, or None when it cannot be had: going on without it costs at most one token too many."""
        if self._away:
            return None
        lock = self._redis.lock(name, timeout=LOCK_SECONDS, sleep=0.05, blocking_timeout=LOCK_SECONDS)
        try:
            return lock if lock.acquire() else None
        except RedisError as error:
            self._lost(error)
            return None

    def _release(self, lock: Lock) -> None:
        try:
            lock.release()
        except LockError:
            return  # it ran out while we held it
        except RedisError as error:
            self._lost(error)
