"""`duka up`: everything on one box."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import console, embedded
from cli.failures import Failed
from cli.shop import opened
from cli.supervisor import parse_procfile

PROCFILE = Path("Procfile")
RUN_FOLDER = Path("var/run")
SCALE_MAX = 64


def up(
    scale: Annotated[list[str] | None, typer.Option(help="How many of a process: worker=4; repeatable.")] = None,
    procfile: Annotated[Path, typer.Option(help="Which processes.")] = PROCFILE,
) -> None:
    """Start every process, restart those that die, stop all with Ctrl-C.

    A Redis is started too when redis.url points to this machine and nobody answers there.
    """
    if not procfile.is_file():
        raise Failed(f"there is no {procfile} here: start `duka` where it is installed")
    with opened() as app:
        redis_url, workers = app.settings.redis.url, app.settings.jobs.workers
    try:
        lines = procfile.read_text(encoding="utf-8")
        known = parse_procfile(lines)
    except ValueError as error:
        raise Failed(str(error)) from error
    counts = ({"worker": workers} if "worker" in known else {}) | read_scale(scale or [])
    if not embedded.answers(redis_url):
        port = embedded.local_port(redis_url)
        if port is None:
            raise Failed(f"Redis does not answer at {_bare(redis_url)}")
        console.say(f"nobody answers at {_bare(redis_url)}: starting a Redis there")
        lines = with_redis(lines, port, RUN_FOLDER / "redis")
    RUN_FOLDER.mkdir(parents=True, exist_ok=True)
    together = RUN_FOLDER / "Procfile"
    together.write_text(lines, encoding="utf-8")
    if unknown := set(counts) - set(parse_procfile(lines)):
        raise Failed(f"{procfile.name} has no process called {', '.join(sorted(unknown))}")
    become_supervisor(together, counts)


def become_supervisor(procfile: Path, counts: dict[str, int]) -> None:
    """Go on as the supervisor alone: this program has loaded 70 MB that watching processes does not need."""
    scale = [f"{name}={count}" for name, count in counts.items()]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "cli.supervisor", str(procfile), str(RUN_FOLDER), *scale])


def with_redis(lines: str, port: int, folder: Path) -> str:
    """A Procfile with a Redis of our own as its first process, so that it is stopped last."""
    return f"redis: {shlex.join(embedded.command(port, folder))}\n{lines}"


def read_scale(words: list[str]) -> dict[str, int]:
    """`worker=2` → {"worker": 2}."""
    found: dict[str, int] = {}
    for word in words:
        match = re.fullmatch(r"([A-Za-z0-9_-]+)=(\d{1,3})", word)
        if match is None or int(match[2]) > SCALE_MAX:
            raise Failed(f"--scale is written like worker=2 (at most {SCALE_MAX}), not {word!r}")
        found[match[1]] = int(match[2])
    return found


def _bare(url: str) -> str:
    return url.rpartition("@")[2] if "@" in url else url
