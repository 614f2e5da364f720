"""Where access tokens are kept: shared through Redis, and still there for us when Redis is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from cryptography.fernet import Fernet

from core.adapters.tokens import BREAK_SECONDS, PREFIX, LocalTokens, RedisTokens
from tests.services import RedisServer, eventually

TOKEN = "t0k3n-of-the-company"


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed


class Deaf:
    """Takes connections and never says a word, like a Redis that hangs."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self.connections.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    server = Deaf()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _open_vault(secrets_key: Path) -> None:
    """The tokens are encrypted, so the vault must be open."""


def test_what_one_process_fetched_the_others_find(own_redis: RedisServer) -> None:
    RedisTokens(own_redis.url).put("daraja:a", TOKEN, 3000)
    other = RedisTokens(own_redis.url)
    assert other.get("daraja:a") == TOKEN
    assert other.get("daraja:b") is None


def test_a_newer_token_replaces_the_older_one_for_everybody(own_redis: RedisServer) -> None:
    one, other = RedisTokens(own_redis.url), RedisTokens(own_redis.url)
    one.put("daraja:a", "older", 3000)
    other.put("daraja:a", TOKEN, 3000)
    assert one.get("daraja:a") == TOKEN


def test_redis_sees_no_token_in_clear_and_forgets_it_in_time(own_redis: RedisServer) -> None:
    RedisTokens(own_redis.url).put("daraja:a", TOKEN, 3000)
    with own_redis.client() as client:
        kept = client.get(PREFIX + "daraja:a")
        assert isinstance(kept, bytes)
        assert TOKEN.encode() not in kept
        assert 2990 <= client.ttl(PREFIX + "daraja:a") <= 3000


@pytest.mark.parametrize(
    "found",
    [Fernet(Fernet.generate_key()).encrypt(b"x"), b"", b"in clear", b"\xff\x00"],
    ids=["another key's", "empty", "in clear", "no text"],
)
def test_what_our_key_does_not_open_is_no_token(found: bytes, own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.set(PREFIX + "daraja:a", found)
    assert RedisTokens(own_redis.url).get("daraja:a") is None


def test_a_redis_that_was_emptied_means_fetching_anew(own_redis: RedisServer) -> None:
    tokens = RedisTokens(own_redis.url)
    tokens.put("daraja:a", TOKEN, 3000)
    own_redis.flush()
    assert tokens.get("daraja:a") is None


def test_without_redis_a_process_keeps_its_own_tokens(own_redis: RedisServer) -> None:
    seconds = Seconds()
    tokens = RedisTokens(own_redis.url, seconds)
    tokens.put("daraja:a", TOKEN, 3000)
    own_redis.stop()
    assert tokens.get("daraja:a") == TOKEN
    tokens.put("daraja:b", "another", 3000)
    assert tokens.get("daraja:b") == "another"
    seconds.passed = 3000
    assert tokens.get("daraja:a") is None


def test_when_redis_comes_back_tokens_are_shared_again(own_redis: RedisServer) -> None:
    seconds = Seconds()
    tokens = RedisTokens(own_redis.url, seconds)
    own_redis.stop()
    assert tokens.get("daraja:a") is None
    own_redis.start()
    seconds.passed = BREAK_SECONDS
    tokens.put("daraja:a", TOKEN, 3000)
    assert RedisTokens(own_redis.url).get("daraja:a") == TOKEN


def test_a_hanging_redis_is_asked_once_and_then_left_alone_for_a_while(deaf: Deaf) -> None:
    seconds = Seconds()
    tokens = RedisTokens(deaf.url, seconds)
    for _ in range(50):
        tokens.put("daraja:a", TOKEN, 3000)
        assert tokens.get("daraja:a") == TOKEN
        with tokens.lock("daraja:a"):
            assert tokens.get("daraja:a") == TOKEN
    assert len(deaf.connections) == 1
    seconds.passed = BREAK_SECONDS
    assert tokens.get("daraja:a") == TOKEN
    eventually(lambda: len(deaf.connections) == 2, what="asked again")


@pytest.mark.parametrize("redis_there", [True, False])
def test_only_one_at_a_time_holds_the_lock_of_a_name(redis_there: bool, own_redis: RedisServer) -> None:
    one = RedisTokens(own_redis.url)
    other = RedisTokens(own_redis.url) if redis_there else one
    if not redis_there:
        own_redis.stop()
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with other.lock("daraja:a"):
            order.append("second")

    thread = threading.Thread(target=second)
    with one.lock("daraja:a"):
        thread.start()
        assert waiting.wait(5)
        thread.join(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_names_do_not_wait_for_each_other(own_redis: RedisServer) -> None:
    tokens = RedisTokens(own_redis.url)
    with tokens.lock("daraja:a"), tokens.lock("daraja:b"):
        assert tokens.get("daraja:a") is None


def test_a_failed_fetch_gives_the_lock_back(own_redis: RedisServer) -> None:
    with pytest.raises(LookupError), RedisTokens(own_redis.url).lock("daraja:a"):
        raise LookupError
    with own_redis.client() as client:
        assert client.keys(f"{PREFIX}*lock") == []
    with RedisTokens(own_redis.url).lock("daraja:a"), own_redis.client() as client:
        assert len(client.keys(f"{PREFIX}*lock")) == 1


def test_a_lock_ends_by_itself_when_its_owner_dies(own_redis: RedisServer) -> None:
    with RedisTokens(own_redis.url).lock("daraja:a"), own_redis.client() as client:
        (name,) = client.keys(f"{PREFIX}*lock")
        assert 0 < client.ttl(name) <= 30


def test_redis_dying_under_a_lock_disturbs_nobody(own_redis: RedisServer) -> None:
    tokens = RedisTokens(own_redis.url)
    with tokens.lock("daraja:a"):
        own_redis.stop()
        tokens.put("daraja:a", TOKEN, 3000)
    assert tokens.get("daraja:a") == TOKEN


def test_a_lock_that_ran_out_while_held_disturbs_nobody(own_redis: RedisServer) -> None:
    tokens = RedisTokens(own_redis.url)
    with tokens.lock("daraja:a"):
        own_redis.flush()
    with tokens.lock("daraja:a"):
        tokens.put("daraja:a", TOKEN, 3000)
    assert RedisTokens(own_redis.url).get("daraja:a") == TOKEN


def test_local_tokens_end_when_their_time_is_up() -> None:
    seconds = Seconds()
    tokens = LocalTokens(seconds)
    tokens.put("daraja:a", TOKEN, 60)
    seconds.passed = 59.9
    assert tokens.get("daraja:a") == TOKEN
    seconds.passed = 60.0
    assert tokens.get("daraja:a") is None


def test_a_wrong_redis_address_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="redis"):
        RedisTokens("http://127.0.0.1")


def test_something_else_under_our_name_is_like_no_redis(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.rpush(PREFIX + "daraja:a", "a list")
    tokens = RedisTokens(own_redis.url)
    assert tokens.get("daraja:a") is None
    with pytest.raises(redis.ResponseError), own_redis.client() as client:
        client.get(PREFIX + "daraja:a")
