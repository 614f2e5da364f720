"""Data: quotas around every boundary of 32 bits, rates, and whatever else an accepted session gets (radius.md §1, §4.1, §4.3)."""

from __future__ import annotations

from tests.parity.table import LOGIN, RATE, STANDARD, Accept, Ask, Case, Reject, account, paid, standard
from tests.parity.wire import Attribute

GB = 10**9
HIGH = 2**32


def left(low: int, high: int) -> tuple[Attribute, ...]:
    """The pair that carries a byte limit."""
    return ("Mikrotik-Total-Limit", low), ("Mikrotik-Total-Limit-Gigawords", high)


REMAINDERS = (
    (1, 1, 0), (1000, 1000, 0), (2**31 - 1, 2**31 - 1, 0), (2**31, 2**31, 0), (HIGH - 1, HIGH - 1, 0),
    (HIGH, HIGH - 1, 0), (HIGH + 1, 1, 1), (2 * HIGH - 1, HIGH - 1, 1), (2 * HIGH, HIGH - 1, 1), (2 * HIGH + 1, 1, 2),
    (10 * GB, 1_410_065_408, 2), (2**40, HIGH - 1, 255), (2**53 + 1, 1, 2_097_152), (2**62, HIGH - 1, 2**30 - 1),
    (2**63 - 1, HIGH - 1, 2**31 - 1),
)  # fmt: skip
"""Bytes left, and the two halves by which they are told."""

QUOTAS = [
    *(
        Case(f"{remaining} bytes left", standard(*left(low, high)), paid(metered=True, quota=remaining))
        for remaining, low, high in REMAINDERS
    ),
    *(
        Case(f"{remaining} bytes left of more", standard(*left(low, high)), paid(metered=True, quota=remaining + 7 * GB, used=7 * GB))
        for remaining, low, high in REMAINDERS[:11]
    ),
    Case("3.5 of 10 GB used", standard(*left(2_205_032_704, 1)), paid(metered=True, quota=10 * GB, used=3_500_000_000)),
    Case("one byte is left", standard(*left(1, 0)), paid(metered=True, quota=10 * GB, used=10 * GB - 1)),
    Case("used exactly", Reject("data_used_up", "Your data is used up. Dial *384*35711# to buy."), paid(metered=True, quota=10 * GB, used=10 * GB)),
    Case("used one byte more", Reject("data_used_up"), paid(metered=True, quota=10 * GB, used=10 * GB + 1)),
    Case("used far more", Reject("data_used_up"), paid(metered=True, quota=1, used=2**62)),
    Case("a quota of nothing", Reject("data_used_up"), paid(metered=True, quota=0)),
    Case("metered, and nobody knows the quota", Reject("quota_unknown"), paid(metered=True, quota=None)),
    Case("metered, and there is no subscription", Reject("quota_unknown"), paid(metered=True, subscribed=False)),
    Case("not metered, though the subscription has a quota", standard(), paid(quota=5 * GB, used=GB)),
    Case("not metered, and more than the quota is used", standard(), paid(quota=5 * GB, used=6 * GB)),
    Case("not metered, and there is no subscription", standard(), paid(subscribed=False)),
    Case("expired and used up", Reject("expired"), paid(metered=True, quota=1, used=1, expires=-5)),
    Case("expired and quota unknown", Reject("expired"), paid(metered=True, expires=-5)),
    Case("a login with a quota", standard(*left(1_410_065_408, 2)), account(metered=True, quota=10 * GB), LOGIN),
]  # fmt: skip


# ---- what a session gets ------------------------------------------------------------------------------------------------


REST = (("Acct-Interim-Interval", "300"), ("Class", "duka:{sub}"))
RATE_ROW = ("Mikrotik-Rate-Limit", RATE)
CLASS_ROW = ("Class", "duka:{sub}")


def rate(value: str) -> Case:
    """A rate that must arrive as it stands."""
    rows = paid(standard=False, reply=(("Mikrotik-Rate-Limit", value), *REST))
    return Case(f"rate {value!r}", Accept((("Mikrotik-Rate-Limit", value), *STANDARD[1:])), rows)


def no_rate(value: str) -> Case:
    """What no router may be told as a rate."""
    return Case(
        f"no rate: {value!r}", Reject("bad_rows"), paid(standard=False, reply=(("Mikrotik-Rate-Limit", value), *REST))
    )


def interim(value: str, given: int) -> Case:
    """An interim interval, and what the router is told."""
    rows = paid(standard=False, reply=(RATE_ROW, ("Acct-Interim-Interval", value), CLASS_ROW))
    return Case(f"interim interval {value}", Accept((RATE_ROW, ("Acct-Interim-Interval", given), CLASS_ROW)), rows)


def gets(name: str, *attributes: Attribute, how: str = "ppp") -> Case:
    """Reply rows that must arrive as they stand."""
    rows = tuple((attribute, str(value)) for attribute, value in attributes)
    who, ask = (account(reply=rows), LOGIN) if how == "ppp" else (paid(reply=rows), Ask(how=how))
    return Case(name, standard(*attributes), who, ask)


def bad(attribute: str, value: str) -> Case:
    """A reply row that no router may ever see."""
    return Case(f"{attribute} {value[:24]!r}", Reject("bad_rows"), paid(reply=((attribute, value),)))


RATES = [
    *map(rate, (
        "1M", "512k", "512k/1M", "2000000/5000000", "2M/5M 4M/10M", "2M/5M 4M/10M 1M/3M", "2M/5M 4M/10M 1M/3M 16/16",
        "5M/10M 8M/16M 4M/8M 16/16 8", "5M/10M 8M/16M 4M/8M 16/16 1", "5M/10M 8M/16M 4M/8M 16/16 8 1M/2M", "5M 8M 4M 16 8",
        "1000M/1000M",
    )),
    *map(no_rate, (
        "", "fast", "2M/5M bogus", "2Mbps/5Mbps", "-1M/2M", "2M/", "/5M", "0/0", "2 M/5 M", "2M /5M", "2M/5M/7M", "2.5M/5M",
        "5M/10M 8M/16M 4M/8M 16/16 9", "5M/10M 8M/16M 4M/8M 16/16 0", " 2M/5M", "2M/5M ", "2M/5M\n",
    )),
    Case("two rates", Reject("bad_rows"), paid(reply=(("Mikrotik-Rate-Limit", "1M/1M"),))),
    Case("no rate at all", Accept(STANDARD[1:]), paid(standard=False, reply=REST)),
]  # fmt: skip

GIFTS = [
    gets("one address list", ("Mikrotik-Address-List", "gold")),
    gets("three address lists, in order", ("Mikrotik-Address-List", "gold"), ("Mikrotik-Address-List", "asia"), ("Mikrotik-Address-List", "blue")),
    gets("two address lists over the hotspot", ("Mikrotik-Address-List", "gold"), ("Mikrotik-Address-List", "blue"), how="hotspot"),
    gets("a fixed address", ("Framed-IP-Address", "10.20.30.40")),
    gets("a fixed address over the hotspot", ("Framed-IP-Address", "10.20.30.40"), how="hotspot"),
    gets("a fixed address by DHCP", ("Framed-IP-Address", "10.20.30.40"), how="dhcp"),
    gets("a pool", ("Framed-Pool", "customers")),
    gets("a group", ("Mikrotik-Group", "home users")),
    gets("a mark and a filter", ("Mikrotik-Mark-Id", "video.in"), ("Filter-Id", "children.in")),
    gets("one route", ("Framed-Route", "10.50.0.0/24")),
    gets("routes with gateway and metric", ("Framed-Route", "10.50.0.0/24 10.0.0.1"), ("Framed-Route", "10.60.0.0/16 10.0.0.1 1"), ("Framed-Route", "0.0.0.0/0 10.0.0.2 20")),
    gets("an IPv6 prefix", ("Framed-IPv6-Prefix", "2001:db8:1:2::/64")),
    gets("two IPv6 prefixes", ("Framed-IPv6-Prefix", "2001:db8:1:2::/64"), ("Framed-IPv6-Prefix", "2001:db8:1:3::/64")),
    gets("delegated prefixes", ("Delegated-IPv6-Prefix", "2001:db8:ff00::/40"), ("Delegated-IPv6-Prefix", "2001:db8:2::/48")),
    gets("a delegated prefix of odd length", ("Delegated-IPv6-Prefix", "2001:db8:8000::/33")),
    gets("IPv6 pools", ("Mikrotik-Delegated-IPv6-Pool", "pd"), ("Framed-IPv6-Pool", "six")),
    gets("idle timeout and port limit", ("Idle-Timeout", 900), ("Port-Limit", 2)),
    gets("the longest idle timeout", ("Idle-Timeout", 2**31 - 1)),
    gets("247 octets", ("Mikrotik-Address-List", "a" * 247)),
    gets("247 octets of Unicode", ("Mikrotik-Address-List", "ü" * 123 + "a")),
    gets("signs a shell or a database might take", ("Mikrotik-Address-List", "a'b\"c\\d$e%f%{User-Name};`id`")),
    gets("everything at once", ("Framed-Pool", "customers"), ("Mikrotik-Group", "vip"), ("Mikrotik-Address-List", "gold"),
         ("Framed-Route", "10.50.0.0/24"), ("Framed-IPv6-Prefix", "2001:db8:1:2::/64"), ("Idle-Timeout", 600)),
    *(interim(*each) for each in (("1", 60), ("30", 60), ("59", 60), ("60", 60), ("61", 61), ("86400", 86_400))),
]  # fmt: skip

BAD_GIFTS = [
    *(bad(*row) for row in (
        ("Mikrotik-Rate-Limitt", "2M/5M"), ("mikrotik-rate-limit", "2M/5M"), ("Framed-MTU", "1400"), ("Reply-Message", "hello"),
        ("Auth-Type", "Accept"), ("Fall-Through", "Yes"), ("", "x"), ("Mikrotik-Total-Limit", "5"),
        ("Mikrotik-Address-List", ""), ("Mikrotik-Address-List", "a" * 248), ("Mikrotik-Address-List", "ü" * 124),
        ("Mikrotik-Address-List", "gold\tsilver"), ("Mikrotik-Group", "a\nb"), ("Framed-Pool", "x\x7f"),
        ("Framed-IP-Address", "10.0.0.256"), ("Framed-IP-Address", "10.0.0"), ("Framed-IP-Address", "10.0.0.1/24"),
        ("Framed-IP-Address", "010.0.0.1"), ("Framed-IP-Address", "2001:db8::1"), ("Framed-IP-Address", ""),
        ("Framed-Route", "10.50.0.0/33"), ("Framed-Route", "home"), ("Framed-Route", "10.50.0.0/24 gateway"),
        ("Framed-Route", "10.50.0.0/24 10.0.0.1 1 2"), ("Framed-Route", "10.50.0.0"),
        ("Framed-IPv6-Prefix", "2001:db8::/129"), ("Framed-IPv6-Prefix", "2001:db8::1/64"), ("Framed-IPv6-Prefix", "10.0.0.0/24"),
        ("Framed-IPv6-Prefix", "2001:db8::"), ("Delegated-IPv6-Prefix", "prefix"),
        ("Idle-Timeout", "0"), ("Idle-Timeout", "-1"), ("Idle-Timeout", "4294967296"), ("Idle-Timeout", "2147483648"), ("Port-Limit", "two"),
    )),
    *(
        Case(f"twice {name}", Reject("bad_rows"), paid(reply=((name, value), (name, value))))
        for name, value in (
            ("Framed-IP-Address", "10.0.0.1"), ("Framed-Pool", "a"), ("Idle-Timeout", "60"), ("Session-Timeout", "60"),
            ("Mikrotik-Group", "g"), ("Port-Limit", "1"),
        )
    ),
    *(
        Case(f"interim interval {value!r}", Reject("bad_rows"), paid(standard=False, reply=(("Acct-Interim-Interval", value), CLASS_ROW)))
        for value in ("0", "-60", "5 min", "", "4294967296")
    ),
    *(
        Case(f"class {value!r}", Reject("bad_rows"), paid(standard=False, reply=(RATE_ROW, ("Class", value))))
        for value in ("duka:", "duka:x", "other:5", "5", "duka:-1", "DUKA:5")
    ),
    *(
        Case(f"check {name} {value!r}", Reject("bad_rows"), paid(check=((name, value),)))
        for name, value in (
            ("Auth-Type", "Accept"), ("Password-With-Header", "x"), ("Login-Time", "Wk0800-2000"), ("expiration", "2096495999"),
            ("Simultaneous-Use", "0"), ("Simultaneous-Use", "1000"), ("Simultaneous-Use", "many"), ("Simultaneous-Use", ""),
            ("Cleartext-Password", ""),
        )
    ),
    Case("expired, with bad rows", Reject("bad_rows"), paid(expires=-5, reply=(("Framed-MTU", "1400"),))),
    Case("blocked, with bad rows", Reject("bad_rows"), paid(blocked="suspended", reply=(("Framed-MTU", "1400"),))),
    Case("bad rows, with a redirect", Reject("bad_rows"), account(redirects=True, expires=-5, reply=(("Framed-MTU", "1400"),)), LOGIN),
]  # fmt: skip

CASES = [*QUOTAS, *RATES, *GIFTS, *BAD_GIFTS]
