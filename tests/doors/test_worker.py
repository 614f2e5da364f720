"""Workers: keep what Redis hands them, and survive kills, floods, and a Redis that stops or forgets everything."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

import core
from core.app import App
from core.config import Redis, Settings, load
from core.tasks import Digest, LogOut, SendMessage, Task
from jobs import worker
from jobs.job import by_task
from jobs.relay import Parcel, Queues, run_once
from tests.plumbing import LaneRehearsal, Rehearsal, audited, end_leases, kept, opened, owe, promise_of
from tests.services import RedisServer, eventually

ROOT = Path(core.__path__[0]).parent


@pytest.fixture
def app(settings: Settings, own_redis: RedisServer) -> Iterator[App]:
    with opened(settings.model_copy(update={"redis": Redis(url=own_redis.url)})) as app:
        yield app


@pytest.fixture
def small_app(sqlite_template: Path, secrets_key: Path, own_redis: RedisServer, tmp_path: Path) -> Iterator[App]:
    """An app on SQLite, for what has nothing to do with the kind of database."""
    shutil.copy(sqlite_template, tmp_path / "small.db")
    settings = load(
        database={"url": f"sqlite:///{tmp_path / 'small.db'}"},
        redis={"url": own_redis.url},
        secrets={"key": f"file:{secrets_key}"},
    )
    with opened(settings) as app:
        yield app


@pytest.fixture
def small_queues(own_redis: RedisServer) -> Iterator[Queues]:
    queues = Queues(own_redis.url)
    yield queues
    queues.close()


@pytest.fixture
def queues(app: App) -> Iterator[Queues]:
    queues = Queues(app.settings.redis.url)
    yield queues
    queues.close()


class DigestRehearsal(Rehearsal):
    task: ClassVar[type[Task]] = Digest


# ---- in this process ---------------------------------------------------------------------------------------------------


def test_what_the_relay_carries_the_worker_keeps_on_every_queue(app: App, queues: Queues) -> None:
    owe(app, SendMessage(1), SendMessage(2), Digest(3), LogOut(mac="4", router_id=1), LogOut(mac="5", router_id=2))
    jobs = [Rehearsal(), DigestRehearsal(), LaneRehearsal()]
    run_once(app, queues)
    worker.run(app, by_task(jobs), burst=True)
    assert kept(app) == 5
    assert [sorted(job.acted) for job in jobs] == [[1, 2], [3], [4, 5]]


def test_kept_promises_leave_nothing_behind_in_redis(app: App, queues: Queues, own_redis: RedisServer) -> None:
    owe(app, *(SendMessage(number) for number in range(40)))
    broken = Rehearsal(on_act=lambda number: 1 / 0)  # type: ignore[arg-type,return-value]
    run_once(app, queues)
    worker.run(app, by_task([broken]), burst=True)
    with own_redis.client() as client:
        left = {key.decode() for key in client.keys("*")}
        assert {key for key in left if client.ttl(key) == -1} <= {"rq:queues"}, "everything else ends by itself"
        assert not [
            key for key in left if key.startswith(("rq:job:", "rq:failed:", "rq:wip:", "rq:finished:", "lane:"))
        ]


def test_a_doubled_parcel_is_recorded_once(app: App, queues: Queues) -> None:
    (promise_id,) = owe(app, SendMessage(1))
    parcel = Parcel("messages", (promise_id,))
    queues.put([parcel, parcel])
    queues.put([parcel])
    worker.run(app, by_task([Rehearsal()]), burst=True)
    assert len(audited(app, "rehearsed")) == 1


def test_a_flood_on_one_queue_does_not_starve_the_others(app: App, queues: Queues) -> None:
    flood = owe(app, *(Digest(number) for number in range(20)))
    (message,) = owe(app, SendMessage(100))
    queues.put([*(Parcel("money", (promise_id,)) for promise_id in flood), Parcel("messages", (message,))])
    order: list[int] = []

    def note(number: int) -> str:
        order.append(number)
        return "done"

    worker.run(app, by_task([Rehearsal(on_act=note), DigestRehearsal(on_act=note)]), burst=True)
    assert len(order) == 21
    assert order.index(100) <= 2


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("os.mkdir", ["{folder}/made"]),
        ("jobs.worker.keep", ["1; drop"]),
        ("jobs.worker.keep", []),
        ("no.such.function", []),
    ],
)
def test_what_strangers_put_into_redis_is_not_run_and_does_no_harm(
    app: App, queues: Queues, own_redis: RedisServer, tmp_path: Path, function: str, arguments: list[str]
) -> None:
    (promise_id,) = owe(app, SendMessage(1))
    with own_redis.client() as client:
        given = [argument.format(folder=tmp_path) for argument in arguments]
        Queue("money", connection=client, serializer=JSONSerializer).enqueue(function, args=given)
        client.rpush("rq:queue:money", "no-such-job", b"\xff\xfe")
        client.hset("rq:job:garbage", mapping={"data": b"\x80garbage", "status": "queued", "created_at": "never"})
        client.rpush("rq:queue:money", "garbage")
    queues.put([Parcel("messages", (promise_id,))])
    for _ in range(4):  # what cannot even be read ends one life of the worker
        worker.run(app, by_task([Rehearsal()]), burst=True)
    assert not (tmp_path / "made").exists()
    assert promise_of(app, promise_id).done_at is not None


# ---- as a process ------------------------------------------------------------------------------------------------------


START_SECONDS_MAX = 60
"""Starting a process takes a second on an idle machine, and long on one that runs other tests too."""


@contextmanager
def process(app: App, folder: Path, says: str = "worker.started") -> Iterator[subprocess.Popen[bytes]]:
    """A real worker on the app's database and Redis, up and listening (or whatever else it `says` first)."""
    settings = app.settings
    key = folder / "duka.key"
    key.write_text(settings.secrets.key, encoding="ascii")
    environment = os.environ | {
        "DUKA_DATABASE__URL": settings.database.url,
        "DUKA_REDIS__URL": settings.redis.url,
        "DUKA_SECRETS__KEY": f"file:{key}",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("DUKA_CONFIG", None)
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "tests.doors.worker_process", str(folder)]
        started = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        eventually(lambda: says in (folder / "log").read_text("utf-8"), START_SECONDS_MAX, says)
        yield started
    finally:
        started.kill()
        started.wait()
        (folder / "log").rename(folder / f"log.{started.pid}")


def acted(folder: Path) -> list[int]:
    path = folder / "acted"
    return [int(line) for line in path.read_text("ascii").split()] if path.exists() else []


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """While it is there, whoever acts waits for somebody to write into it."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def open_gate(gate: Path) -> None:
    with gate.open("wb") as writing:
        gate.unlink()
        writing.write(b"go")


def test_a_worker_killed_while_it_acts_loses_nothing(
    app: App, queues: Queues, own_redis: RedisServer, tmp_path: Path, gate: Path
) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    with process(app, tmp_path) as first:
        run_once(app, queues)
        eventually(lambda: acted(tmp_path) == [7], 20, "the worker acts")
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert promise_of(app, promise_id).open
    assert run_once(app, queues) == 0, "its lease still stands"
    gate.unlink()
    end_leases(app)
    with process(app, tmp_path):
        assert run_once(app, queues) == 1
        eventually(lambda: kept(app) == 1, 20, "another worker keeps it")
    assert acted(tmp_path) == [7, 7]
    assert len(audited(app, "rehearsed")) == 1


def test_a_worker_outlives_a_redis_that_stops_and_comes_back_empty(
    small_app: App, small_queues: Queues, own_redis: RedisServer, tmp_path: Path
) -> None:
    owe(small_app, SendMessage(1))
    with process(small_app, tmp_path) as alive:
        run_once(small_app, small_queues)
        eventually(lambda: kept(small_app) == 1, 20)
        own_redis.stop()
        own_redis.start()
        owe(small_app, SendMessage(2))
        run_once(small_app, small_queues)
        eventually(lambda: kept(small_app) == 2, 20)
        assert alive.poll() is None


@pytest.mark.parametrize("trouble", ["flush", "stop"])
def test_a_redis_lost_in_the_middle_of_a_job_kills_no_worker(
    small_app: App, small_queues: Queues, own_redis: RedisServer, tmp_path: Path, gate: Path, trouble: str
) -> None:
    owe(small_app, SendMessage(1))
    with process(small_app, tmp_path) as alive:
        run_once(small_app, small_queues)
        eventually(lambda: acted(tmp_path) == [1], 20)
        if trouble == "flush":
            own_redis.flush()
        else:
            own_redis.stop()
        open_gate(gate)
        eventually(lambda: kept(small_app) == 1, 20, "what was begun is finished without Redis")
        if trouble == "stop":
            own_redis.start()
        owe(small_app, SendMessage(2))
        run_once(small_app, small_queues)
        eventually(lambda: kept(small_app) == 2, 20, "and the worker works on")
        assert alive.poll() is None
        with own_redis.client() as client:
            eventually(
                lambda: all(client.ttl(key) > 0 for key in client.keys("rq:job:*")),
                what="whatever RQ stumbled over is forgotten by itself",
            )


def test_a_worker_told_to_stop_finishes_what_it_holds(
    small_app: App, small_queues: Queues, tmp_path: Path, gate: Path
) -> None:
    owe(small_app, SendMessage(1))
    with process(small_app, tmp_path) as stopping:
        run_once(small_app, small_queues)
        eventually(lambda: acted(tmp_path) == [1], 20)
        stopping.terminate()
        owe(small_app, SendMessage(2))
        run_once(small_app, small_queues)
        open_gate(gate)
        assert stopping.wait(10) == 0
    assert acted(tmp_path) == [1], "nothing new is begun"
    assert kept(small_app) == 1


@pytest.mark.parametrize("redis_runs", [True, False], ids=["idle", "without Redis"])
def test_a_worker_without_work_stops_at_once_and_in_order(
    small_app: App, own_redis: RedisServer, tmp_path: Path, redis_runs: bool
) -> None:
    if not redis_runs:
        own_redis.stop()
    with process(small_app, tmp_path, says="worker.started" if redis_runs else "worker.no_redis") as idle:
        idle.terminate()
        assert idle.wait(10) == 0
    lines = [json.loads(line) for line in (tmp_path / f"log.{idle.pid}").read_text("utf-8").splitlines()]
    assert lines[-1]["event"] == "worker.stopped"
    assert {line["process"] for line in lines} == {"worker"}
