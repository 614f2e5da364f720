"""Routers are looked at beside the sweeps: each in its time, the dead delaying nobody, and nothing loaded where there are none."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from core import heartbeats, network
from core.config import Settings
from core.findings import RouterHealth
from core.heartbeats import Heartbeat
from core.network import Outage
from core.ports import Hotspot, RouterAddress
from jobs.prober import NAME, Prober, watching
from sim.routeros import ManualClock, VirtualRouter
from tests.core.kit import Shop, open_shop
from tests.services import eventually

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    made = open_shop(settings)
    yield made
    made.app.close()


def add(shop: Shop, name: str, port: int, number: int) -> None:
    with shop.work() as uow:
        network.add_router(
            uow, name=name, host="127.0.0.1", username="duka", password="x", nas_address=f"10.9.0.{number}",
            api_port=port, api_tls=False,
        )  # fmt: skip


def states(shop: Shop) -> dict[str, bool]:
    with shop.work() as uow:
        return {row.name: row.up_since is not None for row in network.routers(uow)}


def beats(shop: Shop) -> bool:
    with shop.work() as uow:
        return uow.session.get(Heartbeat, NAME) is not None


@pytest.fixture
def alive(shop: Shop) -> Iterator[VirtualRouter]:
    with VirtualRouter(username="duka", password="x", clock=ManualClock(NOW)) as router:
        add(shop, "alive", router.api_port, 2)
        yield router


def test_a_round_knows_who_answers_and_the_silent_delay_nobody(shop: Shop, alive: VirtualRouter) -> None:
    with ExitStack() as stack, closing(Prober(shop.app, shop.app.lookout)) as prober:
        for number in range(3, 9):
            door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            add(shop, f"silent {number}", door.getsockname()[1], number)
        began = time.monotonic()
        assert prober.round() == 7
        assert time.monotonic() - began < 16  # six that are silent for four seconds each, at once
        assert states(shop) == {"alive": True, **{f"silent {number}": False for number in range(3, 9)}}
        assert prober.round() == 0
        shop.later(seconds=10)
        assert prober.round() == 6
        shop.later(seconds=60)
        assert prober.round() == 7
    with shop.work() as uow:
        assert len(uow.session.scalars(select(Outage)).all()) == 6


class Forgetful:
    """Looks at routers while somebody forgets them."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def glance(self, router: RouterAddress) -> RouterHealth:
        with self._shop.work() as uow:
            network.remove_router(uow, network.router(uow, router.router_id))
        return RouterHealth("", "7.21.5", "", 1, None, 0, thorough=False)

    def probe(self, router: RouterAddress, now: datetime) -> RouterHealth:
        return self.glance(router)

    def close(self) -> None:
        return


def test_a_router_forgotten_while_it_is_looked_at_is_no_bug(shop: Shop) -> None:
    add(shop, "gone", 1, 2)
    hotspot: Hotspot = Forgetful(shop)  # type: ignore[assignment]
    with closing(Prober(shop.app, lambda: hotspot)) as prober:
        assert prober.round() == 1
    assert states(shop) == {}


def test_beside_the_sweeps_it_starts_beats_and_stops(shop: Shop, alive: VirtualRouter) -> None:
    stop = threading.Event()
    with watching(shop.app, stop):
        eventually(lambda: states(shop) == {"alive": True} and beats(shop), 20)
        with shop.work() as uow:
            beat = uow.session.get_one(Heartbeat, NAME)
            assert beat.beat_at == shop.clock.now()
            assert NAME not in heartbeats.silent(uow.session, uow.now)
    assert stop.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "prober"]


def test_it_outlives_a_database_that_is_away(shop: Shop, alive: VirtualRouter) -> None:
    with shop.work() as uow:
        uow.session.execute(text("ALTER TABLE heartbeat RENAME TO elsewhere"))
    with shop.work() as uow:
        network.look_soon(uow, network.find_router(uow, "alive"))
        uow.session.execute(text("ALTER TABLE router RENAME TO router_away"))
    stop = threading.Event()
    with capture_logs() as said, watching(shop.app, stop):
        eventually(lambda: [line for line in said if line["event"] == "prober.held_up"], 20)
        with shop.work() as uow:
            uow.session.execute(text("ALTER TABLE router_away RENAME TO router"))
            uow.session.execute(text("ALTER TABLE elsewhere RENAME TO heartbeat"))
        eventually(lambda: states(shop) == {"alive": True}, 20)
    assert [line["event"] for line in said].count("prober.held_up") == 1


def test_the_clock_loads_no_adapter_before_there_is_a_router() -> None:
    program = "import sys, jobs.prober, jobs.sweeps; print([name for name in sys.modules if name.startswith(('core.adapters', 'librouteros'))])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert set(said.strip()[1:-1].replace("'", "").split(", ")) <= {"", "core.adapters", "core.adapters.doorbell"}
