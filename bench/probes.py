"""Looking after 500 routers, 50 of them dead: how long until every state is right, and what many looks cost in memory.

The routers live in a process of their own (`python -m bench.probes N`), so that what is measured of ours is ours. Of the dead
half refuse the connection, half take it and say nothing. All fall due at the same moment, which in service they never do.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from bench.figures import Figure
from bench.measure import percentile
from bench.shop import Shop, open_shop
from core import network
from core.clock import FrozenClock
from core.network.models import Router
from jobs.prober import Prober
from sim.routeros import ManualClock, VirtualRouter
from tests import services

ROUTERS, CLOSED, SILENT = 500, 25, 25
ALIVE = ROUTERS - CLOSED - SILENT
INTERVAL_SECONDS = 60
LOOKS, WARM_UP_ROUNDS = 10_000, 4
GROWTH_KB_MAX = 4096
ROUTER_START_SECONDS = 120


def run() -> list[Figure]:
    """Start the routers, let all of them be looked at, and compare what is on record with what is true."""
    with tempfile.TemporaryDirectory(prefix="duka-bench-") as folder, _alive() as ports, _silent() as silent:
        shop = _shop(Path(folder))
        truth = _register(shop, ports, silent)
        try:
            seconds, right = _until_right(shop, truth)
            rate, growth_kb, looks = _many_looks(shop)
        finally:
            shop.app.close()
    return [
        Figure(
            f"{ROUTERS} routers, {CLOSED + SILENT} dead, all due at once: every state right after", f"{seconds:.1f} s",
            wanted=f"≤ {INTERVAL_SECONDS} s", met=right == ROUTERS and seconds <= INTERVAL_SECONDS,
        ),
        Figure("states that are right", f"{right} of {ROUTERS}", wanted="all", met=right == ROUTERS),
        Figure("looks", f"{rate:.0f}/s", yardstick=f"{ROUTERS / INTERVAL_SECONDS:.1f}/s needed"),
        Figure(
            f"memory that {looks:,} looks leave behind", f"{growth_kb:,} kB", wanted=f"≤ {GROWTH_KB_MAX:,} kB",
            met=growth_kb <= GROWTH_KB_MAX,
        ),
    ]  # fmt: skip


def _shop(folder: Path) -> Shop:
    url = f"sqlite:///{folder / 'duka.db'}"
    services.create_tables(url)
    return open_shop(url, "redis://127.0.0.1:9/0", folder)


def _register(shop: Shop, ports: list[int], silent: list[int]) -> dict[str, bool]:
    """Every router on record; which of them really answer, by name. Dead ones stand between the others."""
    closed = [services.free_port() for _ in range(CLOSED)]
    places = [(port, True) for port in ports] + [(port, False) for port in (*silent, *closed)]
    places.sort(key=lambda place: place[0] % 97)
    truth = {}
    with shop.app.work(shop.tenant_id) as uow:
        for number, (port, answers) in enumerate(places):
            name = f"r{number}"
            network.add_router(
                uow, name=name, host="127.0.0.1", username="duka", password="router-pass", api_port=port, api_tls=False,
                nas_address=f"10.{number // 250}.{number % 250}.1",
            )  # fmt: skip
            truth[name] = answers
    return truth


def _until_right(shop: Shop, truth: dict[str, bool]) -> tuple[float, int]:
    """Seconds until every router is on record as what it is, those that are silent beyond doubt; and how many are right then."""
    with shop.app.work(None) as uow:
        uow.session.execute(update(Router).values(probe_at=uow.now))
    prober, stop = Prober(shop.app, shop.app.lookout), threading.Event()
    thread = threading.Thread(target=prober.run, args=(stop,))
    began = time.monotonic()
    thread.start()
    right = 0
    try:
        while right < ROUTERS and time.monotonic() - began < 2 * INTERVAL_SECONDS:
            time.sleep(0.25)
            right = _right(shop, truth)
        return time.monotonic() - began, right
    finally:
        stop.set()
        thread.join()
        prober.close()


def _right(shop: Shop, truth: dict[str, bool]) -> int:
    with shop.app.look(shop.tenant_id) as uow:
        sure = set(uow.session.scalars(select(network.Outage.router_id).where(network.Outage.ended_at.is_(None))))
        rows = network.routers(uow)
    return sum(row.up_since is not None if truth[row.name] else row.id in sure for row in rows)


def _many_looks(shop: Shop) -> tuple[float, int, int]:
    """Looks per second, kB that the process has grown by, and how many looks that were. Only routers that answer."""
    with shop.app.work(None) as uow:
        later = uow.now + timedelta(days=3650)
        uow.session.execute(update(Router).where(Router.up_since.is_(None)).values(probe_at=later))
        alive = uow.session.scalar(select(func.count()).where(Router.up_since.is_not(None))) or 0
    clock = FrozenClock(datetime.now(UTC) + timedelta(days=1))
    shop.app.clock = clock
    prober = Prober(shop.app, shop.app.lookout)
    looks = 0
    sizes: list[int] = []
    times: list[float] = []
    while looks < LOOKS or len(sizes) <= WARM_UP_ROUNDS + 2:
        clock.advance(timedelta(seconds=INTERVAL_SECONDS + 1))
        began = time.monotonic()
        looks += prober.round()
        times.append(time.monotonic() - began)
        sizes.append(_resident_kb())
    prober.close()
    assert looks >= LOOKS, "every router is looked at in every round"
    return alive / percentile(times, 0.5), max(sizes[-1] - sizes[WARM_UP_ROUNDS], 0), looks


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


@contextmanager
def _alive() -> Iterator[list[int]]:
    """Routers that answer, in a process of their own; the ports of their APIs."""
    command = [sys.executable, "-m", "bench.probes", str(ALIVE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as town:
        assert town.stdout is not None
        assert town.stdin is not None
        try:
            yield json.loads(town.stdout.readline())
        finally:
            town.stdin.close()
            town.wait(ROUTER_START_SECONDS)


@contextmanager
def _silent() -> Iterator[list[int]]:
    """Doors that let everybody in and never say a word: the kernel opens them, and nobody is behind."""
    with ExitStack() as stack:
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(SILENT)]
        yield [door.getsockname()[1] for door in doors]


def main(count: int) -> int:
    """Be so many routers until standard input ends."""
    with ExitStack() as stack:
        clock = ManualClock(datetime.now(UTC))
        made = [
            stack.enter_context(VirtualRouter(f"r{number}", username="duka", password="router-pass", clock=clock))
            for number in range(count)
        ]
        print(json.dumps([router.api_port for router in made]), flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
