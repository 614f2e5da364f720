"""Every story of sessions, told to the verbs packet by packet, to the verbs all at once, and written down by FreeRADIUS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from core import network
from core.config import Settings
from core.network import AccountingEvent, NasClient
from radius.accounting import read_event
from radius.digest import Digest
from radius.packet import decode
from tests import freeradius_reports as reports
from tests.parity.stories import STORIES, Story
from tests.parity.table import ROUTERS, Case
from tests.parity.telling import Told, as_case, differences, look, packet
from tests.parity.world import World, open_world

KNOWN = {router.address: router for router in ROUTERS}
TOLD = tuple(story for story in STORIES if all(report.answered for report in story.reports))


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


def taken_down(world: World, case: Case, story: Story, now: datetime) -> None:
    """As FreeRADIUS writes packets down, and its collector reads them."""
    with TemporaryDirectory() as folder:
        digest = Digest(world.app, Path(folder), folder, lambda _: None)
        for report in story.reports:
            for _ in range(report.times):
                reports.take_down(world.app.engine, Path(folder), packet(case, report)[0], report.router.address, now)
                digest.once()


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


TELLERS = (one_by_one, together, taken_down)


def test_every_story_leaves_behind_what_it_says(world: World) -> None:
    failures: dict[tuple[str, str], list[str]] = {}
    for tell in TELLERS:
        world.forget()
        for number, story in enumerate(TOLD):
            case, now = as_case(story, number), world.app.clock.now() - timedelta(seconds=len(TOLD) - number)
            world.write(case, now)
            tell(world, case, story, now)
            if found := wrong(story, case, look(world, case, now, [])):
                failures[tell.__name__, story.name] = found
            world.end_sessions()
    assert failures == {}
    assert len(TOLD) > 50
