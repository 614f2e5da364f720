"""The supervisor: what dies is started again, what is told to stop stops, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cli
from cli.supervisor import STOP_SECONDS_MAX, Supervisor, parse_procfile
from tests.services import eventually

ROOT = Path(cli.__path__[0]).parent
SLEEPER = "python -c \"import time; print('up', flush=True); time.sleep(600)\""


class Listener:
    """Keeps every line it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def count(self, name: str, line: str) -> int:
        return self.lines.count((name, line))


Supervise = Callable[..., Supervisor]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def supervise(tmp_path: Path, listener: Listener) -> Iterator[Supervise]:
    """Start a Procfile; stopped after the test."""
    started: list[Supervisor] = []

    def start(procfile: str, scale: dict[str, int] | None = None, stop_seconds: float = STOP_SECONDS_MAX) -> Supervisor:
        path = tmp_path / "Procfile"
        path.write_text(procfile, encoding="utf-8")
        supervisor = Supervisor(
            path, cwd=tmp_path, on_line=listener, scale=scale, run_folder=tmp_path / "run", stop_seconds=stop_seconds
        )
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop()


def alive(pid: int) -> bool:
    """Does it run? A zombie does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def test_the_projects_procfile_names_every_process_once() -> None:
    commands = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8"))
    assert list(commands) == ["portal", "ussd", "radius", "relay", "worker", "clock"]
    assert commands["worker"] == ["python", "-m", "jobs", "worker"]


@pytest.mark.parametrize("line", ["no colon", ": no name", "empty:", "a b: x", "web: a\nweb: b", "$(x): y"])
def test_a_line_that_is_no_process_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(ValueError, match=f"line {1 + len(line.splitlines())}"):
        parse_procfile("# the first line\n" + line)


def test_commands_are_not_given_to_a_shell(supervise: Supervise, listener: Listener, tmp_path: Path) -> None:
    supervise("echo: echo $HOME ; touch made")
    eventually(lambda: listener.count("echo", "$HOME ; touch made"))
    assert not (tmp_path / "made").exists()


def test_every_process_runs_as_often_as_asked_and_says_its_name(supervise: Supervise, listener: Listener) -> None:
    supervisor = supervise(f"web: {SLEEPER}\nworker: {SLEEPER}\nnever: {SLEEPER}", {"worker": 2, "never": 0})
    eventually(lambda: all(listener.count(name, "up") for name in ("web", "worker.1", "worker.2")))
    assert list(supervisor.processes) == ["web", "worker.1", "worker.2"]
    assert len(set(supervisor.processes.values())) == 3


def test_scaling_what_the_procfile_does_not_know_is_a_mistake(supervise: Supervise) -> None:
    with pytest.raises(ValueError, match="wroker"):
        supervise(f"worker: {SLEEPER}", {"wroker": 2})


def test_a_killed_process_is_started_again_and_the_others_are_left_alone(
    supervise: Supervise, listener: Listener
) -> None:
    supervisor = supervise(f"one: {SLEEPER}\ntwo: {SLEEPER}")
    eventually(lambda: listener.count("one", "up") and listener.count("two", "up"))
    before = supervisor.processes
    os.kill(before["one"], signal.SIGKILL)
    eventually(lambda: listener.count("one", "up") == 2)
    after = supervisor.processes
    assert after["one"] != before["one"]
    assert after["two"] == before["two"]


def test_the_pause_grows_while_a_process_keeps_dying(supervise: Supervise, listener: Listener) -> None:
    supervise('broken: python -c "raise SystemExit(3)"')
    eventually(lambda: len(listener.lines) >= 3)
    assert [line for _, line in listener.lines[:3]] == [
        f"ended with status 3; again in {pause} s" for pause in ("0.2", "0.4", "0.8")
    ]


def test_a_program_that_is_not_there_is_said_and_tried_again(supervise: Supervise, listener: Listener) -> None:
    supervise("ghost: ./no-such-program")
    eventually(lambda: sum("cannot be started" in line for _, line in listener.lines) >= 2)


def test_what_a_dead_process_had_started_does_not_outlive_it(
    supervise: Supervise, listener: Listener, tmp_path: Path
) -> None:
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n",
        encoding="utf-8",
    )
    supervisor = supervise("family: python parent.py")
    eventually(lambda: listener.lines)
    orphan = int(listener.lines[0][1])
    assert alive(orphan)
    os.kill(supervisor.processes["family"], signal.SIGKILL)
    eventually(lambda: not alive(orphan))


def test_stopping_is_polite_in_reverse_order_and_leaves_nothing(
    supervise: Supervise, listener: Listener, tmp_path: Path
) -> None:
    (tmp_path / "polite.py").write_text(
        "import signal, sys, time\n"
        "def bye(*_):\n    print('bye', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "print('up', flush=True)\n"
        "while True:\n    time.sleep(600)\n",
        encoding="utf-8",
    )
    supervisor = supervise("first: python polite.py\nsecond: python polite.py\nthird: python polite.py")
    eventually(lambda: sum(line == "up" for _, line in listener.lines) == 3)
    pids = supervisor.processes.values()
    supervisor.stop()
    assert [name for name, line in listener.lines if line == "bye"] == ["third", "second", "first"]
    assert not any(alive(pid) for pid in pids)
    assert supervisor.processes == {}


def test_who_does_not_stop_is_killed_in_time(supervise: Supervise, listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)\n",
        encoding="utf-8",
    )
    supervisor = supervise("stubborn: python stubborn.py", stop_seconds=0.5)
    eventually(lambda: listener.count("stubborn", "up"))
    (pid,) = supervisor.processes.values()
    started = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - started < 15  # the process itself would go on for ten minutes
    assert not alive(pid)


def test_process_numbers_stand_in_files_while_they_run(
    supervise: Supervise, listener: Listener, tmp_path: Path
) -> None:
    supervisor = supervise(f"web: {SLEEPER}")
    eventually(lambda: listener.count("web", "up"))
    path = tmp_path / "run" / "web.pid"
    assert int(path.read_text(encoding="ascii")) == supervisor.processes["web"]
    supervisor.stop()
    assert not path.exists()


def test_endless_lines_and_foreign_bytes_do_not_stop_the_output(supervise: Supervise, listener: Listener) -> None:
    supervise(
        "noisy: python -c \"import sys; sys.stdout.buffer.write(b'x' * 200000 + b'\\\\n' + b'\\\\xff\\\\n' + b'end\\\\n')\""
    )
    eventually(lambda: listener.count("noisy", "end"))
    assert listener.count("noisy", "�") >= 1
    assert max(len(line) for _, line in listener.lines) <= 64 * 1024


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_supervisor_told_to_stop_takes_everything_with_it(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "Procfile").write_text(f"one: {SLEEPER}\ntwo: {SLEEPER}\n", encoding="utf-8")
    program = (
        "from pathlib import Path; from cli.supervisor import Supervisor;"
        "s = Supervisor(Path('Procfile'), run_folder=Path('run')); s.start(); s.wait()"
    )
    with (tmp_path / "log").open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=log
        )
    eventually(lambda: (tmp_path / "log").read_bytes().count(b"| up") == 2)
    pids = [int(path.read_text(encoding="ascii")) for path in (tmp_path / "run").glob("*.pid")]
    assert len(pids) == 2
    supervisor.send_signal(number)
    assert supervisor.wait(STOP_SECONDS_MAX + 3) == 0
    assert not any(alive(pid) for pid in pids)
