"""One key press on a phone: the USSD door under its production server, beside a bare endpoint under the same one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from sqlalchemy import create_engine, func, insert, select, text, update

from bench.bare import CALLER, METADATA
from bench.figures import Figure
from bench.measure import percentile
from bench.processes import play, process, wait_for_web
from bench.shop import CUSTOMERS, SAFARICOM, SERVICE_CODE, Shop, fill, msisdn, open_shop
from core.config import Settings
from core.dialogs import Dialog
from core.outbox import Promise
from tests import services

CALLERS = 32
PROCESSES: int = Settings.model_fields["ussd"].default.processes
"""As many as the door runs unless somebody says otherwise; the yardstick gets the same."""
ROUNDS, SECONDS = 5, 4.0
HOPS_PER_SECOND_MAX = 4_000
P99_MS_MAX = 100.0
SHARE_MIN = 0.5
KNOWN = (("dial", ""), ("packages", "2"), ("confirm", "2*1"), ("back", "2*1*0"))
"""Somebody with a history: what I have, the price list, one package, back."""
NEW = (("dial, new", ""), ("confirm, new", "1"), ("back, new", "1*0"))
"""Somebody never seen before gets the price list at once."""
ORDER = (("dial", ""), ("packages", "2"), ("confirm", "2*1"), ("pay", "2*1*1"))
NEW_EVERY = 5
"""Every n-th session is somebody new."""

Script = list[tuple[str, str]]


@dataclass
class Seen:
    """What the rounds against one address showed."""

    per_second: list[float] = field(default_factory=list)
    took_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    samples: dict[str, str] = field(default_factory=dict)

    def add(self, result: dict[str, Any]) -> None:
        answers = sum(len(took) for took in result["took_ms"].values())
        self.per_second.append(answers / result["seconds"])
        for kind, took in result["took_ms"].items():
            self.took_ms[kind] += took
        self.samples |= result["samples"]

    @property
    def rate(self) -> float:
        """The median round's answers per second."""
        return median(self.per_second)

    def percentile_ms(self, share: float) -> float:
        return percentile([took for kind in self.took_ms.values() for took in kind], share)

    def words(self) -> str:
        return f"{self.rate:,.0f}/s, median {self.percentile_ms(0.5):.1f} ms, p99 {self.percentile_ms(0.99):.1f} ms"


@dataclass
class Stand:
    """The ISP, the folder for logs, and phones that have not called yet."""

    shop: Shop
    database_url: str
    env: dict[str, str]
    folder: Path
    numbers: Iterator[int] = field(default_factory=count)
    strangers: Iterator[int] = field(default_factory=lambda: count(CUSTOMERS))

    def session(self, steps: tuple[tuple[str, str], ...], number: int) -> Script:
        """The posts of one session, in order."""
        session_id = f"ATUid_{uuid4().hex}"
        form = {
            "sessionId": session_id, "phoneNumber": msisdn(number), "networkCode": SAFARICOM, "serviceCode": SERVICE_CODE
        }  # fmt: skip
        return [(kind, urlencode(form | {"text": typed})) for kind, typed in steps]

    def sessions(self, seconds: float, known: tuple[tuple[str, str], ...] = KNOWN) -> list[Script]:
        """Enough sessions for a round. A customer calls once per round: a second call would be offered to go on."""
        wanted = int(HOPS_PER_SECOND_MAX * seconds / len(NEW))
        return [
            self.session(NEW, next(self.strangers)) if n % NEW_EVERY == 0 else self.session(known, next(self.numbers) % CUSTOMERS)
            for n in range(wanted)
        ]  # fmt: skip

    def forget_calls(self) -> None:
        """Everybody has hung up in order: nobody is offered to continue."""
        with self.shop.app.work(None) as uow:
            uow.session.execute(update(Dialog).where(Dialog.outcome.is_(None)).values(outcome="done"))

    def play(self, port: int, path: str, scripts: list[Script], seconds: float = SECONDS) -> dict[str, Any]:
        return play(
            {
                "host": "127.0.0.1",
                "port": port,
                "path": path,
                "callers": CALLERS,
                "seconds": seconds,
                "scripts": scripts,
            }
        )

    @property
    def ussd_path(self) -> str:
        return f"/ussd/africastalking/{self.shop.ussd_secret}"


@contextmanager
def stand() -> Iterator[Stand]:
    """PostgreSQL and Redis with a filled shop."""
    with (
        services.postgres_server() as server, services.redis_server() as redis, TemporaryDirectory() as folder,
        services.postgres_database(server) as url,
    ):  # fmt: skip
        services.create_tables(url)
        shop = open_shop(url, redis.url, Path(folder))
        fill(shop)
        _fill_bare(url)
        env = {
            "DUKA_DATABASE__URL": url, "DUKA_REDIS__URL": redis.url, "DUKA_SECRETS__KEY": f"file:{Path(folder) / 'duka.key'}"
        }  # fmt: skip
        try:
            yield Stand(shop, url, env, Path(folder))
        finally:
            shop.app.close()


def _fill_bare(url: str) -> None:
    engine = create_engine(url)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(CALLER), [{"id": n, "msisdn": msisdn(n), "name": "Bench Net", "hops": 0} for n in range(CUSTOMERS)]
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE bare_caller"))
    engine.dispose()


@contextmanager
def _served(
    arguments: Callable[[int], list[str]], stand: Stand, extra: Callable[[int], dict[str, str]]
) -> Iterator[int]:
    """A web server on a free port; the port."""
    port = services.free_port()
    log = stand.folder / f"{port}.log"
    with process(arguments(port), stand.env | extra(port), log) as running:
        wait_for_web(port, running, log)
        yield port


def ussd(stand: Stand, processes: int) -> Any:
    """The real door under its production server."""
    return _served(
        lambda _: ["-m", "ussd"], stand,
        lambda port: {"DUKA_USSD__PORT": str(port), "DUKA_USSD__PROCESSES": str(processes)},
    )  # fmt: skip


def bare(stand: Stand, processes: int) -> Any:
    """The yardstick under the same server."""
    return _served(lambda port: ["-m", "bench.bare", str(port), str(processes)], stand, lambda _: {})


def gunicorn(stand: Stand, processes: int, kind: str) -> Any:
    """The real door under one of gunicorn's own workers, of which `sync` closes every connection after its answer."""
    options = [
        "-w",
        str(processes),
        "-k",
        kind,
        *(["--threads", "1", "--keep-alive", "30"] if kind == "gthread" else []),
    ]
    return _served(
        lambda port: ["-m", "gunicorn", "-b", f"127.0.0.1:{port}", *options, "--backlog", "256", "ussd.app:make()"],
        stand, lambda _: {},
    )  # fmt: skip


def run(rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Figure]:
    """Rounds against the door and the bare endpoints in turn."""
    with stand() as place, ussd(place, PROCESSES) as ussd_port, bare(place, PROCESSES) as bare_port:
        ours, core, driver, orders = Seen(), Seen(), Seen(), Seen()
        _warm(place, ussd_port, bare_port)
        for _ in range(rounds):
            for path, into in (("/core", core), ("/psycopg", driver)):
                simple = [place.session(KNOWN, n % CUSTOMERS) for n in range(int(HOPS_PER_SECOND_MAX * seconds / 3))]
                into.add(place.play(bare_port, path, simple, seconds))
            ours.add(place.play(ussd_port, place.ussd_path, place.sessions(seconds), seconds))
            place.forget_calls()
        orders.add(place.play(ussd_port, place.ussd_path, place.sessions(seconds, ORDER), seconds))
        _check(place, ours, orders)
    return _figures(ours, core, driver, orders)


def _warm(place: Stand, ussd_port: int, bare_port: int) -> None:
    place.play(ussd_port, place.ussd_path, place.sessions(1.0), 1.0)
    place.forget_calls()
    for path in ("/core", "/psycopg"):
        place.play(bare_port, path, [place.session(KNOWN, n) for n in range(CUSTOMERS)], 0.5)


def _check(place: Stand, ours: Seen, orders: Seen) -> None:
    """The screens were the ones we think, and the orders are there."""
    expected = {"dial": "1 Renew", "packages": "1 1 hour KES 10", "confirm": "1 Pay", "back": "1 1 hour KES 10",
                "dial, new": "1 1 hour KES 10", "confirm, new": "1 Pay", "back, new": "1 1 hour KES 10"}  # fmt: skip
    for kind, words in expected.items():
        if not ours.samples[kind].startswith("CON ") or words not in ours.samples[kind]:
            raise RuntimeError(f"{kind} showed something unexpected: {ours.samples[kind]!r}")
    with place.shop.app.work(None) as uow:
        prompts = uow.session.scalar(select(func.count()).where(Promise.kind == "PromptPayment"))
    if not prompts or prompts < len(orders.took_ms["pay"]):
        raise RuntimeError("not every order has led to a prompt")


def _figures(ours: Seen, core: Seen, driver: Seen, orders: Seen) -> list[Figure]:
    ratio = median(mine / bare for mine, bare in zip(ours.per_second, core.per_second, strict=True))
    p99 = ours.percentile_ms(0.99)
    kinds = ", ".join(f"{kind} {median(took):.1f}" for kind, took in sorted(ours.took_ms.items()))
    return [
        Figure(
            f"USSD hop, {CALLERS} callers, {PROCESSES} processes each", ours.words(), f"bare Flask, SELECT + UPDATE: {core.words()}",
            f"{ratio:.2f}", f"≥ {SHARE_MIN}", ratio >= SHARE_MIN,
        ),
        Figure(f"USSD hop, p99 of {CALLERS} callers", f"{p99:.1f} ms", "", "", f"< {P99_MS_MAX:.0f} ms", p99 < P99_MS_MAX),
        Figure("  … by screen (medians, ms)", kinds),
        Figure("  … against the driver alone", "", f"bare Flask, psycopg: {driver.words()}", f"{ours.rate / driver.rate:.2f}"),
        Figure(
            "  … sessions that end in an order", orders.words(),
            f"the ordering hop: median {median(orders.took_ms['pay']):.1f} ms", f"{orders.rate / core.rate:.2f}",
        ),
    ]  # fmt: skip


def run_servers(rounds: int = 3, seconds: float = 2.0) -> list[Figure]:
    """The same door with our worker and with gunicorn's own, with one process and two."""
    with stand() as place, ExitStack() as stack:
        ports = {
            "our worker, 1 process": stack.enter_context(ussd(place, 1)),
            "our worker, 2 processes": stack.enter_context(ussd(place, 2)),
            "gunicorn sync, 1 process": stack.enter_context(gunicorn(place, 1, "sync")),
            "gunicorn sync, 2 processes": stack.enter_context(gunicorn(place, 2, "sync")),
            "gunicorn gthread, 2 processes": stack.enter_context(gunicorn(place, 2, "gthread")),
        }
        seen = {name: Seen() for name in ports}
        for port in ports.values():
            place.play(port, place.ussd_path, place.sessions(0.5), 0.5)
        place.forget_calls()
        for _ in range(rounds):
            for name, port in ports.items():
                seen[name].add(place.play(port, place.ussd_path, place.sessions(seconds), seconds))
                place.forget_calls()
    base = seen["our worker, 1 process"].rate
    return [
        Figure(f"USSD hop under {name}", result.words(), "our worker, 1 process", f"{result.rate / base:.2f}")
        for name, result in seen.items()
    ]
