"""What the doctor looks at. Each check says what it found, and what to do when that is not good."""

from __future__ import annotations

import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, select

from cli import embedded
from cli.failures import first_line
from cli.shop import OPERATOR
from core import catalog, heartbeats, ledger, migrations, network, outbox, payments, tenants
from core.app import App
from core.config import Settings, Web
from core.db import WrongKey
from core.errors import GatewayFailure
from core.ports import World
from core.texts import duration
from core.uow import UnitOfWork

CLOCK_SECONDS_WARN, CLOCK_SECONDS_BAD = 2.0, 30.0
OLDEST_SECONDS_WARN, OLDEST_SECONDS_BAD = 30, 120
REPORT_SECONDS_BAD = 60
WEB_SECONDS_MAX = 3.0


class Level(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `advice` is empty when nothing needs doing."""

    level: Level
    what: str
    found: str
    advice: str = ""


Check = Callable[[App], Iterator[Finding]]


def ok(what: str, found: str) -> Finding:
    return Finding(Level.OK, what, found)


def warn(what: str, found: str, advice: str) -> Finding:
    return Finding(Level.WARN, what, found, advice)


def bad(what: str, found: str, advice: str) -> Finding:
    return Finding(Level.BAD, what, found, advice)


# ---- the installation --------------------------------------------------------------------------------------------------


def key(key_setting: str) -> Iterator[Finding]:
    """May only we read the key?"""
    kind, _, name = key_setting.partition(":")
    if kind != "file":
        yield ok("key", f"from {kind}")
        return
    mode = stat.S_IMODE(Path(name).stat().st_mode)
    if mode & 0o077:
        yield warn("key", f"others may read {name} (mode {mode:o})", f"chmod 600 {name}")
    else:
        yield ok("key", f"{name}, for this user only")


def tables(app: App) -> Iterator[Finding]:
    """Does the database answer, with the tables of this version?"""
    have, want = migrations.current(app.engine), migrations.head()
    what = f"database ({app.engine.dialect.name})"
    if have is None:
        yield bad(what, "it has no tables", "run `duka init`")
    elif have != want:
        yield bad(
            what, f"at revision {have}, this version wants {want}", "stop everything, run `duka migrate`, start again"
        )
    else:
        yield ok(what, f"answers, revision {have}")


def sealed(app: App) -> Iterator[Finding]:
    """Does the key open what the database keeps sealed?"""
    try:
        with app.look(None, OPERATOR) as uow:
            count = len(tenants.everyone(uow))
    except WrongKey as error:
        yield bad("sealed secrets", "the key does not open them", str(error))
        return
    yield ok("sealed secrets", "the key opens them" if count else "none yet")


def clock(app: App) -> Iterator[Finding]:
    """Do the database's machine and this one agree what time it is? Packages end by this clock."""
    if app.engine.dialect.name == "sqlite":
        yield ok("clock", "the database is on this machine")
        return
    with app.engine.connect() as connection:
        theirs = connection.scalar(select(func.clock_timestamp()))
    assert isinstance(theirs, datetime)
    yield skew((theirs.astimezone(UTC) - app.clock.now()).total_seconds())


def skew(seconds: float) -> Finding:
    """What a difference of so many seconds means."""
    if abs(seconds) < CLOCK_SECONDS_WARN:
        return ok("clock", "agrees with the database")
    found = f"the database is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
    return (bad if abs(seconds) >= CLOCK_SECONDS_BAD else warn)("clock", found, "turn NTP on, on both machines")


def redis(app: App) -> Iterator[Finding]:
    """Does Redis answer?"""
    if embedded.answers(app.settings.redis.url):
        yield ok("Redis", "answers")
    else:
        yield bad("Redis", "does not answer", "start it, or correct redis.url; until then no work is carried")


def work(app: App) -> Iterator[Finding]:
    """Is what was promised being carried, and is anything waiting for a person?"""
    with app.look(None, OPERATOR) as uow:
        due, oldest_seconds, parked = outbox.backlog(uow.session, uow.now)
    yield waiting(due, oldest_seconds)
    if parked:
        yield warn(
            "parked work",
            f"{parked} given up on",
            "look with `duka promise list`, mend the cause, `duka promise retry`",
        )
    else:
        yield ok("parked work", "none")


def waiting(due: int, oldest_seconds: int | None) -> Finding:
    """What a backlog of so many promises, the oldest so old, means."""
    if oldest_seconds is None or oldest_seconds < OLDEST_SECONDS_WARN:
        return ok("work", f"{due} due" if due else "nothing waits")
    found = f"{due} due, the oldest for {duration(oldest_seconds)}"
    level = bad if oldest_seconds >= OLDEST_SECONDS_BAD else warn
    return level("work", found, "are relay and workers up? `duka up`, or look at their logs")


def sweeps(app: App) -> Iterator[Finding]:
    """Does the clock tick?"""
    with app.look(None, OPERATOR) as uow:
        silent = heartbeats.silent(uow.session, uow.now)
    collectors = [name for name in silent if name.startswith(heartbeats.COLLECTOR)]
    for name in collectors:
        yield bad(name, "silent: what its FreeRADIUS is told stays there", "start it, or look at its log")
    silent = [name for name in silent if name not in collectors]
    if heartbeats.LEADER in silent:
        yield bad("clock process", "none runs: nothing ends, nothing is noticed", "start it: `duka up`")
    elif silent:
        yield bad("sweeps", f"silent: {', '.join(silent)}", "look at the clock's log for sweep.failed")
    else:
        yield ok("sweeps", "all have done their work lately")


def reports(app: App) -> Iterator[Finding]:
    """Does what routers told FreeRADIUS reach the books?"""
    with app.look(None) as uow:
        oldest = network.oldest_report(uow)
    if oldest is not None and (seconds := int((app.clock.now() - oldest).total_seconds())) >= REPORT_SECONDS_BAD:
        found = f"the oldest that FreeRADIUS took has waited for {duration(seconds)}"
        yield bad("reports", found, "start the collector beside FreeRADIUS, or look at its log")
    else:
        yield ok("reports", "none waits")


def doors(app: App) -> Iterator[Finding]:
    """Do the web doors answer?"""
    settings: Settings = app.settings
    for name, web in (("ussd", settings.ussd), ("portal", settings.portal)):
        if web.port:
            yield _door(name, web)


def _door(name: str, web: Web) -> Finding:
    host = "127.0.0.1" if web.host == "0.0.0.0" else web.host  # noqa: S104 (not bound, only understood)
    try:
        with urllib.request.urlopen(f"http://{host}:{web.port}/healthz", timeout=WEB_SECONDS_MAX) as answer:
            return ok(f"door {name}", f"answers on port {web.port} ({answer.status})")
    except urllib.error.HTTPError as error:
        return bad(f"door {name}", f"is up but not well ({error.code})", "look at the other lines here, and at its log")
    except OSError:
        return bad(f"door {name}", f"nobody answers on port {web.port}", "start it: `duka up`")


INSTALLATION: tuple[Check, ...] = (tables, sealed, clock, redis, work, sweeps, reports, doors)
FIRST: tuple[Check, ...] = (tables, sealed)
"""Where one of these is bad, there is no use in looking further."""


# ---- one ISP -----------------------------------------------------------------------------------------------------------


def books(uow: UnitOfWork) -> Iterator[Finding]:
    """Is something for sale, do the books add up, does money wait for an owner?"""
    count = len(catalog.on_sale(uow))
    if count:
        yield ok("packages", f"{count} on sale")
    else:
        yield warn("packages", "nothing is on sale", "`duka package add`")
    off_minor = sum(ledger.totals(uow).values())
    if off_minor:
        yield bad("books", f"are off by {off_minor}", "stop selling and call for help: this must never happen")
    else:
        yield ok("books", "add up")
    suspense = len(payments.in_suspense(uow))
    if suspense:
        yield warn(
            "suspense",
            f"{suspense} payments belong to nobody yet",
            "find their owners; customers can text PAID receipt",
        )


def sms(world: World) -> Iterator[Finding]:
    """Is the SMS account good?"""
    if world.sms is None:
        yield warn("SMS", "no account", "`duka settings africastalking`")
        return
    try:
        yield ok("SMS", f"the account is good, {world.sms.balance()} left")
    except GatewayFailure as error:
        yield bad("SMS", first_line(error), "check the user name and API key: `duka settings africastalking`")


def money(world: World) -> Iterator[Finding]:
    """Are the payment accounts good?"""
    if not world.payments:
        yield warn("M-Pesa", "no account", "`duka settings daraja`")
    for name, gateway in world.payments.items():
        try:
            gateway.ping()
            yield ok(name, "the keys are good")
        except GatewayFailure as error:
            yield bad(name, first_line(error), f"check its keys: `duka settings {name}`")


def routers(app: App, tenant_id: int, world: World) -> Iterator[Finding]:
    """Does every router answer, set up as it must be?"""
    with app.look(tenant_id, OPERATOR) as uow:
        known = [(network.address_of(uow, each), each.drift) for each in network.routers(uow)]
    if not known:
        yield warn("routers", "none", "`duka router add`")
    for router, drift in known:
        what = f"router {router.name}"
        if drift is not None:
            found = f"is not as it should be: {drift.splitlines()[0]}"
            yield warn(what, found, f"`duka router plan {router.name}`, `duka router repair {router.name}`")
        try:
            health = world.hotspot.probe(router, app.clock.now())
        except GatewayFailure as error:
            yield bad(what, first_line(error), "power, cable, tunnel, API service and password, in this order")
            continue
        yield ok(what, f"RouterOS {health.version}, up {duration(health.uptime_seconds)}, {health.active_count} online")
        for problem in health.problems:
            yield warn(what, problem, f"`duka router apply {router.name}` mends most of these")


def isp(app: App, tenant: tenants.Tenant) -> Iterator[Finding]:
    """Everything about one ISP."""
    with app.look(tenant.id, OPERATOR) as uow:
        yield from books(uow)
    world = app.world(tenant.id)
    yield from sms(world)
    yield from money(world)
    yield from routers(app, tenant.id, world)
