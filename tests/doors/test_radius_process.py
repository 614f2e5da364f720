"""The RADIUS process as an operator starts and stops it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doors.radius_side import SECRET, radclient
from tests.services import free_port

ROOT = Path(__file__).parents[2]


def environment(database_url: str, secrets_key: Path, auth_port: int, acct_port: int) -> dict[str, str]:
    return os.environ | {
        "DUKA_DATABASE__URL": database_url, "DUKA_SECRETS__KEY": f"file:{secrets_key}", "DUKA_RADIUS__HOST": "127.0.0.1",
        "DUKA_RADIUS__AUTH_PORT": str(auth_port), "DUKA_RADIUS__ACCT_PORT": str(acct_port),
    }  # fmt: skip


def start(extra: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "radius"],
        cwd=ROOT,
        env=extra,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_listens_and_ends_in_order_when_told_to(
    database_url: str, secrets_key: Path, number: signal.Signals
) -> None:
    auth_port, acct_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    process = start(environment(database_url, secrets_key, auth_port, acct_port))
    try:
        assert process.stdout is not None
        assert "radius.started" in process.stdout.readline()
        said = radclient(auth_port, "status", "Message-Authenticator = 0x00", SECRET)
        assert said.code == "", "no router is registered in this database"
    finally:
        process.send_signal(number)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert "router not registered?" in output
    assert "radius.stopped" in output


def test_a_taken_port_is_said_in_words(database_url: str, secrets_key: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        process = start(environment(database_url, secrets_key, port, 0))
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert output.startswith("radius: cannot listen on 127.0.0.1")


def test_a_configuration_that_cannot_be_used_is_said_in_words(database_url: str, secrets_key: Path) -> None:
    wrong = environment(database_url, secrets_key, 0, 0) | {"DUKA_RADIUS__AUTH_PORT": "99999"}
    process = start(wrong)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "radius.auth_port" in output
