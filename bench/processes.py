"""Starting our own processes for a bench, and knowing when they are ready."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READY_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10
ROOT = Path(__file__).parent.parent
ANY_ANSWER = range(100, 600)


class NotStarted(RuntimeError):
    """A process did not get ready; the message ends with its last words."""


@contextmanager
def process(
    arguments: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """`python <arguments>` in `cwd` (the project's folder), output to `log`; asked to stop afterwards."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output,
        )  # fmt: skip
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for_web(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Until something answers on this port. Raises `NotStarted`."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status in ANY_ANSWER:
                connection.close()
                return
        except OSError as error:
            if running.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(f"nothing answers: {log.read_text(errors='replace')[-800:]}") from error
            time.sleep(0.05)


def play(job: dict[str, Any]) -> dict[str, Any]:
    """Let `bench.load` play a job in a process of its own; what it saw."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"], cwd=ROOT, input=json.dumps(job).encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the load was not played: {done.stderr.decode(errors='replace')[-800:]}")
    seen: dict[str, Any] = json.loads(done.stdout)
    if seen["ran_out"]:
        raise RuntimeError("there were fewer scripts than time")
    if set(seen["statuses"]) != {"200"}:
        raise RuntimeError(f"not everything was answered with 200: {seen['statuses']}")
    return seen
