"""The town with real processes: a service that the Procfile started, to be killed wherever it hurts.

The shop's processes (`portal ussd radius relay worker worker clock`), their database and their Redis are real and their own;
the companies, the phones and the router (on the real clock) live in the test's process. What dies is started again by the
supervisor. Nothing here sleeps for a fixed time: whatever is waited for is looked at until it is so or a deadline passes.

Where a story would only wait for a clock, the clock is moved, by a plain UPDATE of when promises are due: `end_leases` (a
minute after a worker died), `check_now` (ninety seconds after a prompt), `free_lanes` (the forty seconds for which a dead
worker keeps a router's lane). One story moves nothing and shows that nobody has to.
"""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import requests
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer
from sqlalchemy import select

from cli.supervisor import Supervisor
from core import customers, ledger, messaging, network, purchases, subscriptions
from core.app import App
from core.clock import SystemClock
from core.money import Money
from core.outbox import LEASE_SECONDS, Promise
from core.payments import Payment
from core.phone import Msisdn
from core.tasks import QUEUES
from sim.africastalking import AfricasTalking
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney
from sim.phone import Handset
from sim.routeros import Device, VirtualRouter
from tests.services import PostgresServer, RedisServer, eventually
from tests.town import PIN, SAFARICOM, Shop

PRICE_MINOR = 20_00
STORY_SECONDS_MAX = 60.0
"""How long a story may wait for its good end on a busy machine."""
OPEN_SECONDS_MAX = 90.0
SCHEDULED = {"CheckPayment", "Probe"}
"""Promises that are always open: a look at the router, and looks at payments that happen to be in the future."""
DEAD_HAND_SECONDS = 4
"""In the storm: a lease older than this belonged to somebody who is dead; a living worker needs a tenth of it."""


@dataclass
class Payer:
    """Somebody new, with a phone and a device that waits on the Wi-Fi."""

    phone: Handset
    device: Device

    @property
    def msisdn(self) -> str:
        return self.phone.msisdn

    @property
    def mac(self) -> str:
        return self.device.mac


@dataclass
class RunningTown:
    """Everything at once. Made by `tests.journeys.service.open_running_town`."""

    kind: str
    app: App
    """The test's own eyes on the shop's database."""
    redis: RedisServer
    postgres: PostgresServer | None
    router: VirtualRouter
    africastalking: AfricasTalking
    money: MobileMoney
    daraja: Daraja
    ussd_base: str
    portal_base: str
    radius_ports: tuple[int, int]
    supervisor: Supervisor
    lines: deque[str]
    """What the processes said lately."""
    shop: Shop = field(init=False)
    served: list[Payer] = field(default_factory=list)
    """Whom this story has served; with what was in the books before, that is all that may be in them afterwards."""
    _revenue_before: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(100))

    def begin_story(self) -> None:
        """A story counts its own money only."""
        self.served, self._revenue_before = [], self.revenue()

    # ---- people ----------------------------------------------------------------------------------------------------------

    def newcomer(self) -> Payer:
        """Somebody nobody knows yet: a phone with 1,000 shillings, and a device that has knocked and was refused."""
        self.wait_until_open()
        number = next(self._numbers)
        msisdn, mac = f"+254712345{number}", f"02:00:5E:10:{number // 100:02X}:{number % 100:02d}"
        self.money.add_wallet(msisdn, PIN, 1_000_00)
        payer = Payer(
            Handset(msisdn, SAFARICOM, self.africastalking, self.money, self.daraja), self.router.plug_in(mac)
        )
        eventually(lambda: mac in self.waiting_macs(), STORY_SECONDS_MAX, f"RADIUS sees {mac}")
        return payer

    def order(self, payer: Payer) -> None:
        """Dials, takes the first package for the own device; the prompt is three seconds away."""
        payer.phone.dial(self.shop.service_code)
        screen = payer.phone.answer("1")
        assert "PIN" in payer.phone.answer(self.key_of(screen, payer))

    def register(self, payer: Payer) -> None:
        """The payer's device is known to the shop before the order."""
        with self.app.work(self.shop.tenant_id) as uow:
            who = customers.recognise(uow, Msisdn(payer.msisdn), "en", SAFARICOM)
            customers.add_device(uow, who, payer.mac)

    @staticmethod
    def key_of(screen: str, payer: Payer) -> str:
        """What to press to pay for the own device: its line if several wait, else the first."""
        signs = payer.mac.replace(":", "")[-4:]
        named = [line.split()[0] for line in screen.splitlines() if signs in line and line.split()[0].isdigit()]
        return named[0] if named else "1"

    def prompted(self, payer: Payer) -> None:
        """The prompt is on the phone. Its three seconds of grace are not waited for: the clock is moved."""
        self._due_now(lambda row: row.kind == "PromptPayment")
        payer.phone.wait_for_prompt(STORY_SECONDS_MAX)

    def ordered(self) -> Payer:
        """A newcomer, up to the prompt on the phone."""
        payer = self.newcomer()
        self.order(payer)
        self.prompted(payer)
        return payer

    def pay(self, payer: Payer) -> None:
        """Types the PIN; the money is gone."""
        assert payer.phone.type_pin(PIN) == "paid"

    # ---- harm ------------------------------------------------------------------------------------------------------------

    def pids(self, name: str) -> dict[str, int]:
        """The living processes of this name: `worker` means all workers."""
        return {each: pid for each, pid in self.supervisor.processes.items() if each.split(".")[0] == name}

    def kill(self, *names: str) -> None:
        """SIGKILL for every process of these names, with all its children; returns when they are dead."""
        for name in names:
            victims = self.pids(name)
            assert victims, f"no {name} is alive to be killed"
            self._kill(victims)

    def kill_at_work(self, kind: str) -> list[int]:
        """SIGKILL for the workers that have a promise of this kind in hand now; everything they held."""
        held = {pid: ids for pid, ids in self.at_work().items() if kind in self._kinds_of(ids)}
        assert held, f"no worker is at work on a {kind}"
        self._kill({name: pid for name, pid in self.pids("worker").items() if pid in held})
        return [promise_id for ids in held.values() for promise_id in ids]

    def _kinds_of(self, promise_ids: list[int]) -> set[str]:
        """Read without asking for SQLite's write lock: a worker may be holding it, and that is why we ask."""
        with self.app.engine.connect().execution_options(only_reads=True) as connection:
            return set(connection.scalars(select(Promise.kind).where(Promise.id.in_(promise_ids))))

    def at_work(self) -> dict[int, list[int]]:
        """Process id of every worker with a job in hand → the promises in that job."""
        alive, held = set(self.pids("worker").values()), {}
        with self.redis.client() as client:
            for key in client.scan_iter("rq:worker:*", count=1000):
                pid, job_id = client.hmget(key, "pid", "current_job")
                if pid is not None and job_id is not None and int(pid) in alive:
                    job = RqJob.fetch(job_id.decode(), connection=client, serializer=JSONSerializer)
                    held[int(pid)] = [int(promise_id) for promise_id in str(job.args[0]).split(",")]
        return held

    def kill_if_alive(self, name: str) -> None:
        """SIGKILL for this very process, unless it has just died anyway."""
        self._kill({each: pid for each, pid in self.supervisor.processes.items() if each == name})

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """These processes stand still while the block runs."""
        pids = self.pids(name).values()
        for pid in pids:
            os.killpg(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.killpg(pid, signal.SIGCONT)

    def queued(self) -> int:
        """How many jobs the relay has laid into Redis and nobody has taken."""
        with self.redis.client() as client:
            return sum(client.llen(f"rq:queue:{name}") for name in QUEUES)

    def _kill(self, victims: dict[str, int]) -> None:
        for pid in victims.values():
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it died a moment ago
        eventually(lambda: not set(victims.values()) & set(self.supervisor.processes.values()), 10, "they are dead")

    def database_dies(self) -> None:
        """PostgreSQL stops at once without saving and starts again. SQLite lives in our processes: all of them die at once."""
        if self.postgres is None:
            self._kill(self.supervisor.processes)
        else:
            self.postgres.crash()
            self.postgres.start()
            self.app.engine.dispose()

    # ---- moving clocks ---------------------------------------------------------------------------------------------------

    def end_leases(self, promise_ids: list[int] | None = None) -> None:
        """As if the minute had passed after which a dead worker's (or an emptied Redis') promises fall due again."""
        chosen = None if promise_ids is None else set(promise_ids)
        self._due_now(lambda row: row.kind not in SCHEDULED if chosen is None else row.id in chosen)

    def end_old_leases(self) -> None:
        """As if leases were seconds long: what was leased a while ago and is still open was in a dead hand."""
        leased_before = SystemClock().now() - timedelta(seconds=DEAD_HAND_SECONDS)
        first, last = (
            leased_before + timedelta(seconds=LEASE_SECONDS / 2),
            leased_before + timedelta(seconds=LEASE_SECONDS),
        )
        self._due_now(lambda row: first < row.due_at < last and row.kind not in SCHEDULED)

    def check_now(self) -> None:
        """As if the ninety seconds had passed after which we ask the company ourselves."""
        self._due_now(lambda row: row.kind == "CheckPayment")

    def free_lanes(self) -> None:
        """As if the forty seconds had passed after which a dead worker's hold on a router ends."""
        with self.redis.client() as client:
            for key in client.scan_iter("lane:*"):
                client.delete(key)

    def healed(self) -> bool:
        """Move all clocks a little, as in the minutes after a storm; for the loop that waits for its good end."""
        self.end_old_leases()
        self.free_lanes()
        if self.daraja.wait_until_idle() and not self.promises("PromptPayment", "Digest"):
            self.check_now()
        return True

    def _due_now(self, wanted: Callable[[Promise], bool]) -> None:
        with self.app.work(None) as uow:
            for row in uow.session.query(Promise).filter(Promise.done_at.is_(None), Promise.parked_at.is_(None)):
                if wanted(row) and row.due_at > uow.now:
                    row.due_at = uow.now

    # ---- what became of it -----------------------------------------------------------------------------------------------

    def wait_until_open(self) -> None:
        """Every process is up and answers: two web doors, RADIUS on both ports, a worker in Redis."""
        eventually(lambda: len(self.supervisor.processes) == 7, OPEN_SECONDS_MAX, "seven processes live")
        for base in (self.ussd_base, self.portal_base):
            eventually(lambda url=f"{base}/healthz": _answers(url), OPEN_SECONDS_MAX, f"{base} answers")  # type: ignore[misc]
        for port in self.radius_ports:
            eventually(lambda port=port: _taken(port), OPEN_SECONDS_MAX, f"RADIUS listens on {port}")  # type: ignore[misc]
        eventually(lambda: self._workers_known(), OPEN_SECONDS_MAX, "a worker waits for work")

    def _workers_known(self) -> set[int]:
        with self.redis.client() as client:
            known = {int(client.hget(key, "pid") or 0) for key in client.scan_iter("rq:worker:*", count=1000)}
        return known & set(self.pids("worker").values())

    def waiting_macs(self) -> set[str]:
        with self.app.work(self.shop.tenant_id) as uow:
            return {mac for mac, _ in network.waiting_devices(uow, limit=100)}

    def promises(self, *kinds: str) -> list[Promise]:
        """Open and parked promises (of these kinds), oldest first."""
        with self.app.work(None) as uow:
            rows = uow.session.query(Promise).filter(Promise.done_at.is_(None)).order_by(Promise.id)
            return [row for row in rows if not kinds or row.kind in kinds]

    def owed(self) -> list[tuple[str, str | None]]:
        """What should not be open any more once a story is over: kind and last error."""
        return [(row.kind, row.last_error) for row in self.promises() if row.kind not in SCHEDULED or row.parked_at]

    def revenue(self) -> int:
        with self.app.work(self.shop.tenant_id) as uow:
            return ledger.totals(uow).get("revenue", 0)

    def payments(self, payer: Payer) -> list[Payment]:
        with self.app.work(self.shop.tenant_id) as uow:
            return uow.session.query(Payment).filter_by(msisdn=payer.msisdn).order_by(Payment.id).all()

    def receipts(self, payer: Payer) -> list[str]:
        """The SMS that say "Paid", as they are on the phone."""
        return [sms.text for sms in payer.phone.sms_inbox if sms.text.startswith("Paid")]

    def is_served(self, payer: Payer) -> bool:
        return payer.device.online and bool(self.receipts(payer)) and not self.owed()

    def until_served(self, payer: Payer) -> None:
        """Waits for the good end; says what is missing when it does not come."""
        try:
            eventually(lambda: self.is_served(payer), STORY_SECONDS_MAX)
        except AssertionError as late:
            lacking = {"online": payer.device.online, "receipts": self.receipts(payer), "owed": self.owed()}
            raise AssertionError(f"{payer.mac} is not served: {lacking}") from late

    def assert_served_once(self, payer: Payer, *, prompts: int = 1, receipts: int = 1) -> None:
        """Waits for the good end, then looks at everything: this payer's things, and all books of the shop."""
        self.served.append(payer)
        self.until_served(payer)
        assert payer.mac in [row["user"] for row in self.router.rows("/ip/hotspot/active")]
        self.assert_bought_once(payer)
        assert len(self.daraja.prompts_for(payer.msisdn)) == prompts
        assert len(self.receipts(payer)) == receipts
        self.assert_books()

    def assert_bought_once(self, payer: Payer) -> None:
        """One purchase, completed; one subscription of three hours; one receipt on record; the wallet is empty."""
        with self.app.work(self.shop.tenant_id) as uow:
            who = customers.by_phone(uow, Msisdn(payer.msisdn))
            assert who is not None
            (order,) = uow.session.query(purchases.Purchase).filter_by(customer_id=who.id)
            assert order.completed_at is not None
            (bought,) = uow.session.query(subscriptions.Subscription).filter_by(customer_id=who.id)
            assert bought.ends_at - bought.starts_at == timedelta(hours=3)
            told = [row.key for row in uow.session.query(messaging.Message).filter_by(msisdn=payer.msisdn)]
            assert [key for key in told if key.startswith("receipt:")] == [f"receipt:{order.id}"]
            assert ledger.balance(uow, f"wallet:{who.id}", "KES") == Money(0, "KES")

    def assert_books(self) -> None:
        """Everybody's money together: to the cent what was paid, all of it revenue, none astray; nothing parked."""
        with self.app.work(self.shop.tenant_id) as uow:
            totals = ledger.totals(uow)
        assert sum(totals.values()) == 0
        assert totals["revenue"] == self._revenue_before + PRICE_MINOR * len(self.served)
        assert totals["revenue"] == self.daraja.total_taken_minor
        assert totals.get("wallets", 0) == totals.get("suspense", 0) == 0
        assert self.owed() == []
        assert [line for line in self.lines if '"promise.bug"' in line or '"sweep.failed"' in line] == []

    def last_words(self) -> str:
        """What the processes said lately, for whoever must understand a failure."""
        return "\n".join(self.lines)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _taken(port: int) -> bool:
    """Does somebody listen on this UDP port?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
