"""Time: the boundaries of expiry, its wrong forms, access hours and their zones (radius.md §4.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from tests.parity.table import Accept, Ask, Case, Reject, Rows, Spelling, When, account, paid, standard

LONGEST = 2**31 - 1
WEEK_MINUTES = 7 * 1440
NAIROBI = "Africa/Nairobi"


def until(epoch: int) -> When:
    """Seconds from now to then, as far as a router can count."""
    return lambda now: min(epoch - int(now.timestamp()), LONGEST)


WRONG_FORMS = (
    "2096-06-07 23:59:59", "2036-06-07T23:59:59Z", "07 Jun 2036 23:59:59", "Jun 07 2036 23:59:59", "tomorrow", "",
    "-1", "+2096495999", " 2096495999", "2096495999 ", "2096495999\n", "2096495999.5", "2.1e9", "0x7fffffff",
    "٢٠٩٦٤٩٥٩٩٩", "10000000000", "99999999999999999999",
)  # fmt: skip

EXPIRY = [
    Case("expires in an hour", standard(), paid()),
    Case("expires in a day", standard(seconds=86_400), paid(expires=86_400)),
    Case("expires two seconds from now", standard(seconds=2), paid(expires=2), sharp=True),
    Case("expires one second from now", standard(seconds=1), paid(expires=1), sharp=True),
    Case("expires now", Reject("expired"), paid(expires=0), sharp=True),
    Case("expired one second ago", Reject("expired"), paid(expires=-1), sharp=True),
    Case("expired a year ago", Reject("expired", "Your time is over. Dial *384*35711# to buy."), paid(expires=-31_536_000)),
    Case("expired in 1970", Reject("expired"), paid(expires="1")),
    Case("expires at 0", Reject("expired"), paid(expires="0")),
    Case("expires in 2036", standard(seconds=until(2_096_495_999)), paid(expires="2096495999")),
    Case("expires at 2^31 - 1", standard(seconds=until(2**31 - 1)), paid(expires="2147483647")),
    Case("expires at 2^31", standard(seconds=until(2**31)), paid(expires="2147483648")),
    Case("expires at 2^32 - 1", standard(seconds=until(2**32 - 1)), paid(expires="4294967295")),
    Case("expires at 2^32", standard(seconds=until(2**32)), paid(expires="4294967296")),
    Case("expires in 2^31 - 1 seconds", standard(seconds=LONGEST), paid(expires=LONGEST)),
    Case("expires in 2^31 + 100 seconds", standard(seconds=LONGEST), paid(expires=2**31 + 100)),
    Case("expires with the last ten digits", standard(seconds=LONGEST), paid(expires="9999999999")),
    *(Case(f"an end written {value!r}", Reject("bad_rows"), paid(expires=value)) for value in WRONG_FORMS),
    Case("two different ends", Reject("bad_rows"), paid(check=(("Expiration", "2096495999"),))),
    Case("a device without an end, but with other checks", Reject("bad_rows"), paid(expires=None, check=(("Simultaneous-Use", "1"),))),
    Case("a login without an end", Reject("bad_rows"), account(expires=None), Ask(user="{login}", how="ppp")),
    Case("a device with replies but nothing to check", Reject("not_paid"), paid(expires=None)),
    Case("its own time limit is shorter", standard(seconds=600), paid(reply=(("Session-Timeout", "600"),))),
    Case("its own time limit is longer", standard(seconds=3600), paid(reply=(("Session-Timeout", "7200"),))),
    Case("its own time limit is one second", standard(seconds=1), paid(reply=(("Session-Timeout", "1"),))),
    Case("its own time limit is no time", Reject("bad_rows"), paid(reply=(("Session-Timeout", "0"),))),
    Case("its own time limit is no number", Reject("bad_rows"), paid(reply=(("Session-Timeout", "1 hour"),))),
]  # fmt: skip


# ---- access hours ------------------------------------------------------------------------------------------------------


def window(start: int, end: int, zone: str = NAIROBI) -> Spelling:
    """Access hours from `start` to `end` minutes from now on the wall clock there, over the week's end if need be."""

    def spelt(now: datetime) -> str:
        local = now.astimezone(ZoneInfo(zone))
        minute = local.weekday() * 1440 + local.hour * 60 + local.minute
        first, last = (minute + start) % WEEK_MINUTES, (minute + end) % WEEK_MINUTES
        if first < last:
            return f"{first}-{last}"
        return ",".join(f"{a}-{b}" for a, b in ((0, last), (first, WEEK_MINUTES)) if a < b)

    return spelt


def ends(minutes: int, zone: str = NAIROBI) -> When:
    """Seconds until the wall clock there shows the minute that is `minutes` from now on it."""

    def seconds(now: datetime) -> int:
        local = now.astimezone(ZoneInfo(zone))
        wall = local.replace(tzinfo=None, second=0, microsecond=0) + timedelta(minutes=minutes)
        return int((wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) - now).total_seconds())

    return seconds


def all_but(start: int, end: int) -> Spelling:
    """Always, except from `start` to `end` minutes from now: goes over midnight and over the week's end."""
    return window(end, WEEK_MINUTES + start)


def two(first: Spelling, second: Spelling) -> Spelling:
    """Both windows, sorted, and joined where they touch."""

    def spelt(now: datetime) -> str:
        parts = sorted(
            tuple(int(number) for number in part.split("-")) for part in f"{first(now)},{second(now)}".split(",")
        )
        return ",".join(f"{a}-{b}" for a, b in parts)

    return spelt


@cache
def changing_zone() -> tuple[str, int]:
    """A zone whose clocks are put forward or back within six days, if there is one, and minutes on its wall clock from now
    until two hours after that; else a zone that has summer time, and two hours."""
    now = datetime.now(UTC)
    for name in sorted(available_timezones()):
        if "/" not in name or name.startswith(("Etc/", "posix", "right")):
            continue
        zone = ZoneInfo(name)
        first = now.astimezone(zone).utcoffset()
        for hours in range(3, 6 * 24):
            later = (now + timedelta(hours=hours)).astimezone(zone)
            if later.utcoffset() != first:
                wall = later.replace(tzinfo=None) - now.astimezone(zone).replace(tzinfo=None)
                return name, int(wall.total_seconds()) // 60 + 120
    return "Europe/Berlin", 120


def in_zone(zone: str) -> list[Case]:
    """Inside and outside in a zone."""
    return [
        Case(
            f"inside the hours in {zone}",
            standard(seconds=ends(30, zone)),
            paid(hours=window(-30, 30, zone), timezone=zone),
        ),
        Case(f"outside the hours in {zone}", Reject("outside_hours"), paid(hours=window(30, 90, zone), timezone=zone)),
    ]


WRONG_HOURS = (
    "always",
    "5",
    "600-500",
    "600-600",
    "0-10081",
    "-5-10",
    "0-60,30-90",
    "0-60;90-120",
    "0-60,",
    "600-700,0-60",
)

HOURS = [
    Case("inside the hours", standard(seconds=ends(45)), paid(hours=window(-60, 45))),
    Case("the hours begin with this minute", standard(seconds=ends(45)), paid(hours=window(0, 45))),
    Case("the hours end with this minute", Reject("outside_hours"), paid(hours=window(-45, 0))),
    Case("the hours begin in two minutes", Reject("outside_hours"), paid(hours=window(2, 45))),
    Case("the hours are over", Reject("outside_hours"), paid(hours=window(-120, -60))),
    Case("the hours outlast the package", standard(seconds=3600), paid(hours=window(-5, 120))),
    Case("the second of two windows", standard(seconds=ends(20)), paid(hours=two(window(-300, -240), window(-10, 20)))),
    Case("the first of two windows", standard(seconds=ends(20)), paid(hours=two(window(-10, 20), window(30, 60)))),
    Case("between two windows", Reject("outside_hours"), paid(hours=two(window(-60, -30), window(30, 60)))),
    Case(
        "a window over midnight and the week's end",
        standard(seconds=ends(WEEK_MINUTES - 90)), paid(hours=all_but(-90, -60), expires=30 * 86_400),
    ),
    Case("in the only gap of the week", Reject("outside_hours"), paid(hours=all_but(-30, 30), expires=30 * 86_400)),
    Case("the whole week", standard(seconds=30 * 86_400), paid(hours="0-10080", expires=30 * 86_400)),
    *in_zone("Asia/Kathmandu"), *in_zone("America/St_Johns"), *in_zone("Pacific/Kiritimati"), *in_zone("Europe/Berlin"),
    *in_zone("Pacific/Marquesas"), *in_zone("UTC"),
    Case(
        "over the next change of clocks there is",
        standard(seconds=lambda now: ends(changing_zone()[1], changing_zone()[0])(now)),
        paid(
            hours=lambda now: window(-10, changing_zone()[1], changing_zone()[0])(now), timezone=changing_zone()[0],
            expires=30 * 86_400,
        ),
    ),
    *(Case(f"hours written {hours!r}", Reject("bad_rows"), paid(hours=hours)) for hours in WRONG_HOURS),
    Case("a zone that does not exist", Reject("bad_rows"), paid(hours="0-10079", timezone="Mars/Olympus")),
    Case("expired, and outside the hours", Reject("expired"), paid(hours=window(30, 60), expires=-60)),
    Case("outside the hours, with a redirect", Reject("outside_hours"), account(hours=window(30, 60), redirects=True), Ask(user="{login}", how="ppp")),
]  # fmt: skip


# ---- minutes to pay in (decision 21) -----------------------------------------------------------------------------------


def lent(**more: object) -> tuple[Rows, ...]:
    """A device of nobody's that was lent eight slow minutes."""
    reply = (("Acct-Interim-Interval", "300"), ("Mikrotik-Rate-Limit", "512k/512k"), ("Class", "duka:0"))
    return paid(**{"expires": 480, "standard": False, "subscribed": False, "reply": reply, **more})


def slowly(seconds: int) -> Accept:
    attributes = (("Acct-Interim-Interval", 300), ("Mikrotik-Rate-Limit", "512k/512k"), ("Class", "duka:0"))
    return Accept(attributes, seconds)


LENT = [
    Case("lent eight minutes", slowly(480), lent()),
    Case("lent minutes of which one second is left", slowly(1), lent(expires=1), sharp=True),
    Case("lent minutes that end now", Reject("expired"), lent(expires=0), sharp=True),
    Case("lent minutes, and somebody types the MAC as a password", Reject("wrong_password"), lent(), Ask(password="{mac}")),
    Case("lent minutes of another device", Reject("forged"), lent(), Ask(change=(("Calling-Station-Id", "{other}"),))),
    Case("lent minutes over PPP", Reject("wrong_service"), lent(), Ask(how="ppp")),
]  # fmt: skip

CASES = [*EXPIRY, *HOURS, *LENT]
