"""Runs the processes of a Procfile, restarts the ones that die, and stops them all together.

For one box without systemd: `duka up`, `make demo`, and tests that kill things. Every process leads a process group of its
own, so that nothing it started outlives it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

PAUSE_SECONDS_FIRST, PAUSE_SECONDS_MAX = 0.2, 5.0
"""Before a process that died is started again; doubles each time."""
STEADY_SECONDS = 10.0
"""A process that lived so long starts again with the shortest pause."""
STOP_SECONDS_MAX = 10.0
STOP_SECONDS_EACH = 3.0
"""How long the others wait for one that stops slowly before they are told to stop too."""
LINE_BYTES_MAX = 64 * 1024
COLOURS = (36, 33, 32, 35, 34, 31)
assert STOP_SECONDS_EACH < STOP_SECONDS_MAX

OnLine = Callable[[str, str], None]
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")


def parse_procfile(text: str) -> dict[str, list[str]]:
    """`name: command` per line → name → arguments. Raises ValueError naming the line that cannot be understood."""
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] in found:
            raise ValueError(f"Procfile line {number}: expected `name: command`, each name once")
        found[match[1]] = shlex.split(match[2])
    return found


class Supervisor:
    """The processes of one Procfile.

    `scale` says how many of a name to run (`{"worker": 2}` → worker.1, worker.2; 0 leaves it out). `on_line(name, line)` gets
    their output; without it they are printed, each name in its colour. `run_folder` receives `<name>.pid` files.
    """

    def __init__(
        self,
        procfile: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_line: OnLine | None = None,
        *,
        scale: Mapping[str, int] | None = None,
        run_folder: Path | None = None,
        stop_seconds: float = STOP_SECONDS_MAX,
    ) -> None:
        commands = parse_procfile(procfile.read_text(encoding="utf-8"))
        if unknown := set(scale or ()) - set(commands):
            raise ValueError(f"{procfile.name} has no process called {', '.join(sorted(unknown))}")
        self._stop_seconds = stop_seconds
        self._stopping = threading.Event()
        self._stop_lock = threading.Lock()
        environment = dict(os.environ if env is None else env)
        own_programs = str(Path(sys.executable).parent)
        environment["PATH"] = os.pathsep.join([own_programs, environment.get("PATH", os.defpath)])
        environment.setdefault("PYTHONUNBUFFERED", "1")
        names = {
            name if copies == 1 else f"{name}.{number}": arguments
            for name, arguments in commands.items()
            for copies in [(scale or {}).get(name, 1)]
            for number in range(1, copies + 1)
        }
        tell = on_line or _printer(list(names))
        self._children = [
            _Child(name, arguments, environment, cwd, tell, run_folder, self._stopping)
            for name, arguments in names.items()
        ]

    @property
    def processes(self) -> dict[str, int]:
        """The living ones: name → process id."""
        return {child.name: child.pid for child in self._children if child.pid is not None}

    def start(self) -> None:
        """Start all, in the order of the Procfile."""
        for child in self._children:
            child.start()

    def wait(self) -> None:
        """Until SIGTERM, SIGINT or `stop`; then everything has been stopped. Signals are only heard in the main thread."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            # in a thread: a handler may not touch the lock that the interrupted wait below holds
            threading.Thread(target=self._stopping.set, daemon=True).start()

        before = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        self._stopping.wait()
        self.stop()
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(self) -> None:
        """Stop all in reverse order, politely first; whoever is left after `stop_seconds` is killed. Repeats are harmless."""
        self._stopping.set()
        with self._stop_lock:
            deadline = time.monotonic() + self._stop_seconds
            for child in reversed(self._children):
                child.ask_to_stop()
                child.join(min(STOP_SECONDS_EACH, max(deadline - time.monotonic(), 0)))
            for child in self._children:
                child.join(max(deadline - time.monotonic(), 0))
                child.kill()
            for child in self._children:
                child.join(None)


class _Child:
    """One process that is kept alive by a thread of its own."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        environment: dict[str, str],
        cwd: Path | None,
        tell: OnLine,
        run_folder: Path | None,
        stopping: threading.Event,
    ) -> None:
        self.name = name
        self._arguments, self._environment, self._cwd = arguments, environment, cwd
        self._tell, self._stopping = tell, stopping
        self._pid_file = run_folder / f"{name}.pid" if run_folder is not None else None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, name=f"supervise {name}", daemon=True)

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        self._thread.start()

    def join(self, seconds: float | None) -> None:
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def ask_to_stop(self) -> None:
        with self._lock:
            if self._process is not None and self._process.returncode is None:
                self._process.terminate()

    def kill(self) -> None:
        with self._lock:
            if self._process is not None:
                _kill_group(self._process.pid)

    def _keep_alive(self) -> None:
        pause = PAUSE_SECONDS_FIRST
        while not self._stopping.is_set():
            started = time.monotonic()
            ended = self._live_once()
            if self._stopping.is_set():
                return
            if time.monotonic() - started >= STEADY_SECONDS:
                pause = PAUSE_SECONDS_FIRST
            self._tell(self.name, f"{ended}; again in {pause:.1f} s")
            self._stopping.wait(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _live_once(self) -> str:
        """Start it, pass its output on until it ends, sweep up after it; how it ended, in words."""
        try:
            with self._lock:
                if self._stopping.is_set():
                    return "stopped"
                process = self._process = subprocess.Popen(
                    self._arguments,
                    cwd=self._cwd,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            return f"cannot be started: {error}"
        reader = threading.Thread(target=self._forward, args=(process,), daemon=True)
        reader.start()
        if self._pid_file is not None:
            self._pid_file.parent.mkdir(parents=True, exist_ok=True)
            self._pid_file.write_text(f"{process.pid}\n", encoding="ascii")
        with contextlib.suppress(ChildProcessError):  # somebody else in this process has heard of its end already
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _kill_group(process.pid)  # not reaped yet, so the number still means this group
            process.wait()
            self._process = None
        if self._pid_file is not None:
            self._pid_file.unlink(missing_ok=True)
        reader.join(1.0)
        return f"ended with status {process.returncode}"

    def _forward(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in iter(lambda: output.readline(LINE_BYTES_MAX), b""):
                self._tell(self.name, line.decode("utf-8", errors="replace").rstrip("\r\n"))


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _printer(names: list[str]) -> OnLine:
    """Print lines behind the name of their process, in colour on a terminal that wants it."""
    colourful = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = max(map(len, names), default=0)
    lock = threading.Lock()

    def tell(name: str, line: str) -> None:
        head = f"{name:<{width}} |"
        if colourful:
            head = f"\x1b[{COLOURS[names.index(name) % len(COLOURS)]}m{head}\x1b[0m"
        with lock:
            print(head, line, flush=True)

    return tell


def main(arguments: list[str]) -> int:
    """`python -m cli.supervisor PROCFILE RUN_FOLDER [name=count …]`: run until SIGTERM or SIGINT. `duka up` ends in this."""
    procfile, run_folder, *counts = arguments
    scale = {name: int(count) for name, _, count in (words.partition("=") for words in counts)}
    supervisor = Supervisor(Path(procfile), scale=scale, run_folder=Path(run_folder))
    supervisor.start()
    supervisor.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
