"""The relay: carries what is due, whatever happens to Redis, the database or itself in between."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from core import outbox
from core.adapters.doorbell import BELL, RING_SECONDS_MAX, Doorbell
from core.app import App, open_app
from core.clock import FrozenClock, SystemClock
from core.config import Database, Redis, Settings
from core.outbox import LEASE_SECONDS
from core.tasks import QUEUES, Digest, LogOut, PromptPayment, SendMessage
from jobs import relay
from jobs.relay import BATCH_MAX, QUEUED_PER_WORKER_MAX, Parcel, Queues, parcels_of, run_once
from tests.plumbing import Crash, opened, owe, promise_of
from tests.services import RedisServer, create_tables, eventually, free_port


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(settings: Settings, clock: FrozenClock, own_redis: RedisServer) -> Iterator[App]:
    with opened(settings.model_copy(update={"redis": Redis(url=own_redis.url)}), clock) as app:
        yield app


@pytest.fixture
def queues(app: App) -> Iterator[Queues]:
    queues = Queues(app.settings.redis.url)
    yield queues
    queues.close()


def queued(server: RedisServer) -> list[tuple[int, ...]]:
    """The ids of every parcel that lies in Redis, by queue and in order."""
    parcels = []
    with server.client() as client:
        for name in QUEUES:
            for job in Queue(name, connection=client, serializer=JSONSerializer).jobs:
                assert job.func_name == "jobs.worker.keep"
                (ids,) = job.args
                parcels.append(tuple(int(promise_id) for promise_id in ids.split(",")))
    return parcels


def all_of(parcels: Sequence[Sequence[int]]) -> list[int]:
    return sorted(promise_id for parcel in parcels for promise_id in parcel)


# ---- dividing ----------------------------------------------------------------------------------------------------------


def test_a_few_promises_travel_alone_so_that_workers_share_them() -> None:
    leased = [(number, "money", None) for number in range(1, 5)]
    assert parcels_of(leased, hands=4) == [Parcel("money", (number,)) for number in range(1, 5)]


def test_many_promises_travel_in_batches_of_a_bounded_size() -> None:
    parcels = parcels_of([(number, "network", None) for number in range(1, 202)], hands=4)
    assert max(len(parcel.ids) for parcel in parcels) == BATCH_MAX
    assert all_of([parcel.ids for parcel in parcels]) == list(range(1, 202))


def test_promises_of_one_router_stay_together_and_apart_from_those_of_others() -> None:
    leased = [(1, "network", "router:1"), (2, "network", "router:2"), (3, "network", "router:1"), (4, "network", None)]
    assert {parcel.ids for parcel in parcels_of(leased, hands=4)} == {(1, 3), (2,), (4,)}


def test_queues_do_not_mix() -> None:
    leased = [(number, QUEUES[number % 3], None) for number in range(300)]
    for parcel in parcels_of(leased, hands=4):
        assert {QUEUES[number % 3] for number in parcel.ids} == {parcel.queue}


def test_a_parcel_ends_within_the_lease_of_its_promises() -> None:
    for count in (1, 2, BATCH_MAX):
        parcel = Parcel("money", tuple(range(count)))
        assert outbox.JOB_SECONDS_MAX <= parcel.seconds_max <= LEASE_SECONDS - relay.QUEUED_SECONDS_MAX


# ---- carrying ----------------------------------------------------------------------------------------------------------


def test_what_is_due_goes_to_the_queue_of_its_kind_and_the_future_waits(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    message, payment = owe(app, SendMessage(1), PromptPayment(1))
    owe(app, Digest(1), at=clock.now() + timedelta(seconds=1))
    assert run_once(app, queues) == 2
    assert queued(own_redis) == [(payment,), (message,)]
    assert run_once(app, queues) == 0
    clock.advance(timedelta(seconds=1))
    assert run_once(app, queues) == 1


def test_nothing_remains_in_redis_for_ever(app: App, queues: Queues, own_redis: RedisServer) -> None:
    owe(app, SendMessage(1))
    run_once(app, queues)
    with own_redis.client() as client:
        (job,) = client.keys("rq:job:*")
        assert 0 < client.ttl(job) <= relay.QUEUED_SECONDS_MAX


def test_two_relays_at_once_carry_each_promise_once(app: App, own_redis: RedisServer) -> None:
    ids = owe(app, *(SendMessage(number) for number in range(60)))
    together = threading.Barrier(2)

    def carry() -> None:
        mine = Queues(own_redis.url, workers=10)
        together.wait()
        while run_once(app, mine, limit=7):
            pass
        mine.close()

    threads = [threading.Thread(target=carry) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all_of(queued(own_redis)) == ids


def test_a_relay_that_dies_between_lease_and_handing_over_loses_nothing(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    class Dying(Queues):
        def put(self, parcels: Sequence[Parcel]) -> None:
            raise Crash

    ids = owe(app, SendMessage(1))
    with pytest.raises(Crash):
        run_once(app, Dying(own_redis.url))
    assert run_once(app, queues) == 0, "the lease stands"
    clock.advance(timedelta(seconds=LEASE_SECONDS))
    assert run_once(app, queues) == 1
    assert all_of(queued(own_redis)) == ids


def test_while_redis_is_away_nothing_is_leased(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    (promise_id,) = owe(app, SendMessage(1))
    own_redis.stop()
    with pytest.raises(redis.RedisError):
        run_once(app, queues)
    assert promise_of(app, promise_id).due_at == clock.now()
    own_redis.start()
    assert run_once(app, queues) == 1


def test_what_redis_refuses_in_the_last_moment_is_due_again_at_once(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    class Refusing(Queues):
        def put(self, parcels: Sequence[Parcel]) -> None:
            own_redis.stop()
            super().put(parcels)

    ids = owe(app, *(SendMessage(number) for number in range(30)))
    with pytest.raises(redis.RedisError):
        run_once(app, Refusing(own_redis.url))
    own_redis.start()
    clock.advance(timedelta(seconds=relay.RELEASED_SECONDS))
    assert run_once(app, queues) == 30
    assert all_of(queued(own_redis)) == ids


def test_an_emptied_redis_is_filled_again_when_the_leases_end(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    ids = owe(app, SendMessage(1), LogOut(mac="1", router_id=1))
    run_once(app, queues)
    own_redis.flush()
    assert queued(own_redis) == []
    clock.advance(timedelta(seconds=LEASE_SECONDS))
    run_once(app, queues)
    assert all_of(queued(own_redis)) == ids


def test_the_relay_takes_no_more_than_the_workers_can_start(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    queues.put([Parcel("money", (number,)) for number in range(2 * QUEUED_PER_WORKER_MAX)])
    (promise_id,) = owe(app, SendMessage(1))
    assert run_once(app, queues) == 0
    assert promise_of(app, promise_id).due_at == clock.now(), "not leased: it cannot run out of lease in a full queue"
    own_redis.flush()
    assert run_once(app, queues) == 1


# ---- the loop ----------------------------------------------------------------------------------------------------------


@contextmanager
def running(app: App) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(app, stop))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive(), "the relay stops when told"


@pytest.fixture
def live(settings: Settings, own_redis: RedisServer) -> Iterator[App]:
    """As `app`, with the true time."""
    with opened(settings.model_copy(update={"redis": Redis(url=own_redis.url)}), SystemClock()) as app:
        yield app


def test_a_promise_is_carried_without_anybody_ringing(live: App, own_redis: RedisServer) -> None:
    with running(live), live.work(None) as uow:
        outbox.promise(uow.session, 1, SendMessage(1), uow.now)
    with running(live):
        eventually(lambda: queued(own_redis))


def test_a_promise_of_the_near_future_is_carried_when_it_falls_due(live: App, own_redis: RedisServer) -> None:
    with running(live):
        owe(live, SendMessage(1), at=live.clock.now() + timedelta(seconds=2))
        assert queued(own_redis) == []
        eventually(lambda: queued(own_redis))


def test_the_relay_outlives_a_redis_that_stops_and_comes_back(live: App, own_redis: RedisServer) -> None:
    with running(live) as thread:
        first = owe(live, SendMessage(1))
        eventually(lambda: all_of(queued(own_redis)) == first)
        own_redis.stop()
        second = owe(live, SendMessage(2))
        own_redis.start()
        eventually(lambda: all_of(queued(own_redis)) == second)
        assert thread.is_alive()


def test_the_relay_outlives_a_database_that_is_not_ready(
    bare_database_url: str, settings: Settings, own_redis: RedisServer
) -> None:
    early = settings.model_copy(update={"database": Database(url=bare_database_url), "redis": Redis(url=own_redis.url)})
    not_ready = open_app(early)
    with running(not_ready) as thread:
        eventually(lambda: not_ready.engine.pool.checkedin(), what="the relay has tried the database")  # type: ignore[attr-defined]
        create_tables(bare_database_url)
        with opened(early) as ready:
            ids = owe(ready, SendMessage(1))
            eventually(lambda: all_of(queued(own_redis)) == ids)
        assert thread.is_alive()
    not_ready.close()


def test_a_backlog_of_texts_does_not_stand_before_a_payment(
    app: App, queues: Queues, own_redis: RedisServer, clock: FrozenClock
) -> None:
    owe(app, *(SendMessage(number) for number in range(300)))
    clock.advance(timedelta(seconds=1))
    (payment,) = owe(app, PromptPayment(1))
    assert run_once(app, queues, limit=20) == 11
    assert payment in all_of(queued(own_redis))


# ---- the bell ----------------------------------------------------------------------------------------------------------


def test_a_ring_wakes_whoever_waits_and_many_rings_wake_once(own_redis: RedisServer) -> None:
    bell = Doorbell(own_redis.url)
    for _ in range(5):
        assert bell.ring()
    assert bell.wait(0.5)
    assert not bell.wait(0.01), "five rings leave one behind, and it has been heard"
    bell.close()


def test_a_ring_nobody_hears_does_not_stay_for_ever(own_redis: RedisServer) -> None:
    bell = Doorbell(own_redis.url)
    bell.ring()
    with own_redis.client() as client:
        assert 0 < client.ttl(BELL) <= 60
    bell.close()


@pytest.mark.parametrize("redis_is", ["away", "hanging"])
def test_ringing_costs_a_quarter_of_a_second_once_while_redis_does_not_answer(silent_port: int, redis_is: str) -> None:
    port = silent_port if redis_is == "hanging" else free_port()
    bell = Doorbell(f"redis://127.0.0.1:{port}/0")
    started = time.monotonic()
    assert not any(bell.ring() for _ in range(20))
    assert time.monotonic() - started < 16 * RING_SECONDS_MAX  # once, not twenty times, on a busy machine
    bell.close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody listens here and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_waiting_takes_its_time_even_without_redis() -> None:
    bell = Doorbell(f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    assert not bell.wait(0.2)
    assert time.monotonic() - started >= 0.19, "or the relay would spin"
    bell.close()
