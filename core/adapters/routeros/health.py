"""What a router says about itself, and what in its set-up would keep paid customers out (routeros.md §6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from core.adapters.routeros.desire import tag_of
from core.adapters.routeros.facts import LOGIN_BY_DEFAULT, MODES_WITHOUT_HOTSPOT
from core.adapters.routeros.lines import Talk
from core.adapters.routeros.menus import DEFAULTS, PROPERTIES, readable
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.tables import ACTIVE, actives
from core.adapters.routeros.values import Row, duration_ms, flag, harmless, number, seconds, words
from core.adapters.routeros.wanted import HOTSPOT, PPP
from core.adapters.routeros.wire import Trap
from core.findings import RouterHealth
from core.texts import duration

RADIUS, INCOMING, PROFILE, PPP_AAA = "/radius", "/radius/incoming", "/ip/hotspot/profile", "/ppp/aaa"
TAG = tag_of(RADIUS, "radius")[1]
MAC_FORMAT = DEFAULTS["radius-mac-format"]

CLOCK_SKEW_SECONDS_MAX = 120
RADIUS_TIMEOUT_MS_MIN, RADIUS_TIMEOUT_MS_MAX = 1000, 3000
RESOURCE, PPP_ACTIVE = "/system/resource", "/ppp/active"
NO_SUCH_ID = "*FFFFFFFE"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})|([a-z]{3})/(\d{2})/(\d{4})", re.ASCII)
_TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2})", re.ASCII)
_OFFSET = re.compile(r"([+-]?)(\d{1,2}):(\d{2})", re.ASCII)


def probe(talk: Talk, now: datetime) -> RouterHealth:
    """Ask everything once. A menu this router does not have is skipped; `now` is what its clock is compared with."""
    resource = talk.one(RESOURCE)
    skew_seconds = _clock_skew_seconds(talk.one("/system/clock"), now)
    return _health(
        resource,
        identity=harmless(talk.one("/system/identity").get("name", "")),
        clock_skew_seconds=skew_seconds,
        active_count=_online(talk),
        serial=_serial(talk),
        problems=[
            *_device_mode(talk),
            *_hotspot(talk),
            *_radius(talk),
            *_lines(talk),
            *_incoming(talk),
            *_names(talk),
            *_clock(skew_seconds),
            *_rights(talk),
        ],
    )


def glance(talk: Talk) -> RouterHealth:
    """Is it there, for how long, how busy, and how many are online? Nothing is said about its set-up."""
    resource = talk.one(RESOURCE)
    return _health(
        resource,
        identity="",
        clock_skew_seconds=None,
        active_count=_online(talk),
        serial="",
        problems=[],
        thorough=False,
    )


def _health(
    resource: Row, *, identity: str, clock_skew_seconds: int | None, active_count: int, serial: str,
    problems: list[str], thorough: bool = True,
) -> RouterHealth:  # fmt: skip
    return RouterHealth(
        identity=identity, version=harmless(resource.get("version", "")), board=harmless(resource.get("board-name", "")),
        uptime_seconds=seconds(resource, "uptime") or 0, clock_skew_seconds=clock_skew_seconds,
        active_count=active_count, problems=problems, thorough=thorough, cpu_percent=number(resource, "cpu-load"), serial=serial,
    )  # fmt: skip


def _online(talk: Talk) -> int:
    """Sessions of hotspot and PPP."""
    return len(actives(talk)) + len(talk.rows(PPP_ACTIVE, ".id"))


def _serial(talk: Talk) -> str:
    """Of the board; a virtual router has none."""
    try:
        return harmless(talk.one("/system/routerboard").get("serial-number", ""))[:40]
    except Trap as trap:
        if meaning(trap).code not in ("version", "rights"):
            raise
        return ""


def _device_mode(talk: Talk) -> Iterator[str]:
    try:
        row = talk.one("/system/device-mode")
    except Trap as trap:
        if meaning(trap).code != "version":  # before 7.17 there is no such menu, and nothing is forbidden
            raise
        return
    mode = row.get("mode", "")
    if not flag(row, "hotspot", default=mode not in MODES_WITHOUT_HOTSPOT):
        yield f"device-mode {harmless(mode)!r} forbids the hotspot; only somebody at the box can change it"


def _hotspot(talk: Talk) -> Iterator[str]:
    servers = [row for row in _rows(talk, "/ip/hotspot") if talk.router.hotspot_server in ("", row.get("name", ""))]
    if not servers:
        wanted = talk.router.hotspot_server
        if not wanted and _dialled_into(talk):
            return
        yield f"there is no hotspot server {wanted!r}" if wanted else "there is no hotspot server"
        return
    profiles = {row.get("name", ""): row for row in _rows(talk, PROFILE)}
    for server in servers:
        name = harmless(server.get("name", ""))
        if flag(server, "disabled"):
            yield f"hotspot server {name!r} is disabled"
        if flag(server, "invalid"):
            yield f"hotspot server {name!r} is invalid: look at its interface"
        if not seconds(server, "login-timeout"):
            yield f"hotspot server {name!r} has no login-timeout: paid devices wait for somebody to reconnect them"
    for profile in sorted({server.get("profile", "default") for server in servers}):
        yield from _profile(talk, harmless(profile), profiles.get(profile))


def _dialled_into(talk: Talk) -> bool:
    """A router may have lines only."""
    leasing = [row for row in _rows(talk, "/ip/dhcp-server") if flag(row, "use-radius")]
    return any(not flag(row, "disabled") for row in (*_rows(talk, "/interface/pppoe-server/server"), *leasing))


def _rows(talk: Talk, menu: str) -> list[Row]:
    return talk.rows(menu, f".id,{PROPERTIES[menu]}")


def _profile(talk: Talk, name: str, row: Row | None) -> Iterator[str]:
    if row is None:
        yield f"hotspot profile {name!r} cannot be read"
        return
    if not flag(row, "use-radius"):
        yield f"hotspot profile {name!r} does not ask RADIUS (use-radius=no)"
    if not flag(row, "radius-accounting", default=True):
        yield f"hotspot profile {name!r} reports no usage (radius-accounting=no)"
    if "mac" not in words(row, "login-by", LOGIN_BY_DEFAULT):
        yield f"hotspot profile {name!r} does not log devices in by MAC (login-by)"
    if row.get("mac-auth-mode", DEFAULTS["mac-auth-mode"]) != "mac-as-username":
        yield f"hotspot profile {name!r} sends a guessable password (mac-auth-mode)"
    if readable(row, "mac-auth-password") and row["mac-auth-password"] != talk.router.mac_auth_password:
        yield f"hotspot profile {name!r} sends another mac-auth-password than the one kept for this router"
    if row.get("radius-mac-format", MAC_FORMAT) != MAC_FORMAT:
        yield f"hotspot profile {name!r} writes MAC addresses in a form we do not accept (radius-mac-format)"


def _radius(talk: Talk) -> Iterator[str]:
    rows = [row for row in _rows(talk, RADIUS) if not flag(row, "disabled")]
    asked = [row for row in rows if words(row, "service") & {HOTSPOT, PPP}]
    if not asked:
        yield "no RADIUS server is set for the hotspot"
        return
    ours = [row for row in asked if row.get("comment") == TAG]
    if ours and asked[0] is not ours[0]:
        yield f"RADIUS server {harmless(asked[0].get('address', ''))!r} is asked before ours"
    entry = (ours or asked)[0]
    try:
        timeout_ms = duration_ms(entry.get("timeout", DEFAULTS["timeout"]))
    except ValueError:
        timeout_ms = 0
    if not RADIUS_TIMEOUT_MS_MIN <= timeout_ms <= RADIUS_TIMEOUT_MS_MAX:
        yield f"the RADIUS timeout is {timeout_ms} ms; it should be between 1 and 3 seconds"
    if readable(entry, "secret") and entry["secret"] != talk.router.radius_secret:
        yield "the RADIUS secret on the router is not the one kept for it"


def _lines(talk: Talk) -> Iterator[str]:
    """Of PPPoE only where our entry says that it is for PPPoE too: what others do with their lines is theirs."""
    ours = [row for row in _rows(talk, RADIUS) if row.get("comment") == TAG]
    if not ours or PPP not in words(ours[0], "service"):
        return
    row = talk.one(PPP_AAA)
    if not flag(row, "use-radius"):
        yield "PPPoE lines do not ask RADIUS (/ppp/aaa use-radius=no)"
    if not flag(row, "accounting", default=True):
        yield "PPPoE lines report no usage (/ppp/aaa accounting=no)"


def _incoming(talk: Talk) -> Iterator[str]:
    row = talk.one(INCOMING)
    if not flag(row, "accept"):
        yield "the router does not accept changes of authorisation (/radius/incoming accept=no)"
    if row.get("port", DEFAULTS["port"]) != str(talk.router.coa_port):
        yield f"the router listens for changes of authorisation on another port than {talk.router.coa_port}"


def _names(talk: Talk) -> Iterator[str]:
    row = talk.one("/ip/dns")
    if not flag(row, "allow-remote-requests"):
        yield "the router answers no name requests of customers (/ip/dns allow-remote-requests=no)"
    if not words(row, "servers") and not words(row, "dynamic-servers") and not row.get("use-doh-server"):
        yield "the router has no DNS server to ask (/ip/dns servers)"


def _clock(skew_seconds: int | None) -> Iterator[str]:
    if skew_seconds is not None and abs(skew_seconds) > CLOCK_SKEW_SECONDS_MAX:
        yield f"the router's clock is {duration(abs(skew_seconds))} {'ahead' if skew_seconds > 0 else 'behind'}: turn NTP on"


def _rights(talk: Talk) -> Iterator[str]:
    """May our API user change things? Removing a row that cannot exist tells, and touches nothing."""
    try:
        talk.write(f"{ACTIVE}/remove", id=NO_SUCH_ID)
    except Trap as trap:
        code = meaning(trap).code
        if code == "rights":
            yield f"the API user {talk.router.username!r} may not change anything: it lacks the write policy"
        elif code != "gone":
            raise


def _clock_skew_seconds(row: Row, now: datetime) -> int | None:
    """Router minus us. Its date has two spellings, older and newer than 7.10; the offset is `+03:00` or seconds."""
    date, time = _DATE.fullmatch(row.get("date", "").lower()), _TIME.fullmatch(row.get("time", ""))
    offset = _offset(row)
    if not date or not time or offset is None:
        return None
    year, month, day, word, word_day, word_year = date.groups()
    try:
        if year:
            day_at = datetime(int(year), int(month), int(day), tzinfo=UTC)
        else:
            day_at = datetime(int(word_year), MONTHS.index(word) + 1, int(word_day), tzinfo=UTC)
    except ValueError:
        return None
    hours, minutes, whole_seconds = (int(part) for part in time.groups())
    local = day_at + timedelta(hours=hours, minutes=minutes, seconds=whole_seconds)
    return round((local - offset - now).total_seconds())


def _offset(row: Row) -> timedelta | None:
    text = row.get("gmt-offset", "0")
    clock = _OFFSET.fullmatch(text)
    if clock:
        sign, hours, minutes = clock.groups()
        return timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    whole = number({"seconds": text.lstrip("+-")}, "seconds")
    return None if whole is None else timedelta(seconds=-whole if text.startswith("-") else whole)
