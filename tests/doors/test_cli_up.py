"""`duka up` and `duka demo` as real processes: what they start, what they say, and that nothing of it outlives them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import embedded
from cli.commands.up import read_scale
from cli.demo.play import option, options
from cli.failures import Failed
from cli.places import ROOT
from core import tenants
from tests.doors.cli_kit import OPEN, Box, make_box
from tests.services import eventually, free_port

PROCFILE = 'one: python -c "import time; print(\'hello from one\', flush=True); time.sleep(60)"\ntwo: python -c "import time; time.sleep(60)"\n'
STOP_SECONDS_MAX = 30
MENU = "Shore WiFi\n1 1 hour KES 10\n2 3 hours KES 20\n98 More"


@pytest.fixture
def box(tmp_path: Path, secrets_key: Path) -> Box:
    """A machine with SQLite, and a Redis address at which nobody answers."""
    made = make_box(tmp_path, f"sqlite:///{tmp_path / 'duka.db'}", f"redis://127.0.0.1:{free_port()}/0", secrets_key)
    made.does("init", *OPEN)
    return made


@contextmanager
def running(box: Box, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`duka …` as a process of its own; killed at the end if it is still there."""
    environment = os.environ | box.env | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *words], cwd=box.folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        assert process.stdout is not None
        process.stdout.close()
        process.wait()


def lines_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """What it says up to the line with these words."""
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if words in line:
            return said
    raise AssertionError(f"{words!r} was not said: {said}")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pids_in(folder: Path) -> dict[str, int]:
    return {path.stem: int(path.read_text(encoding="ascii")) for path in folder.glob("*.pid")}


# ---- up ----------------------------------------------------------------------------------------------------------------


def test_up_starts_everything_with_a_redis_where_none_answers_and_stops_it_all(box: Box) -> None:
    procfile = box.folder / "Procfile"
    procfile.write_text(PROCFILE, encoding="utf-8")
    with running(box, "up", "--scale", "one=2") as process:
        said = lines_until(process, "hello from one")
        assert any("starting a Redis there" in line for line in said)
        url = box.settings.redis.url
        eventually(lambda: embedded.answers(url), what="Redis answers")
        eventually(lambda: len(pids_in(box.folder / "var" / "run")) == 4, what="redis, one.1, one.2 and two run")
        started = pids_in(box.folder / "var" / "run")
        assert set(started) == {"redis", "one.1", "one.2", "two"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS_MAX) == 0
    assert not embedded.answers(url)
    assert not any(alive(pid) for pid in started.values())


def test_up_without_tables_or_with_a_distant_silent_redis_does_not_start(box: Box, tmp_path: Path) -> None:
    (box.folder / "Procfile").write_text(PROCFILE, encoding="utf-8")
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    procfile = ("up", "--procfile", str(box.folder / "Procfile"))
    assert "duka init" in box.fails(*procfile, DUKA_DATABASE__URL=empty)
    said = box.fails(*procfile, DUKA_REDIS__URL="redis://:hunter2@127.0.0.1:1/0")
    assert "Redis does not answer at 127.0.0.1:1/0" in said
    assert "hunter2" not in said
    assert "there is no" in box.fails("up", "--procfile", str(box.folder / "nothing"))


@pytest.mark.parametrize("words", ["worker", "worker=", "worker=many", "=2", "worker=-1", "worker=999", "worker=2;ls"])
def test_a_scale_that_says_nothing_is_refused(words: str) -> None:
    with pytest.raises(Failed, match="worker=2"):
        read_scale([words])


def test_a_scale_says_how_many_of_each() -> None:
    assert read_scale(["worker=4", "portal=0"]) == {"worker": 4, "portal": 0}


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("redis://127.0.0.1:7000/0", 7000),
        ("redis://localhost", 6379),
        ("redis://:secret@127.0.0.1:7000/0", None),
        ("redis://redis.example:6379/0", None),
        ("rediss://127.0.0.1:7000/0", None),
        ("unix:///run/redis.sock", None),
    ],
)
def test_only_a_plain_local_redis_may_be_started_by_us(url: str, port: int | None) -> None:
    assert embedded.local_port(url) == port


# ---- a person at a terminal --------------------------------------------------------------------------------------------


def test_init_asks_a_person_for_what_is_missing_and_offers_what_fits_the_country(
    tmp_path: Path, secrets_key: Path
) -> None:
    box = make_box(tmp_path, f"sqlite:///{tmp_path / 'duka.db'}", "redis://127.0.0.1:1/0", secrets_key)
    ours, theirs = pty.openpty()
    environment = os.environ | box.env | {"PYTHONPATH": str(ROOT), "TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "init"],
        cwd=box.folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, b"lake\nLake Net\nTZ\n\n\nsw\n\n")
    said = everything(ours)
    assert process.wait(STOP_SECONDS_MAX) == 0, said
    assert "Africa/Dar_es_Salaam" in said
    with box.work(1) as uow:
        tenant = tenants.current(uow)
        assert (tenant.slug, tenant.country, tenant.currency, tenant.language) == ("lake", "TZ", "TZS", "sw")


def everything(terminal: int) -> str:
    """What a terminal shows until its program ends."""
    said = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that nobody holds the other end any more
            piece = b""
        if not piece:
            os.close(terminal)
            return said.decode(errors="replace")
        said += piece


# ---- demo --------------------------------------------------------------------------------------------------------------


def test_the_demo_ends_with_a_device_online_and_leaves_nothing_running(box: Box) -> None:
    folder = box.folder / "demo"
    with running(box, "demo", "--exit", "--folder", str(folder)) as process:
        lines_until(process, "processes are up")
        started = pids_in(folder / "run")
        said = lines_until(process, "s after the PIN")
        assert process.wait(STOP_SECONDS_MAX) == 0
    story = "\n".join(said)
    for step in ("dials", "Enter PIN", "types the PIN", "RADIUS rows", "SMS receipt", "session has started", "browses"):
        assert step in story
    assert re.search(r"^ +\d+\.\d\d s +\+ *\d+\.\d\d +the caller dials", story, re.MULTILINE)
    assert {"sim", "portal", "ussd", "radius", "relay", "worker.1", "worker.2", "clock", "redis"} == set(started)
    assert not any(alive(pid) for pid in started.values())


def test_a_demo_that_did_not_work_says_why_and_ends_with_1(box: Box) -> None:
    folder = box.folder / "demo"
    with running(box, "demo", "--exit", "--folder", str(folder)) as process:
        opened = lines_until(process, "the pretend town is open")[-1]
        url = opened[opened.index("http://") :].strip()
        lines_until(process, "processes are up")
        started = pids_in(folder / "run")
        post(f"{url}api/trouble/router_api_down", {"on": True})
        lines_until(process, "it did not work")
        assert process.wait(STOP_SECONDS_MAX) == 1
    assert not any(alive(pid) for pid in started.values())


def test_a_demo_is_stopped_whole_by_a_signal(box: Box) -> None:
    folder = box.folder / "demo"
    with running(box, "demo", "--folder", str(folder)) as process:
        lines_until(process, "the pretend town is open")
        started = pids_in(folder / "run")
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS_MAX) != 0
    assert {"sim", "redis"} <= set(started)
    assert not any(alive(pid) for pid in started.values())


def test_a_demo_never_empties_a_folder_that_is_not_its_own(box: Box) -> None:
    precious = box.folder / "precious"
    precious.mkdir()
    (precious / "photo.jpg").write_bytes(b"dear")
    with running(box, "demo", "--exit", "--folder", str(precious)) as process:
        lines_until(process, "is in use by something else")
        assert process.wait(STOP_SECONDS_MAX) == 1
    assert (precious / "photo.jpg").read_bytes() == b"dear"


def test_the_player_reads_menus_by_their_words() -> None:
    assert options(MENU) == [("1", "1 hour KES 10"), ("2", "3 hours KES 20"), ("98", "More")]
    assert option(MENU, "3 hours") == "2"
    assert option(MENU, re.compile("more", re.IGNORECASE)) == "98"
    with pytest.raises(Failed, match="5 hours"):
        option(MENU, "5 hours")


def post(url: str, fields: dict[str, object]) -> None:
    request = urllib.request.Request(url, json.dumps(fields).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
