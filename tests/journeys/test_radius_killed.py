"""kill -9 of either RADIUS server or of the database, in the middle of a busy evening; and a router added meanwhile.

Real processes: the embedded server, FreeRADIUS with its collector, and a PostgreSQL of their own. Two routers with devices
that have paid and devices that have not; what the routers remember in the end is what must be in the books.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import select

from core import config, network
from core.radius_tables import radacct
from core.subscriptions.models import Subscription
from tests import services
from tests.freeradius_server import FreeRadius, freeradius_server
from tests.parity import wire
from tests.parity.busy_router import BusyRouter, Device
from tests.parity.table import MARKET, OLD, Case, Router, Silence, paid
from tests.parity.world import Endpoint, World, add_router, open_world
from tests.services import PostgresServer, eventually

ROOT = Path(__file__).parents[2]
PAID, UNPAID = 6, 3
BUSY = 12
"""How many logins are seen before and after the blow."""
OUTAGE_SECONDS = 1.5
KNOWN_SECONDS_MAX = 2.0 * services.BUSY
BOOKS_SECONDS_MAX = 45.0
NEWCOMER = Router("newcomer", "127.0.0.77", "newcomer's secret")


@dataclass
class Evening:
    """Both servers on one database, and every way to kill them."""

    world: World
    postgres: PostgresServer
    freeradius: FreeRadius
    command: dict[str, str]
    ports: tuple[int, int]
    embedded: subprocess.Popen[bytes] | None = None
    cases: list[Case] = field(default_factory=list)
    boots: Iterator[int] = field(default_factory=lambda: count(0x81))
    """No two stories have sessions of one name: reports that FreeRADIUS kept for later may come in the next."""

    @property
    def endpoints(self) -> dict[str, tuple[int, int]]:
        return {"embedded": self.ports, "freeradius": (self.freeradius.auth_port, self.freeradius.acct_port)}

    def start_embedded(self) -> None:
        self.embedded = subprocess.Popen(
            [sys.executable, "-m", "radius"], cwd=ROOT, env=os.environ | self.command, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill_embedded(self) -> None:
        assert self.embedded is not None
        self.embedded.kill()
        self.embedded.wait()

    def kill_postgres(self) -> None:
        """SIGKILL for the server and all that serve its callers: nobody has a chance to tidy up."""
        assert self.postgres.process is not None
        leader = self.postgres.process.pid
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text(encoding="ascii").split()
        for pid in (leader, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self.postgres.process.wait()
        self.postgres.process = None

    def kill_both(self) -> None:
        self.freeradius.kill()
        self.freeradius.kill_collector()

    def blow(self, victim: str) -> None:
        {
            "embedded": self.kill_embedded, "freeradius": self.freeradius.kill, "postgresql": self.kill_postgres,
            "collector": self.freeradius.kill_collector, "freeradius and collector": self.kill_both,
        }[victim]()  # fmt: skip

    def heal(self, victim: str) -> None:
        {
            "embedded": self.start_embedded, "freeradius": self.freeradius.start, "postgresql": self.postgres.start,
            "collector": self.freeradius.start, "freeradius and collector": self.freeradius.start,
        }[victim]()  # fmt: skip

    def people(self, first: int) -> list[Device]:
        """Devices that have paid, and devices that have not: some without rows, one whose time is over."""
        devices = []
        for number in range(first, first + PAID + UNPAID):
            is_paid = number < first + PAID
            rows = paid(metered=True, quota=10**12) if is_paid else paid(expires=-60) if number % 3 == 0 else ()
            case = Case(f"device {number}", Silence(), rows, number=number)
            self.cases.append(case)
            self.world.write(case, datetime.now(UTC))
            devices.append(Device(case.names()["mac"], is_paid, stays=number == first))
        return devices

    def busy(self, router: Router, first: int, *servers: str) -> BusyRouter:
        """A router with its own devices that asks these servers, in this order."""
        made = BusyRouter(router, self.people(first), [self.endpoints[name] for name in servers], next(self.boots))
        made.start()
        return made

    def check_books(self, *routers: BusyRouter) -> None:
        """Nobody unpaid got in, and the books know every session of the routers, to the byte, once.

        FreeRADIUS may still hold reports that it took while the database was away; they are waited for.
        """
        devices = [device for router in routers for device in router.devices]
        assert [device.mac for device in devices if device.let_in and not device.paid] == []
        sessions = {
            session.number: (session.up, session.down, "User-Request")
            for device in devices for session in device.sessions
        }  # fmt: skip
        by_mac = {case.names()["mac"]: case.subscription_id for case in self.cases}
        used = {by_mac[device.mac]: device.used for device in devices if device.paid}
        boots = tuple(f"{router.boot:02x}" for router in routers)
        try:
            eventually(lambda: self._books(boots) == (sessions, used), BOOKS_SECONDS_MAX)
        except AssertionError:
            known, charged = self._books(boots)
            assert known == sessions
            assert charged == used
            raise

    def _books(self, boots: tuple[str, ...]) -> tuple[dict[str, tuple[int, int, str]], dict[int, int]]:
        """What is known of each session of these routers, and what is charged to each subscription."""
        with self.world.app.engine.connect() as connection:
            everything = connection.execute(select(radacct)).all()
            used = connection.execute(select(Subscription.id, Subscription.used_bytes)).all()
        rows = [row for row in everything if row.acctsessionid.startswith(boots)]
        known = {row.acctsessionid: (row.acctinputoctets, row.acctoutputoctets, row.acctterminatecause) for row in rows}
        twins = [row for row in rows if len([other for other in rows if other.acctsessionid == row.acctsessionid]) > 1]
        assert [tuple(row)[:12] for row in twins] == [], "a session is known twice"
        owners = {case.subscription_id for case in self.cases if case.rows and case.rows[0].metered}
        return known, {row.id: row.used_bytes for row in used if row.id in owners}

    def check_nobody_was_put_out(self, *routers: BusyRouter) -> None:
        """Who was on before is on still: one session, one login, and open in the books."""
        staying = [device for router in routers for device in router.devices if device.stays]
        assert [len(device.sessions) for device in staying] == [1] * len(routers)
        numbers = [device.sessions[0].number for device in staying]
        with self.world.app.engine.connect() as connection:
            find = select(radacct.c.acctsessionid).where(
                radacct.c.acctsessionid.in_(numbers), radacct.c.acctstoptime.is_(None)
            )
            eventually(
                lambda: set(connection.execute(find).scalars()) == set(numbers), what=f"{numbers} are known and open"
            )


@pytest.fixture(scope="module")
def evening(secrets_key: Path, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    with ExitStack() as stack:
        postgres = stack.enter_context(services.own_postgres_server())
        url = stack.enter_context(services.postgres_database(postgres.url))
        services.create_tables(url)
        settings = config.load(database={"url": url}, redis={"url": redis_url}, secrets={"key": f"file:{secrets_key}"})
        world = stack.enter_context(open_world(settings))
        freeradius = stack.enter_context(freeradius_server(url, key=settings.secrets.key))
        ports = (services.free_port(socket.SOCK_DGRAM), services.free_port(socket.SOCK_DGRAM))
        command = {
            "DUKA_DATABASE__URL": url, "DUKA_SECRETS__KEY": f"file:{secrets_key}", "DUKA_RADIUS__HOST": "127.0.0.1",
            "DUKA_RADIUS__AUTH_PORT": str(ports[0]), "DUKA_RADIUS__ACCT_PORT": str(ports[1]),
        }  # fmt: skip
        made = Evening(world, postgres, freeradius, command, ports)
        made.start_embedded()
        stack.callback(made.kill_embedded)
        yield made


@pytest.fixture
def quiet(evening: Evening) -> Evening:
    """Everything runs, nobody is on, and both servers know their routers."""
    evening.world.forget()
    evening.cases.clear()
    for name, (auth, acct) in evening.endpoints.items():
        evening.world.greet(Endpoint(name, auth, acct), signed=True)
    return evening


@pytest.mark.parametrize("victim", ["embedded", "freeradius", "collector", "freeradius and collector", "postgresql"])
def test_killed_in_a_busy_evening(quiet: Evening, victim: str) -> None:
    """Each router has one server only: while it is away nobody new gets in, and afterwards nothing is missing."""
    here, there = quiet.busy(MARKET, 1, "embedded"), quiet.busy(OLD, 31, "freeradius")
    eventually(lambda: min(here.let_in(), there.let_in()) >= BUSY, 60, "everybody is busy")
    quiet.blow(victim)
    before = {"embedded": here.let_in(), "freeradius": there.let_in()}
    time.sleep(OUTAGE_SECONDS)  # an outage has a length
    after = {"embedded": here.let_in(), "freeradius": there.let_in()}
    dead = {"postgresql": list(before), "collector": [], "freeradius and collector": ["freeradius"]}.get(
        victim, [victim]
    )
    for name in before:
        if name in dead:
            assert after[name] <= before[name] + PAID, "who answers while it is dead?"
        else:
            assert after[name] > before[name], "the other server should not have noticed"
    quiet.heal(victim)
    eventually(
        lambda: min(here.let_in() - after["embedded"], there.let_in() - after["freeradius"]) >= BUSY, 60, "all is well"
    )
    quiet.check_nobody_was_put_out(here, there)
    here.finish()
    there.finish()
    quiet.check_books(here, there)


@pytest.mark.parametrize("victim", ["embedded", "freeradius"])
def test_a_router_with_two_servers_does_not_notice_the_loss_of_one(quiet: Evening, victim: str) -> None:
    order = ("embedded", "freeradius") if victim == "embedded" else ("freeradius", "embedded")
    router = quiet.busy(MARKET, 61, *order)
    eventually(lambda: router.let_in() >= BUSY, 60, "everybody is busy")
    quiet.blow(victim)
    given_up = sum(device.unanswered for device in router.devices)
    here = router.let_in()
    eventually(lambda: router.let_in() >= here + BUSY, 30, "people get in by the other server")
    assert sum(device.unanswered for device in router.devices) == given_up
    quiet.heal(victim)
    here = router.let_in()
    eventually(lambda: router.let_in() >= here + BUSY, 30, "and by both")
    quiet.check_nobody_was_put_out(router)
    router.finish()
    quiet.check_books(router)


def knock(router: Router, port: int) -> wire.Reply | None:
    """One login of a device nobody knows, tried once."""
    attributes: list[wire.Attribute] = [
        ("User-Name", "02:00:5E:10:FF:01"), ("Calling-Station-Id", "02:00:5E:10:FF:01"),
        ("User-Password", router.mac_password),
    ]  # fmt: skip
    secret = router.secret.encode()
    raw = wire.request(wire.ACCESS_REQUEST, attributes, secret, signed=True)
    with wire.bound(router.address) as own:
        return wire.ask(own, port, raw, secret, 0.1, 0.1)


def test_a_router_that_is_added_while_everything_runs_is_answered_within_two_seconds(quiet: Evening) -> None:
    here, there = quiet.busy(MARKET, 91, "embedded"), quiet.busy(OLD, 121, "freeradius")
    eventually(lambda: min(here.let_in(), there.let_in()) >= BUSY, 60, "everybody is busy")
    ports = {name: auth for name, (auth, _) in quiet.endpoints.items()}
    assert {name: knock(NEWCOMER, port) for name, port in ports.items()} == dict.fromkeys(ports), "nobody knows it yet"
    with quiet.world.app.work(quiet.world.tenant_ids[0]) as uow:
        add_router(uow, NEWCOMER)
    added = time.monotonic()
    waiting = dict(ports)
    while waiting and time.monotonic() < added + KNOWN_SECONDS_MAX:
        waiting = {name: port for name, port in waiting.items() if knock(NEWCOMER, port) is None}
    assert list(waiting) == [], "not answered within two seconds"
    with quiet.world.app.work(quiet.world.tenant_ids[0]) as uow:
        network.remove_router(uow, network.find_router(uow, NEWCOMER.name))
    removed = time.monotonic()
    waiting = dict(ports)
    while waiting and time.monotonic() < removed + KNOWN_SECONDS_MAX:
        waiting = {name: port for name, port in waiting.items() if knock(NEWCOMER, port) is not None}
    assert list(waiting) == [], "still answered after two seconds"
    here.finish()
    there.finish()
    quiet.check_books(here, there)
