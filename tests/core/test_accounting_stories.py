"""Every story of sessions, told to the verbs packet by packet, to the verbs all at once, and to FreeRADIUS's function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from core import network
from core.config import Settings
from core.network import AccountingEvent, NasClient
from radius.accounting import read_event
from radius.packet import decode
from tests.parity.stories import CAUSES, INTERIM, OFF, ON, START, STOP, STORIES, Report, Story
from tests.parity.table import ROUTERS, Case
from tests.parity.telling import Told, as_case, differences, look, packet
from tests.parity.world import World, open_world

KNOWN = {router.address: router for router in ROUTERS}
TOLD = tuple(story for story in STORIES if all(report.answered for report in story.reports))
WORDS = {START: "Start", STOP: "Stop", INTERIM: "Interim-Update", ON: "Accounting-On", OFF: "Accounting-Off"}


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_world(settings) as opened:
        yield opened


def events(case: Case, story: Story, now: datetime) -> Iterator[AccountingEvent]:
    """The packets as the server understands them, read from their bytes."""
    for report in story.reports:
        client = NasClient(
            address=report.router.address, secret=report.router.secret, tenant_id=0, router_id=0, realm="",
            mac_auth_password="", demands_message_authenticator=False,
        )  # fmt: skip
        event = read_event(decode(packet(case, report)[0]), client, now)
        if event is not None:
            yield from [event] * report.times


def one_by_one(world: World, case: Case, story: Story, now: datetime) -> None:
    for event in events(case, story, now):
        with world.app.work(None) as uow:
            network.account(uow, event)


def together(world: World, case: Case, story: Story, now: datetime) -> None:
    with world.app.work(None) as uow:
        network.account_many(uow, list(events(case, story, now)))


def arguments(case: Case, report: Report, now: datetime) -> dict[str, str]:
    """What FreeRADIUS puts into its one statement."""
    given: dict[str, Any] = {
        "status": WORDS.get(report.kind, str(report.kind)), "nas": report.router.address, "delay": report.ago,
        "heard": f"{now.timestamp():.6f}",
    }  # fmt: skip
    if report.kind not in (ON, OFF):
        klass = "" if report.klass is None else str(case.fill(report.klass))
        given |= {
            "session": f"{case.number:04x}{report.session}", "user": case.fill(report.user),
            "calling": case.fill(report.calling), "called": report.called, "address": "10.5.50.9", "port": "bridge",
            "type": "Wireless-802.11", "seconds": report.seconds,
            "cause": CAUSES[report.cause] if report.kind == STOP else "",
            "class": "0x" + klass.encode().hex() if klass and report.kind != START else klass,
        }  # fmt: skip
        for side, total in (("in", report.up), ("out", report.down)):
            given |= {side: total % 2**32, f"{side}_giga": total >> 32} if total is not None else {}
    return {name: "" if given.get(name) is None else str(given[name]) for name in NAMES}


NAMES = (
    "status", "nas", "session", "user", "calling", "called", "address", "port", "type", "seconds", "in", "in_giga", "out",
    "out_giga", "cause", "class", "delay", "heard",
)  # fmt: skip
CALL = text(f"SELECT duka_account({', '.join(f'CAST(:{name} AS text)' for name in NAMES)})")


def function(world: World, case: Case, story: Story, now: datetime) -> None:
    for report in story.reports:
        for _ in range(report.times):
            with world.app.engine.begin() as connection:
                assert connection.scalar(CALL, arguments(case, report, now)) == "ok"


def wrong(story: Story, case: Case, told: Told) -> list[str]:
    """What is not as the story says: in the sessions, in the charge, in the days."""
    found = [] if len(told.sessions) == len(story.known) else [f"{len(told.sessions)} sessions"]
    for known, row in zip(story.known, told.sessions, strict=False):
        found += differences(known, case, row)
    if story.rows and told.charged != story.charged:
        found.append(f"charged {told.charged}, not {story.charged}")
    for side, column in (("up", "input_bytes"), ("down", "output_bytes")):
        counted, told_of = sum(day[column] for day in told.days), sum(getattr(k, side) for k in story.known)
        if counted != told_of:
            found.append(f"{column} {counted} in the days, not {told_of}")
    charged = sum(d["input_bytes"] + d["output_bytes"] for d in told.days if d["subscription_id"])
    if story.rows and charged != story.charged:
        found.append(f"charged {charged} in the days, not {story.charged}")
    return found


TELLERS: dict[str, tuple[Callable[[World, Case, Story, datetime], None], ...]] = {
    "sqlite": (one_by_one, together), "postgresql": (one_by_one, together, function),
}  # fmt: skip


def test_every_story_leaves_behind_what_it_says(world: World, database_kind: str) -> None:
    failures: dict[tuple[str, str], list[str]] = {}
    for tell in TELLERS[database_kind]:
        world.forget()
        for number, story in enumerate(TOLD):
            case, now = as_case(story, number), world.app.clock.now() + timedelta(seconds=number)
            world.write(case, now)
            tell(world, case, story, now)
            if found := wrong(story, case, look(world, case, now, [])):
                failures[tell.__name__, story.name] = found
            world.end_sessions()
    assert failures == {}
    assert len(TOLD) > 50
