"""`python -m bench [name …]`: hop, servers, activation, sweeps, memory, radius, router_plan, routers; all of them without a name."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from rich.console import Console

from bench.figures import TABLE_WIDTH, Figure, save, show
from bench.measure import fdatasync_ms

BENCHES = {
    "hop": "bench.hop:run",
    "servers": "bench.hop:run_servers",
    "activation": "bench.activation:run",
    "sweeps": "bench.sweeps:run",
    "memory": "bench.memory:run",
    "radius": "bench.radius:run",
    "router_plan": "bench.router_plan:run",
    "routers": "bench.probes:run",
}


def main(arguments: list[str] | None = None) -> int:
    """Run benches and print one table. 0 when all could run, whatever they found; 1 when one could not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", choices=[*BENCHES, []], help=", ".join(BENCHES))
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    machine: dict[str, object] = {
        "cores": os.cpu_count(), "python": platform.python_version(), "fdatasync_ms": round(fdatasync_ms(), 3)
    }  # fmt: skip
    figures: list[Figure] = []
    broken = 0
    for name in asked.names or BENCHES:
        module, _, function = BENCHES[name].partition(":")
        bench: Callable[[], list[Figure]] = getattr(import_module(module), function)
        started = time.monotonic()
        console.print(f"[dim]{name} …[/]", highlight=False)
        try:
            found = bench()
        except (RuntimeError, OSError, AssertionError, subprocess.SubprocessError) as error:
            console.print(f"[red]{name} could not run:[/] {type(error).__name__}: {error}", highlight=False)
            broken += 1
            continue
        show(console, f"{name} ({time.monotonic() - started:.0f} s)", found)
        figures += found
    if len(asked.names) != 1:
        show(console, ", ".join(f"{name} {value}" for name, value in machine.items()), figures)
    else:
        console.print(machine)
    if asked.json:
        save(asked.json, machine, figures)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
