"""Telling the stories to a server, and reading what it knows afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy import select

from core.radius_tables import radacct, usage_day
from core.subscriptions.models import Subscription
from tests.parity import wire
from tests.parity.stories import INTERIM, OFF, ON, Known, Report, Story
from tests.parity.table import REALM, Case, Silence
from tests.parity.wire import Attribute
from tests.parity.world import Endpoint, World

FIRST_NUMBER = 5000
TIMES = ("acctstarttime", "acctupdatetime", "acctstoptime")
_NUMBERS = count(1)


@dataclass
class Told:
    """What a server knows after a story: rows of `radacct` (moments as seconds ago), of `usage_day`, what was charged, and
    which packets were not answered."""

    sessions: list[dict[str, Any]]
    days: list[dict[str, Any]]
    charged: int | None
    unanswered: list[int]


def as_case(story: Story, number: int) -> Case:
    """The story's own names and rows, as the table of requests has them."""
    return Case(story.name, Silence(), story.rows, number=FIRST_NUMBER + number)


def packet(case: Case, report: Report) -> tuple[bytes, bytes]:
    """The Accounting-Request as the router signs it, and the secret for its answer."""
    secret = (report.secret or report.router.secret).encode()
    attributes: list[Attribute] = [
        ("Acct-Status-Type", report.kind), ("NAS-Identifier", report.identity), ("NAS-IP-Address", report.router.address),
        ("Acct-Delay-Time", report.ago),
    ]  # fmt: skip
    if report.kind not in (ON, OFF):
        attributes += [
            ("User-Name", case.fill(report.user)), ("Calling-Station-Id", case.fill(report.calling)), ("NAS-Port-Type", 19),
            ("NAS-Port-Id", "bridge"), ("NAS-Port", 2_151_677_953), ("Called-Station-Id", report.called),
            ("Framed-IP-Address", "10.5.50.9"),
        ]  # fmt: skip
        if report.session:
            attributes.append(("Acct-Session-Id", f"{case.number:04x}{report.session}"))
        if report.klass is not None:
            attributes.append(("Class", case.fill(report.klass)))
        for name, total in (("Input", report.up), ("Output", report.down)):
            if total is not None:
                attributes += [(f"Acct-{name}-Octets", total % 2**32), (f"Acct-{name}-Gigawords", total >> 32)]
        if report.seconds is not None:
            attributes.append(("Acct-Session-Time", report.seconds))
        if report.kind == 2:
            attributes.append(("Acct-Terminate-Cause", report.cause))
    raw = wire.request(wire.ACCOUNTING_REQUEST, attributes, secret, signed=False, identifier=next(_NUMBERS) % 256)
    return raw, secret


def tell(world: World, servers: list[Endpoint], story: Story, number: int) -> Told:
    """Tell a story, each packet to the next of these servers, and wait until it is written down."""
    case = as_case(story, number)
    began = datetime.now(UTC)
    world.write(case, began)
    unanswered = []
    for place, report in enumerate(story.reports):
        if place and not story.reports[place - 1].kind == report.kind == INTERIM:  # minutes would have passed
            servers[(place - 1) % len(servers)].settle()
        raw, secret = packet(case, report)
        with wire.bound(report.router.address) as own:
            answers = [
                wire.ask(
                    own, servers[place % len(servers)].acct_port, raw, secret, 6.0 if report.answered else 0.5, 0.5
                )
                for _ in range(report.times)
            ]
        if None in answers:
            unanswered.append(place)
    for server in servers:
        server.settle()
    told = look(world, case, began, unanswered)
    world.end_sessions()
    return told


def look(world: World, case: Case, began: datetime, unanswered: list[int]) -> Told:
    """What is known about the people of a story."""
    own = radacct.c.acctsessionid.like(f"{case.number:04x}%")
    sessions = select(radacct).where(own)
    with world.app.engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sessions).mappings()]
        rows.sort(key=lambda row: (round(row["acctstarttime"].timestamp()), row["acctsessionid"]))
        names = {row["username"] for row in rows}
        keys = names | {f"{name}@{REALM}" for name in names}
        used = select(usage_day).where(usage_day.c.username.in_(keys)).order_by(*usage_day.primary_key.columns)
        days = connection.execute(used).mappings()
        charged = connection.execute(
            select(Subscription.used_bytes).where(Subscription.id == case.subscription_id)
        ).scalar()
        found = [dict(row) for row in days]
    for row in rows:
        del row["radacctid"]
        for column in TIMES:
            row[column] = None if row[column] is None else round((began - row[column]).total_seconds())
    return Told(rows, found, charged, unanswered)


def differences(known: Known, case: Case, row: dict[str, Any]) -> list[str]:
    """What is wrong with a row."""
    user = str(case.fill(known.user))
    name = f"{user}|{case.number:04x}{known.session}|{known.router.address}"
    wanted: dict[str, Any] = {
        "acctsessionid": f"{case.number:04x}{known.session}", "username": user, "nasipaddress": known.router.address,
        "acctinputoctets": known.up, "acctoutputoctets": known.down, "acctsessiontime": known.seconds,
        "class": case.fill(known.klass),
    }  # fmt: skip
    found = {column: row[column] if column not in ("nasipaddress",) else str(row[column]) for column in wanted}
    found |= {column: found[column] or 0 for column in ("acctinputoctets", "acctoutputoctets", "acctsessiontime")}
    found["class"] = found["class"] or ""
    wrong = [
        f"{column}: {found[column]!r}, not {value!r}" for column, value in wanted.items() if found[column] != value
    ]
    if (row["acctstoptime"] is None) != (known.ended is None) or (row["acctterminatecause"] or None) != known.ended:
        wrong.append(f"ended {row['acctstoptime']} s ago by {row['acctterminatecause']!r}, not by {known.ended!r}")
    for column, ago in (("acctstarttime", known.started_ago), ("acctstoptime", known.ended_ago)):
        if ago is not None and (row[column] is None or abs(row[column] - ago) > 3):
            wrong.append(f"{column} {row[column]} s ago, not {ago}")
    if known.ended != "Stale" and row["acctuniqueid"] != hashlib.md5(name.encode()).hexdigest():
        wrong.append(f"acctuniqueid {row['acctuniqueid']} is not made from {name!r}")
    return wrong


def tell_all(world: World, servers: list[Endpoint], stories: tuple[Story, ...]) -> dict[str, Told]:
    """Every story, one after the other, on empty tables."""
    world.forget()
    for server in servers:
        world.greet(server, accounting=True)
    return {story.name: tell(world, servers, story, number) for number, story in enumerate(stories)}
