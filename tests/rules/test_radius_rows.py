"""What stands in the rows: understood to the last word, or not at all."""

from __future__ import annotations

import pytest

from core.network import Entitlement, RadiusUser
from radius.attributes import dictionary, encode
from radius.rows import REPLIES, SEVERAL, Meaning, understand

END = ("Expiration", "1795000000")
WORDS = (
    "Framed-Pool", "Mikrotik-Group", "Mikrotik-Mark-Id", "Filter-Id", "Mikrotik-Delegated-IPv6-Pool", "Framed-IPv6-Pool",
    "Mikrotik-Address-List",
)  # fmt: skip
NUMBERS = ("Session-Timeout", "Idle-Timeout", "Port-Limit")


def meaning(
    *reply: tuple[str, str], check: tuple[tuple[str, str], ...] = (END,), user: RadiusUser | None = None
) -> Meaning:
    return understand(Entitlement(list(check), list(reply), user or RadiusUser()))


GOOD = [
    *(("Mikrotik-Rate-Limit", rate, rate) for rate in (
        "2M/5M", "512k/1M", "5M", "1000000/2000000", "5M/10M 8M/16M", "5M/10M 8M/16M 4M/8M 16/16 8",
        "5M/10M 8M/16M 4M/8M 16", "5M/10M 8M/16M 4M/8M 16/16 8 1M/1M",
    )),
    ("Acct-Interim-Interval", "1", 60), ("Acct-Interim-Interval", "60", 60), ("Acct-Interim-Interval", "61", 61),
    ("Class", "duka:0", "duka:0"), ("Class", "duka:9223372036854775807", "duka:9223372036854775807"),
    ("Idle-Timeout", "1", 1), ("Port-Limit", "2147483647", 2147483647),
    *((name, value, value) for name in WORDS for value in ("a", "pool 1", "é", "x" * 247)),
    ("Framed-IP-Address", "10.20.0.2", "10.20.0.2"),
    *(("Framed-Route", route, route) for route in (
        "10.1.0.0/16", "10.1.2.0/24 10.9.0.1", "10.1.2.0/24 0.0.0.0 1", "0.0.0.0/0",
    )),
    *((name, "2001:db8::/56", "2001:db8::/56") for name in ("Framed-IPv6-Prefix", "Delegated-IPv6-Prefix")),
    ("Delegated-IPv6-Prefix", "2001:0DB8:0000::/48", "2001:db8::/48"), ("Framed-IPv6-Prefix", "::/0", "::/0"),
]  # fmt: skip
BAD = [
    *(("Mikrotik-Rate-Limit", rate) for rate in (
        "", "fast", "0/0", "0M", "2M/", "/2M", "2m/5m", "2M / 5M", "2M/5M 1M/1M 1M/1M 1/1 9", "2M/5M\n", " 2M", "2M/5M/1M", "2G",
    )),
    *((name, value) for name in (*NUMBERS, "Acct-Interim-Interval") for value in (
        "", "0", "-1", "+5", "1.5", "often", "99999999999", "2147483648", "5 ", "٣", "0x10",
    )),
    *(("Class", value) for value in ("", "duka:", "duka:x", "17", "duka:17 ", "DUKA:17", "duka:-1", "x" * 300)),
    *((name, value) for name in WORDS for value in ("", "x" * 248, "é" * 124, "a\nb", "a\0b", "a\x7f")),
    *(("Framed-IP-Address", value) for value in ("", "10.20.0", "10.20.0.256", "10.20.0.02", "2001:db8::1", "any", "10.20.0.2/24")),
    *(("Framed-Route", value) for value in (
        "", "10.1.0.0", "10.1.0.0/33", "10.1.0.1/16", "10.1.0.0/16 x", "10.1.0.0/16 10.9.0.1 x", "10.1.0.0/16 10.9.0.1 1 2",
        "10.1.0.0/16  10.9.0.1", "10.1.0.0/255.255.0.0 ", "default",
    )),
    *((name, value) for name in ("Framed-IPv6-Prefix", "Delegated-IPv6-Prefix") for value in (
        "", "2001:db8::", "2001:db8::1/56", "2001:db8::/129", "10.0.0.0/8", "2001:db8::/x",
    )),
    ("Mikrotik-Rate-Limt", "2M/5M"), ("Mikrotik-Total-Limit", "5"), ("Auth-Type", "Accept"), ("Expiration", "5"),
    ("mikrotik-group", "vip"), ("User-Password", "x"), ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("attribute", "value", "sent"), GOOD)
def test_a_value_that_makes_sense_is_sent_as_it_is_meant(attribute: str, value: str, sent: str | int) -> None:
    assert meaning((attribute, value)).replies == ((attribute, sent),)
    assert encode(attribute, sent)


@pytest.mark.parametrize(("attribute", "value"), BAD)
def test_a_value_that_makes_no_sense_is_not_sent_as_something_else(attribute: str, value: str) -> None:
    with pytest.raises(ValueError):
        meaning((attribute, value))


@pytest.mark.parametrize("attribute", REPLIES)
def test_only_lists_may_say_the_same_thing_twice(attribute: str) -> None:
    value = next((value for name, value, _ in GOOD if name == attribute), "60")
    if attribute in SEVERAL:
        assert len(meaning((attribute, value), (attribute, value)).replies) == 2
    else:
        with pytest.raises(ValueError):
            meaning((attribute, value), (attribute, value))


def test_every_attribute_that_may_stand_in_rows_can_be_sent() -> None:
    assert dictionary().attributes.keys() >= REPLIES.keys()


@pytest.mark.parametrize(
    "check",
    [
        (),
        (("Cleartext-Password", "x"),),
        (END, END),
        (("Expiration", "07 Jun 2036 23:59:59"),),
        (("Expiration", ""),),
        (("Expiration", "-1"),),
        (("Expiration", "٣٣٣٣٣٣٣٣٣٣"),),
        (("Expiration", "12345678901"),),
        (END, ("Auth-Type", "Accept")),
        (END, ("Simultaneous-Use", "0")),
        (END, ("Simultaneous-Use", "1000")),
        (END, ("Simultaneous-Use", "many")),
        (END, ("Cleartext-Password", "")),
        (END, ("Cleartext-Password", "x" * 129)),
        (END, ("Cleartext-Password", "a\tb")),
        (END, ("Cleartext-Password", "a"), ("Cleartext-Password", "a")),
    ],
)
def test_checks_that_are_not_clear_let_nobody_in(check: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ValueError):
        meaning(check=check)


def test_checks_are_read() -> None:
    read = meaning(check=(("Simultaneous-Use", "999"), END, ("Cleartext-Password", "x" * 128)))
    assert (read.expires_epoch, read.sessions_max, read.password) == (1795000000, 999, "x" * 128)
    assert meaning().sessions_max is None


def test_access_hours_need_a_zone_only_when_there_are_any() -> None:
    assert meaning(user=RadiusUser(timezone="Nowhere")).zone is None
    assert meaning(user=RadiusUser(hours="0-60", timezone="Africa/Nairobi")).windows == ((0, 60),)
    for user in (RadiusUser(hours="0-60", timezone="Nowhere"), RadiusUser(hours="60-0")):
        with pytest.raises(ValueError):
            meaning(user=user)
