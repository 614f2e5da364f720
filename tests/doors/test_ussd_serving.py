"""The door under its production server, as a process: `python -m ussd`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from core.config import Settings
from tests.doors.ussd_kit import CALLER, Stand, running_stand
from tests.services import eventually, free_port

ANSWER_SECONDS_MAX = 10


@dataclass
class Process:
    """A running door and everything it has printed."""

    child: subprocess.Popen[bytes]
    base_url: str
    output: Path

    def dial(self, path: str, session_id: str) -> requests.Response:
        form = {"sessionId": session_id, "phoneNumber": CALLER, "text": ""}
        return requests.post(self.base_url + path, data=form, timeout=ANSWER_SECONDS_MAX)

    def alive(self) -> bool:
        try:
            return requests.get(f"{self.base_url}/healthz", timeout=1).status_code == 200
        except requests.RequestException:
            return False

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text("ascii").split()
        return [int(pid) for pid in children]


def sockets(pid: int) -> int:
    """How many sockets a process holds."""
    return sum(str(entry.readlink()).startswith("socket:") for entry in Path(f"/proc/{pid}/fd").iterdir())


@contextmanager
def process(settings: Settings, secrets_key: Path, folder: Path, port: int) -> Iterator[Process]:
    environment = os.environ | {
        "DUKA_DATABASE__URL": settings.database.url, "DUKA_REDIS__URL": settings.redis.url,
        "DUKA_SECRETS__KEY": f"file:{secrets_key}", "DUKA_USSD__PORT": str(port), "DUKA_USSD__PROCESSES": "2",
    }  # fmt: skip
    environment.pop("DUKA_CONFIG", None)
    output = folder / "output.txt"
    with output.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "ussd"],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        yield Process(child, f"http://127.0.0.1:{port}", output)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        stand.package()
        yield stand


def test_it_serves_survives_the_death_of_a_process_keeps_secrets_and_stops_in_order(
    stand: Stand, settings: Settings, secrets_key: Path, tmp_path: Path
) -> None:
    with process(settings, secrets_key, tmp_path, free_port()) as door:
        eventually(door.alive, 30, "the door answers")
        response = door.dial(stand.ussd_path, "ATUid_1")
        assert response.status_code == 200
        assert response.text.startswith("CON Kiosk Net: choose a package")
        assert requests.get(door.base_url + stand.ussd_path, timeout=ANSWER_SECONDS_MAX).status_code == 405
        assert door.dial(f"/ussd/africastalking/{'x' * 32}", "ATUid_2").status_code == 404
        eventually(lambda: len(door.workers()) == 2, 10, "both processes run")
        before = door.workers()
        assert sockets(door.child.pid) == 1, "the parent listens, and has opened nothing that its processes would share"
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(set(door.workers()) - set(before)) == 1, 30, "a new process takes its place")
        eventually(door.alive, 30, "the door answers again")
        door.child.send_signal(signal.SIGTERM)
        assert door.child.wait(20) == 0
        printed = door.output.read_text("utf-8")
    assert '"event": "serving"' in printed
    assert stand.ussd_path.rpartition("/")[2] not in printed
    assert CALLER not in printed
    assert "Traceback" not in printed


def test_a_port_that_is_taken_is_said_in_words(settings: Settings, secrets_key: Path, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with process(settings, secrets_key, tmp_path, port) as door:
            assert door.child.wait(30) == 1
            assert f"ussd: 127.0.0.1 port {port}: Address already in use" in door.output.read_text("utf-8")


def test_a_bad_configuration_is_said_in_words(settings: Settings, tmp_path: Path) -> None:
    with process(settings, tmp_path / "missing.key", tmp_path, 0) as door:
        assert door.child.wait(30) == 2
        printed = door.output.read_text("utf-8")
    assert printed.startswith("ussd: config.toml: secrets.key: ")
    assert "Traceback" not in printed
