"""Rows beyond a device with a package: logins, everything a profile says, and those who are only remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, Table, event, insert, select

from core.adapters.radius_rows import RadiusRows
from core.db import make_engine
from core.ports import Access
from core.radius_tables import radcheck, radius_user, radreply
from core.rates import Burst, Speed

END = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
LOGIN = Access(
    "home.1", allowed=True, expires_at=END, upload_kbps=5000, download_kbps=10_000, subscription_id=7, tenant_id=3,
    service="ppp", password="p w!~", burst=Burst(Speed(8000, 16_000), 16), priority=3, language="sw", hours="480-1200",
    timezone="Africa/Nairobi", redirects=True, sessions=2,
    replies=(
        ("Framed-IP-Address", "10.0.0.7"), ("Framed-Route", "10.9.0.0/24 10.0.0.7 1"), ("Framed-Route", "10.9.1.0/24"),
        ("Mikrotik-Address-List", "paid"), ("Mikrotik-Address-List", "gold"), ("Framed-IPv6-Prefix", "2001:db8::/64"),
        ("Delegated-IPv6-Prefix", "2001:db8:8::/56"), ("Framed-Pool", "home"), ("Idle-Timeout", "900"),
    ),
)  # fmt: skip
KEPT = Access(
    "AA:BB:CC:00:00:01", allowed=False, kept=True, expires_at=END, subscription_id=7, metered=True, blocked="suspended"
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def stored(engine: Engine, table: Table) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(select(table).order_by(table.c.username if table is radius_user else table.c.id))
        return [tuple(row) if table is radius_user else tuple(row)[2:] for row in rows]


def test_a_login_has_its_password_its_sessions_and_its_end(engine: Engine) -> None:
    RadiusRows(engine).apply([LOGIN])
    assert stored(engine, radcheck) == [
        ("Expiration", ":=", str(int(END.timestamp()))), ("Cleartext-Password", ":=", "p w!~"),
        ("Simultaneous-Use", ":=", "2"),
    ]  # fmt: skip


def test_what_may_stand_several_times_is_added_and_the_rest_is_set(engine: Engine) -> None:
    RadiusRows(engine).apply([LOGIN])
    assert stored(engine, radreply) == [
        ("Acct-Interim-Interval", ":=", "300"), ("Mikrotik-Rate-Limit", ":=", "5M/10M 8M/16M 5M/10M 16/16 3"),
        ("Class", ":=", "duka:7"), ("Framed-IP-Address", ":=", "10.0.0.7"),
        ("Framed-Route", "+=", "10.9.0.0/24 10.0.0.7 1"), ("Framed-Route", "+=", "10.9.1.0/24"),
        ("Mikrotik-Address-List", "+=", "paid"), ("Mikrotik-Address-List", "+=", "gold"),
        ("Framed-IPv6-Prefix", "+=", "2001:db8::/64"), ("Delegated-IPv6-Prefix", "+=", "2001:db8:8::/56"),
        ("Framed-Pool", ":=", "home"), ("Idle-Timeout", ":=", "900"),
    ]  # fmt: skip


def test_what_stock_rows_cannot_say_stands_beside_them(engine: Engine) -> None:
    RadiusRows(engine).apply([LOGIN, KEPT])
    assert stored(engine, radius_user) == [
        ("AA:BB:CC:00:00:01", 0, "mac", 7, True, "en", "", "UTC", False, "suspended"),
        ("home.1", 3, "ppp", 7, False, "sw", "480-1200", "Africa/Nairobi", True, ""),
    ]


def test_who_is_only_remembered_has_an_end_and_no_speed(engine: Engine) -> None:
    RadiusRows(engine).apply([KEPT])
    assert stored(engine, radcheck) == [("Expiration", ":=", str(int(END.timestamp())))]
    assert stored(engine, radreply) == [("Acct-Interim-Interval", ":=", "300"), ("Class", ":=", "duka:7")]


@pytest.mark.parametrize(
    "change",
    [
        {"language": "en"}, {"hours": ""}, {"timezone": "UTC"}, {"redirects": False}, {"blocked": "suspended"},
        {"password": "other"}, {"sessions": None}, {"tenant_id": 4}, {"subscription_id": 8}, {"burst": None}, {"replies": ()},
    ],
    ids=str,
)  # fmt: skip
def test_every_change_is_written_and_none_twice(engine: Engine, change: dict[str, Any]) -> None:
    rows, writes = RadiusRows(engine), list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            writes.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    rows.apply([LOGIN])
    rows.apply([replace(LOGIN, **change)])
    assert writes
    writes.clear()
    rows.apply([replace(LOGIN, **change)])
    assert writes == []


def test_somebody_elses_word_beside_ours_does_not_survive(engine: Engine) -> None:
    rows = RadiusRows(engine)
    rows.apply([LOGIN])
    before = sorted(stored(engine, radcheck))
    with engine.begin() as connection:
        connection.execute(
            insert(radcheck).values(username="home.1", attribute="Cleartext-Password", op=":=", value="mine")
        )
        connection.execute(radius_user.update().values(blocked="", hours="", redirects=False))
    rows.apply([LOGIN])
    assert sorted(stored(engine, radcheck)) == before
    assert stored(engine, radius_user)[0][6] == "480-1200"


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "AA:BB:CC:00:00:01"}, {"username": "aabbcc000001"}, {"username": "aa.bb.cc.00.00.01@realm"},
        {"username": "Home.1"}, {"username": "a" * 64}, {"service": "mac"}, {"service": "modem"}, {"password": None},
        {"password": ""}, {"password": "a\nb"}, {"password": "x" * 129}, {"sessions": 0}, {"sessions": 1000},
        {"priority": 9}, {"burst": Burst(Speed(0, 1), 1)}, {"language": "English"}, {"hours": "always"},
        {"hours": "480-480"}, {"hours": "480-1200,1200-1300"}, {"hours": "0-10081"}, {"hours": "500-600,100-200"},
        {"timezone": "Mars/Olympus"}, {"timezone": "../etc/passwd"}, {"blocked": "forgotten"},
        {"replies": (("Auth-Type", "Accept"),)}, {"replies": (("Mikrotik-Total-Limit", "1"),)},
        {"replies": (("Class", "duka:1"),)}, {"replies": (("Framed-IP-Address", "255.255.255.254"),)},
        {"replies": (("Framed-IP-Address", "10.0.0.07"),)}, {"replies": (("Framed-Route", "10.0.0.1/24"),)},
        {"replies": (("Framed-IPv6-Prefix", "10.0.0.0/8"),)}, {"replies": (("Idle-Timeout", "0"),)},
        {"replies": (("Session-Timeout", "99999999999"),)}, {"replies": (("Framed-Pool", ""),)},
        {"replies": (("Mikrotik-Group", "x" * 248),)}, {"replies": (("Framed-Pool", "a"), ("Framed-Pool", "b"))},
        {"replies": (("Framed-Route", "10.9.1.0/24"), ("Framed-Route", "10.9.1.0/24"))},
    ],
    ids=str,
)  # fmt: skip
def test_what_no_server_would_understand_is_refused_and_nothing_is_written(
    engine: Engine, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        RadiusRows(engine).apply([KEPT, replace(LOGIN, **wrong)])
    assert stored(engine, radcheck) == stored(engine, radreply) == stored(engine, radius_user) == []


def test_a_password_is_never_shown_with_the_wish() -> None:
    assert "p w!~" not in repr(LOGIN)
