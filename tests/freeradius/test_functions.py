"""The functions in the database understand what the embedded server understands."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from core.network.hours import open_until, read_hours, read_zone
from radius.rows import CHECKS, read_reply

ZONES = {
    "Europe/Berlin": (datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC)),
    "America/St_Johns": (datetime(2026, 11, 1, 4, 30, tzinfo=UTC), datetime(2027, 3, 14, 5, 30, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2027, 4, 3, 15, tzinfo=UTC)),
    "Africa/Casablanca": (datetime(2027, 2, 7, 2, tzinfo=UTC), datetime(2027, 3, 14, 2, tzinfo=UTC)),
    "Africa/Nairobi": (datetime(2026, 12, 6, 21, tzinfo=UTC), datetime(2026, 12, 9, 9, tzinfo=UTC)),
}
"""Zones with moments at which their clocks change; one that never does."""
HOURS = (
    "0-10080", "0-1", "10079-10080", "480-1200,1920-2640", "0-60,10020-10080", "0-600,700-10080", "8640-8760,8820-8910",
    "8640-10080", "0-8800,8810-10080", "8790-8820", "8700-8820,8825-8850", "60-10080",
)  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_access_hours_end_at_the_same_second(functions: Connection, zone: str) -> None:
    moments = [
        change + timedelta(seconds=seconds) for change in ZONES[zone] for seconds in range(-7 * 86_400, 86_400, 5399)
    ]
    moments += [change + timedelta(seconds=seconds) for change in ZONES[zone] for seconds in range(-9000, 9000, 449)]
    asked = [int(moment.timestamp()) for moment in moments]
    for hours in HOURS:
        found = functions.exec_driver_sql(
            "SELECT duka_hours_left(%s, %s, moment) FROM unnest(%s::bigint[]) WITH ORDINALITY AS at (moment, n) ORDER BY n",
            (hours, zone, asked),
        ).all()
        windows = read_hours(hours)
        for epoch, (seconds,) in zip(asked, found, strict=True):
            until = open_until(windows, ZoneInfo(zone), datetime.fromtimestamp(epoch, UTC))
            expected = None if until is None else int(until.timestamp()) - epoch
            assert seconds == expected, (hours, zone, datetime.fromtimestamp(epoch, ZoneInfo(zone)))


CHANGING = ("Africa/Cairo", "America/New_York", "America/Santiago", "Asia/Beirut", "Europe/London", *ZONES)
ASKED = 20_000


def changes(zone: ZoneInfo) -> list[datetime]:
    """The days of the next ten years on which the clocks change there; today, when none is known."""
    days = [datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=day) for day in range(3653)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [day for day, before, after in zip(days, offsets, offsets[1:], strict=False) if before != after] or days[:1]


def test_whatever_the_hours_and_whenever_the_clocks_change_they_end_at_the_same_second(functions: Connection) -> None:
    chance = random.Random(3)
    known = {zone: changes(ZoneInfo(zone)) for zone in CHANGING}
    asked = []
    for _ in range(ASKED):
        zone = chance.choice(CHANGING)
        moment = int(chance.choice(known[zone]).timestamp()) + chance.randrange(-3 * 86_400, 86_400)
        edges = sorted(chance.sample(range(10_081), 2 * chance.randrange(1, 5)))
        asked.append((",".join(f"{a}-{b}" for a, b in zip(edges[::2], edges[1::2], strict=True)), zone, moment))
    found = functions.exec_driver_sql(
        "SELECT duka_hours_left(hours, zone, moment) FROM unnest(%s::text[], %s::text[], %s::bigint[])"
        " WITH ORDINALITY AS asked (hours, zone, moment, n) ORDER BY n",
        tuple(list(column) for column in zip(*asked, strict=True)),
    )
    seen: Counter[str] = Counter()
    for (hours, zone, epoch), (seconds,) in zip(asked, found, strict=True):
        here, now = ZoneInfo(zone), datetime.fromtimestamp(epoch, UTC)
        until = open_until(read_hours(hours), here, now)
        assert until is not None
        assert seconds == int((until - now).total_seconds()), (hours, zone, now)
        put = (until.astimezone(here).utcoffset() or timedelta()) - (now.astimezone(here).utcoffset() or timedelta())
        seen["forward" if put > timedelta() else "back" if put else "neither" if seconds else "outside"] += 1
    assert min(seen[which] for which in ("forward", "back")) > ASKED / 25, seen


@pytest.mark.parametrize(
    "hours",
    ["480-1200", "0-10080", "1-2,3-4", "5", "", "600-500", "600-600", "0-10081", "-5-10", "0-60,30-90", "0-60,60-90", "a-b",
     "0-60,", " 0-60", "0-60\n", "00000-00001", "0-100000"],
)  # fmt: skip
def test_the_same_hours_are_understood(functions: Connection, hours: str) -> None:
    found = functions.exec_driver_sql("SELECT duka_hours_understood(%s, 'UTC')", (hours,)).scalar()
    assert found is _understood(read_hours, hours)


@pytest.mark.parametrize("zone", ["Africa/Nairobi", "UTC", "Mars/Olympus", "", "Europe/Berlin", "no zone"])
def test_the_same_zones_are_known(functions: Connection, zone: str) -> None:
    found = functions.exec_driver_sql("SELECT duka_hours_understood('0-60', %s)", (zone,)).scalar()
    assert found is _understood(read_zone, zone)


VALUES = {
    "Mikrotik-Rate-Limit": ("2M/5M", "1M", "512k/1M 1M/2M 1M/2M 16/16 8 64k/64k", "0/0", "2M/", "2 M", "2M/5M ", "2M\n", "2.5M", ""),
    "Acct-Interim-Interval": ("1", "60", "2147483647", "2147483648", "0", "-1", "1.5", "", "99999999999", "60\n", "٦٠"),
    "Session-Timeout": ("1", "0", "00001", "x"),
    "Class": ("duka:7", "duka:0", "duka:", "duka:7 ", "other:7", "duka:1234567890123456789", "duka:12345678901234567890"),
    "Mikrotik-Address-List": ("gold", "a b", "", "a\tb", "x\x7f", "ü" * 123, "ü" * 124, "a" * 247, "a" * 248, "q'\"`\\%{x}", "\u00a0", "a\u200bb"),
    "Framed-IP-Address": ("10.0.0.1", "255.255.255.255", "0.0.0.0", "256.0.0.1", "010.0.0.1", "1.2.3", "1.2.3.4.5", "::1", "10.0.0.1/8", "10.0.0.1\n"),
    "Framed-Route": (
        "10.0.0.0/8", "10.0.0.0/8 10.1.1.1", "10.0.0.0/8 10.1.1.1 5", "0.0.0.0/0 10.1.1.1", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0",
        "10.0.0.0/8 x", "10.0.0.0/8 10.1.1.1 x", "10.0.0.0/8 10.1.1.1 1 1", "10.0.0.0/8  10.1.1.1", "2001:db8::/32", "10.0.0.0/8\n",
    ),
    "Framed-IPv6-Prefix": (
        "2001:db8::/32", "2001:DB8:0:1::/64", "::/0", "2001:db8::1/64", "2001:db8::1/128", "2001:db8::/129", "2001:db8::", "10.0.0.0/8", "x/64", "",
    ),
    "Delegated-IPv6-Prefix": ("2001:db8:ff00::/40", "2001:db8:8000::/33", "2001:db8:8001::/33"),
    "Framed-MTU": ("1400",), "": ("x",), "class": ("duka:7",), "Reply-Message": ("hello",),
}  # fmt: skip


@pytest.mark.parametrize(("attribute", "value"), [(name, value) for name, values in VALUES.items() for value in values])
def test_the_same_replies_are_understood(functions: Connection, attribute: str, value: str) -> None:
    found = functions.exec_driver_sql("SELECT duka_value_understood(%s, %s)", (attribute, value)).scalar()
    assert found is _understood(lambda text: read_reply(attribute, text), value)


@pytest.mark.parametrize(
    "value", ["x", "a" * 128, "a" * 129, "", "two words", "pässwörd", "пароль", "a\tb", "a\n", "q'\"\\`"]
)
def test_the_same_passwords_are_understood(functions: Connection, value: str) -> None:
    found = functions.exec_driver_sql("SELECT duka_printable(%s, 128)", (value,)).scalar()
    assert found is _understood(CHECKS["Cleartext-Password"], value)


def _understood(reader: object, text: str) -> bool:
    assert callable(reader)
    try:
        reader(text)
    except ValueError:
        return False
    return True
