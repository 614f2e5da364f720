"""From a payment company's callback to a device on the network: the real processes, PostgreSQL, Redis, virtual routers."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, insert, select, text, update

from bench.figures import Figure
from bench.measure import cpu_seconds, family, percentile
from bench.processes import ROOT, wait_for_web
from bench.shop import CUSTOMERS, SHORT_CODE, Shop, add_router, fill, mac, msisdn, open_shop
from cli.supervisor import Supervisor
from core import codes
from core.inbox import Inbound
from core.messaging.models import Message
from core.network.models import Router
from core.outbox import Promise
from core.payments.models import Payment
from core.purchases.models import Purchase
from tests import services

IDLE_PURCHASES = 30
IDLE_PAUSE_SECONDS = 0.3
RATE_PER_SECOND, BURST_SECONDS = 25, 60
ROUTERS = 5
IN_REACH_SECONDS = 8.0
"""How long a device waits at the router before its owner has paid."""
LAST_SECONDS_MAX = 60.0
POSTERS = 8
IDLE_MS_MAX, BUSY_P95_SECONDS_MAX = 200.0, 3.0
PRICE_SHILLINGS = 20
WORKERS = 2


class Outside:
    """The town's process, spoken to by JSON lines."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.town"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output,
                text=True,
            )  # fmt: skip

    def do(self, order: str, **arguments: Any) -> dict[str, Any]:
        """Give an order and wait for the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": order, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the town fell silent at {order!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@dataclass
class Scene:
    """Everything running, and what was noted so far. Purchases are numbered like their customers."""

    shop: Shop
    outside: Outside
    supervisor: Supervisor
    hooks: str
    portal_port: int
    answered_at: dict[int, float] = field(default_factory=dict)
    online_at: dict[int, float] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def plug(self, numbers: list[int], moments: list[float]) -> None:
        """The devices of these customers come into reach at these moments."""
        self.outside.do("plug", when=[(at, n % ROUTERS, mac(n)) for n, at in zip(numbers, moments, strict=True)])

    def listen(self) -> None:
        """Hear who got online."""
        for address, at in self.outside.do("online")["online"]:
            self.online_at.setdefault(int(address.replace(":", "")[6:], 16), at)

    def wait_online(self, numbers: list[int], seconds: float) -> bool:
        """Until all of these are online; False when they are not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.listen()
            if all(number in self.online_at for number in numbers):
                return True
            time.sleep(0.02)
        return False

    def waits_ms(self, numbers: list[int]) -> list[float]:
        """From the callback's answer to the row at the router."""
        return [(self.online_at[n] - self.answered_at[n]) * 1000 for n in numbers if n in self.online_at]


def callback(number: int) -> bytes:
    """What Daraja posts when this customer has paid."""
    items = [
        {"Name": "Amount", "Value": PRICE_SHILLINGS}, {"Name": "MpesaReceiptNumber", "Value": f"BENCH{number:05d}"},
        {"Name": "Balance"}, {"Name": "TransactionDate", "Value": 20261120120000},
        {"Name": "PhoneNumber", "Value": int(msisdn(number).digits)},
    ]  # fmt: skip
    return json.dumps(
        {
            "Body": {
                "stkCallback": {
                    "MerchantRequestID": f"m-{number}", "CheckoutRequestID": f"ws_CO_{number:012d}", "ResultCode": 0,
                    "ResultDesc": "The service request is processed successfully.", "CallbackMetadata": {"Item": items},
                }
            }
        }
    ).encode()  # fmt: skip


class Poster:
    """Posts callbacks over one kept connection."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._connection = http.client.HTTPConnection("127.0.0.1", scene.portal_port, timeout=30)

    def post(self, number: int) -> None:
        """One callback; notes when it was answered."""
        self._connection.request("POST", self._scene.hooks, callback(number), {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        response.read()
        self._scene.answered_at[number] = time.monotonic()
        self._scene.statuses[response.status] += 1


def order_all(shop: Shop, count: int) -> None:
    """Everybody has ordered the second package and been prompted; nothing is left to do but to hear that they paid."""
    with shop.app.work(shop.tenant_id) as uow:
        now = uow.now + timedelta(seconds=BURST_SECONDS + 60)  # as if prompted just before: nobody need ask about them
        first = (uow.session.scalar(select(func.max(Purchase.id))) or 0) + 1
        uow.session.execute(
            insert(Purchase),
            [
                {
                    "tenant_id": shop.tenant_id, "customer_id": n + 1, "package_id": 2, "key": f"ussd:bench-{n}",
                    "price_minor": PRICE_SHILLINGS * 100, "currency": "KES", "created_at": now,
                }
                for n in range(count)
            ],
        )  # fmt: skip
        ids = list(uow.session.scalars(select(Purchase.id).where(Purchase.id >= first).order_by(Purchase.id)))
        by_customer = dict(
            uow.session.execute(select(Purchase.customer_id, Purchase.id).where(Purchase.id.in_(ids))).tuples().all()
        )
        uow.session.execute(
            insert(Payment),
            [
                {
                    "tenant_id": shop.tenant_id, "customer_id": n + 1, "purchase_id": by_customer[n + 1],
                    "company": "daraja", "code": codes.make(10), "key": f"purchase:{by_customer[n + 1]}",
                    "msisdn": msisdn(n), "amount_minor": PRICE_SHILLINGS * 100, "currency": "KES", "asked_at": now,
                    "prompted_at": now, "request_id": f"ws_CO_{n:012d}", "merchant_request_id": f"m-{n}",
                }
                for n in range(count)
            ],
        )  # fmt: skip
    with shop.app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def scene(count: int) -> Iterator[Scene]:
    """The whole service as the Procfile says, with `count` customers who have ordered."""
    with (
        services.postgres_server() as server, services.redis_server() as redis, TemporaryDirectory() as folder,
        services.postgres_database(server) as url,
    ):  # fmt: skip
        services.create_tables(url)
        outside = Outside(Path(folder) / "town.log")
        try:
            place = outside.do("start", routers=ROUTERS, username="bench", api_key="key-bench", short_code=SHORT_CODE)
            shop = open_shop(url, redis.url, Path(folder), sms_url=place["sms_url"])
            fill(shop, CUSTOMERS, 1, live=False)
            order_all(shop, count)
            secrets = [add_router(shop, *where) for where in place["routers"]]
            ports = {"portal": services.free_port(), "auth": services.free_port(), "acct": services.free_port()}
            env = os.environ | {
                "DUKA_DATABASE__URL": url, "DUKA_REDIS__URL": redis.url, "DUKA_SECRETS__KEY": f"file:{folder}/duka.key",
                "DUKA_PORTAL__PORT": str(ports["portal"]), "DUKA_USSD__PORT": str(services.free_port()),
                "DUKA_RADIUS__AUTH_PORT": str(ports["auth"]), "DUKA_RADIUS__ACCT_PORT": str(ports["acct"]),
                "DUKA_JOBS__WORKERS": str(WORKERS),
            }  # fmt: skip
            with running(env, Path(folder) / "service.log", ports["portal"]) as supervisor:
                outside.do("open", auth_port=ports["auth"], acct_port=ports["acct"], secrets=secrets)
                yield Scene(shop, outside, supervisor, f"/hooks/daraja/{shop.hooks_secret}", ports["portal"])
            shop.app.close()
        finally:
            outside.close()


@contextmanager
def running(env: dict[str, str], log: Path, portal_port: int) -> Iterator[Supervisor]:
    """The processes of the Procfile; yields once the portal answers and the workers had time to say hello."""
    with log.open("a", encoding="utf-8") as output:
        supervisor = Supervisor(
            ROOT / "Procfile", env, ROOT, lambda name, line: print(name, line, file=output), scale={"worker": WORKERS}
        )
        supervisor.start()
        try:
            portal = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
            wait_for_web(portal_port, portal, log)
            portal.communicate(b"\n")
            time.sleep(3)
            yield supervisor
        finally:
            supervisor.stop()
            if keep := os.environ.get("BENCH_KEEP_LOG"):
                output.flush()
                Path(keep).write_bytes(log.read_bytes())


def run(rate: int = RATE_PER_SECOND, seconds: int = BURST_SECONDS) -> list[Figure]:
    """Single purchases on an idle service, then a steady stream."""
    stream = list(range(IDLE_PURCHASES, IDLE_PURCHASES + rate * seconds))
    with scene(IDLE_PURCHASES + rate * seconds) as stage:
        idle_ms = _one_by_one(stage, list(range(IDLE_PURCHASES)))
        stages_before = _stages(stage.shop)
        used = _stream(stage, stream, rate)
        busy_ms = stage.waits_ms(stream)
        figures = _figures(stage, idle_ms, busy_ms, stream, used)
        stages = _stages(stage.shop)
    figures += [
        Figure(f"  … {name} (idle, then busy: median and p95)", f"{stages_before[name]}; {busy}")
        for name, busy in stages.items()
    ]
    return figures


def _one_by_one(stage: Scene, numbers: list[int]) -> list[float]:
    poster = Poster(stage)
    for number in numbers:
        stage.plug([number], [0.0])
        time.sleep(IDLE_PAUSE_SECONDS)
        poster.post(number)
        if not stage.wait_online([number], 15):
            raise RuntimeError(f"purchase {number} was not served within 15 s on an idle service")
    time.sleep(1)
    return stage.waits_ms(numbers)


def _stream(stage: Scene, numbers: list[int], rate: int) -> dict[str, float]:
    """Callbacks at a steady rate; processor seconds per process meanwhile (until the last one is served)."""
    began = time.monotonic() + IN_REACH_SECONDS + 0.5
    due = [began + place / rate for place in range(len(numbers))]
    stage.plug(numbers, [at - IN_REACH_SECONDS for at in due])
    orders: SimpleQueue[int | None] = SimpleQueue()

    def work() -> None:
        poster = Poster(stage)
        while (number := orders.get()) is not None:
            poster.post(number)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(POSTERS)]
    for thread in threads:
        thread.start()
    time.sleep(max(began - time.monotonic(), 0))
    before = _cpu(stage)
    for number, at in zip(numbers, due, strict=True):
        time.sleep(max(at - time.monotonic(), 0))
        orders.put(number)
    for _ in threads:
        orders.put(None)
    for thread in threads:
        thread.join()
    stage.wait_online(numbers, LAST_SECONDS_MAX)
    took = time.monotonic() - began
    after = _cpu(stage)
    deadline = time.monotonic() + LAST_SECONDS_MAX
    while _open_promises(stage.shop) and time.monotonic() < deadline:
        time.sleep(0.2)
    return {name: (after[name] - before.get(name, 0.0)) / took for name in after}


def _open_promises(shop: Shop) -> int:
    with shop.app.work(None) as uow:
        due = Promise.done_at.is_(None) & (Promise.due_at < uow.now + timedelta(seconds=60))
        return uow.session.scalar(select(func.count()).where(due)) or 0


def _cpu(stage: Scene) -> dict[str, float]:
    """Processor seconds so far: our processes, the town, and the servers this bench has started."""
    found = {name: cpu_seconds(pid) for name, pid in stage.supervisor.processes.items()}
    found["the town"] = cpu_seconds(stage.outside.process.pid)
    ours = {pid for leader in stage.supervisor.processes.values() for pid in family(leader)}
    ours |= set(family(stage.outside.process.pid))
    rest = [pid for pid in family(os.getpid()) if pid not in ours and pid != os.getpid()]
    for pid in rest:
        name = Path(f"/proc/{pid}/comm").read_text().strip() if Path(f"/proc/{pid}").exists() else ""
        if name in ("postgres", "redis-server", "valkey-server") and Path(f"/proc/{pid}/stat").exists():
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found[name] = cpu_seconds(pid)
    return found


def _stages(shop: Shop) -> dict[str, str]:
    """Where the time goes, by the service's own notes: promises made → kept, and the milestones of a purchase."""
    lists: dict[str, list[float]] = defaultdict(list)
    with shop.app.work(None) as uow:
        kept = uow.session.execute(
            select(Promise.kind, Promise.created_at, Promise.done_at).where(
                Promise.done_at.is_not(None), Promise.kind.in_(("Digest", "SyncAccess", "LogIn", "SendMessage"))
            )
        ).all()
        for kind, made, done in kept:
            assert done is not None
            lists[f"{kind}: promised → kept"].append((done - made).total_seconds() * 1000)
        uow.session.execute(update(Promise).where(Promise.done_at.is_not(None)).values(kind="measured"))
        for created, handed in uow.session.execute(select(Message.created_at, Message.handed_over_at)):
            if handed is not None:
                lists["receipt: written → taken by the company"].append((handed - created).total_seconds() * 1000)
        for received, digested in uow.session.execute(select(Inbound.received_at, Inbound.digested_at)):
            if digested is not None:
                lists["callback: stored → understood"].append((digested - received).total_seconds() * 1000)
    return {name: f"{median(took):.0f}, {percentile(took, 0.95):.0f} ms" for name, took in sorted(lists.items())}


def _figures(
    stage: Scene, idle_ms: list[float], busy_ms: list[float], stream: list[int], used: dict[str, float]
) -> list[Figure]:
    served = len(busy_ms)
    p95 = percentile(busy_ms, 0.95) / 1000 if served else float("inf")
    with stage.shop.app.work(None) as uow:
        texts = uow.session.scalar(select(func.count()).where(Message.handed_over_at.is_not(None))) or 0
        parked = uow.session.scalar(select(func.count()).where(Promise.parked_at.is_not(None))) or 0
        down = uow.session.scalar(select(func.count()).where(Router.down_since.is_not(None))) or 0
    idle = median(idle_ms)
    cores = ", ".join(f"{name} {share:.2f}" for name, share in sorted(used.items(), key=lambda item: -item[1]))
    return [
        Figure(
            f"callback → online, idle ({len(idle_ms)} purchases)",
            f"median {idle:.0f} ms, p95 {percentile(idle_ms, 0.95):.0f} ms", "", "", f"median < {IDLE_MS_MAX:.0f} ms",
            idle < IDLE_MS_MAX,
        ),
        Figure(
            f"callback → online, {RATE_PER_SECOND}/s for {BURST_SECONDS} s", f"median {median(busy_ms or [0]):.0f} ms, p95 {p95:.2f} s",
            "", "", f"p95 < {BUSY_P95_SECONDS_MAX:.0f} s, all served", p95 < BUSY_P95_SECONDS_MAX and served == len(stream),
        ),
        Figure(
            "  … served", f"{served} of {len(stream)} online, {texts} texts, {parked} parked, {down} routers down,"
            f" callbacks {dict(stage.statuses)}",
        ),
        Figure("  … cores used meanwhile", f"{cores}; together {sum(used.values()):.2f}"),
    ]  # fmt: skip
