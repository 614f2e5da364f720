"""What the whole service needs while it idles: every process that `duka up` starts on one box."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Figure
from bench.measure import family, pss_kb
from bench.processes import ROOT, process, wait_for_web
from bench.shop import make_key, open_shop
from tests import services

MEGABYTES_MAX = 500
SETTLE_SECONDS = 12
WORKERS = 2


def run() -> list[Figure]:
    """Start it as an owner does, on SQLite with a Redis of its own; let it settle; add up."""
    with TemporaryDirectory(prefix="duka-bench-") as name:
        folder = Path(name)
        url = f"sqlite:///{folder}/duka.db"
        subprocess.run(
            [sys.executable, "-m", "cli", "migrate"],
            cwd=ROOT,
            env=os.environ | {"DUKA_DATABASE__URL": url, "DUKA_SECRETS__KEY": f"file:{make_key(folder)}"},
            check=True,
            capture_output=True,
        )
        redis_url = f"redis://127.0.0.1:{services.free_port()}/0"
        open_shop(url, redis_url, folder).app.close()
        portal = services.free_port()
        env = {
            "PYTHONPATH": str(ROOT), "DUKA_DATABASE__URL": url, "DUKA_REDIS__URL": redis_url,
            "DUKA_SECRETS__KEY": f"file:{folder}/duka.key", "DUKA_PORTAL__PORT": str(portal),
            "DUKA_USSD__PORT": str(services.free_port()), "DUKA_JOBS__WORKERS": str(WORKERS),
            "DUKA_RADIUS__AUTH_PORT": str(services.free_port()), "DUKA_RADIUS__ACCT_PORT": str(services.free_port()),
        }  # fmt: skip
        log = folder / "up.log"
        with process(["-m", "cli", "up", "--procfile", str(ROOT / "Procfile")], env, log, cwd=folder) as running:
            wait_for_web(portal, running, log)
            time.sleep(SETTLE_SECONDS)
            megabytes = _by_name(running.pid)
    total = sum(megabytes.values())
    table = ", ".join(f"{name} {size:.0f}" for name, size in sorted(megabytes.items(), key=lambda item: -item[1]))
    return [
        Figure("memory of the idle service (PSS)", f"{total:.0f} MB", "", "", f"< {MEGABYTES_MAX} MB", total < MEGABYTES_MAX),
        Figure("  … by process, MB", table),
    ]  # fmt: skip


def _by_name(leader: int) -> dict[str, float]:
    """Megabytes under the name of what runs; the several processes of a web door count together."""
    found: dict[str, float] = defaultdict(float)
    count: dict[str, int] = defaultdict(int)
    for pid in family(leader):
        if size := pss_kb(pid):
            name = "duka up" if pid == leader else _name(pid)
            found[name] += size / 1024
            count[name] += 1
    return {f"{name} ×{count[name]}" if count[name] > 1 else name: size for name, size in found.items()}


def _name(pid: int) -> str:
    """`portal`, `jobs worker`, `redis-server`: the arguments of a process, or of its parent for a forked helper."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return "gone"
    if "-m" in words:
        return " ".join(word for word in words[words.index("-m") + 1 :] if word)
    own = os.path.basename(words[0])  # noqa: PTH119 (a word of a command line, not a path of ours)
    return _name(parent) if own.startswith("python") and parent > 1 else own
