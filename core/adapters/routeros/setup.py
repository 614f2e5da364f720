"""Making a hotspot, and lines where there are any, ask our RADIUS server (routeros.md §3.2, §4 to §6; radius.md §1, §6).

Our `/radius` entry is found by its comment, and only tagged entries are changed or deleted. Settings that exist once
(incoming, a profile, a hotspot server's timeout) carry no comment: there only the values named here are changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.adapters.routeros.lines import Talk
from core.adapters.routeros.tables import remove
from core.adapters.routeros.values import Row, duration_ms, flag, harmless, words
from core.errors import GatewayRefused

TAG = "duka:radius"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (how a router says "whichever you like"; nothing is bound)
RADIUS, INCOMING, SERVER, PROFILE = "/radius", "/radius/incoming", "/ip/hotspot", "/ip/hotspot/profile"
PPPOE, PPP_AAA = "/interface/pppoe-server/server", "/ppp/aaa"
DHCP, DHCP_CONFIG = "/ip/dhcp-server", "/ip/dhcp-server/config"
HOTSPOT_SERVICE, PPP_SERVICE, DHCP_SERVICE = "hotspot", "ppp", "dhcp"
RADIUS_TIMEOUT = "2s"
LOGIN_TIMEOUT = "30s"
LOGIN_BY_KEPT = frozenset({"https"})
LOGIN_BY_WANTED = frozenset({"mac", "http-pap", "http-chap"})
LOGIN_BY_DEFAULT = "cookie,http-chap"
MAC_FORMAT = "XX:XX:XX:XX:XX:XX"
LISTS, DURATIONS = frozenset({"service", "login-by"}), frozenset({"timeout", "login-timeout"})
SECRETS = frozenset({"secret", "mac-auth-password", "radius-password"})
"""Not shown to API users without the `sensitive` policy."""

DEFAULTS = {
    "src-address": ANY_ADDRESS,
    "authentication-port": "1812",
    "accounting-port": "1813",
    "timeout": "1100ms",
    "disabled": "no",
    "use-radius": "no",
    "accounting": "yes",
    "radius-accounting": "yes",
    "radius-interim-update": "received",
    "radius-mac-format": MAC_FORMAT,
    "mac-auth-mode": "mac-as-username",
    "login-by": LOGIN_BY_DEFAULT,
    "login-timeout": "none",
    "accept": "no",
    "port": "1700",
}
"""What a property means when the router leaves it out."""

RADIUS_PROPERTIES = (
    ".id,address,secret,service,authentication-port,accounting-port,timeout,src-address,disabled,comment"
)
SERVER_PROPERTIES = ".id,name,profile,login-timeout,disabled,invalid"
PROFILE_PROPERTIES = (
    ".id,name,use-radius,radius-accounting,login-by,mac-auth-mode,mac-auth-password,radius-interim-update,"
    "radius-mac-format"
)


@dataclass(frozen=True, slots=True)
class RadiusServer:
    """Where our RADIUS server is, as the router sees it, and from which address the router should speak."""

    host: str
    auth_port: int
    acct_port: int
    src_address: str = ""


def set_up(talk: Talk, radius: RadiusServer) -> list[str]:
    """Bring the router to what we need; the changes made, as sentences without secrets."""
    servers, others = our_servers(talk), lines(talk)
    if not servers and (talk.router.hotspot_server or not others):
        text = f"router {talk.router.name!r} has no hotspot server {talk.router.hotspot_server!r} to set up"
        raise GatewayRefused(text, code="no_hotspot")
    services = [*([HOTSPOT_SERVICE] if servers else []), *others]
    changes = _radius_entry(talk, radius, services)
    changes += _settings(talk, INCOMING, {}, {"accept": "yes", "port": str(talk.router.coa_port)})
    for name in sorted({server.get("profile", "default") for server in servers}):
        changes += _profile(talk, name)
    for server in servers:
        changes += _settings(talk, SERVER, {"name": server.get("name", "")}, {"login-timeout": LOGIN_TIMEOUT})
    if PPP_SERVICE in services:
        changes += _settings(talk, PPP_AAA, {}, {"use-radius": "yes", "accounting": "yes"})
    if DHCP_SERVICE in services:
        changes += _settings(talk, DHCP_CONFIG, {}, {"radius-password": talk.router.mac_auth_password})
    return changes


def lines(talk: Talk) -> list[str]:
    """The services besides the hotspot that somebody has put to use here, and that can ask RADIUS.

    A PPPoE server asks as soon as it is told to; its local secrets go on to win (routeros.md §4). A DHCP server is only ours
    when it was switched to RADIUS already: we do not decide who gets an address at all.
    """
    found = []
    if any(not flag(row, "disabled") for row in talk.rows(PPPOE, ".id,disabled")):
        found.append(PPP_SERVICE)
    leasing = talk.rows(DHCP, ".id,use-radius,disabled")
    if any(flag(row, "use-radius") and not flag(row, "disabled") for row in leasing):
        found.append(DHCP_SERVICE)
    return found


def our_servers(talk: Talk) -> list[Row]:
    """The hotspot servers that are ours to use: the named one, or all."""
    found = talk.rows(SERVER, SERVER_PROPERTIES)
    return [row for row in found if talk.router.hotspot_server in ("", row.get("name", ""))]


def readable(row: Row, name: str) -> bool:
    """Whether a secret was shown to us at all."""
    return row.get(name, "").strip("*") != ""


def _radius_entry(talk: Talk, radius: RadiusServer, services: list[str]) -> list[str]:
    wanted = {
        "address": radius.host,
        "secret": talk.router.radius_secret,
        "service": ",".join(services),
        "authentication-port": str(radius.auth_port),
        "accounting-port": str(radius.acct_port),
        "timeout": RADIUS_TIMEOUT,
        "src-address": radius.src_address or ANY_ADDRESS,
        "disabled": "no",
    }
    tagged = _tagged(talk)
    if not tagged:
        talk.ask(f"{RADIUS}/add", *(f"={name}={text}" for name, text in wanted.items()), f"=comment={TAG}")
        _check(talk, RADIUS, _tagged(talk)[:1], wanted)
        return [f"{RADIUS}: added {radius.host}"]
    changes = []
    for surplus in tagged[1:]:
        remove(talk, RADIUS, surplus)
        changes.append(f"{RADIUS}: removed a second entry of ours")
    return changes + _settings(talk, RADIUS, {"comment": TAG}, wanted)


def _tagged(talk: Talk) -> list[Row]:
    return [row for row in talk.rows(RADIUS, RADIUS_PROPERTIES) if row.get("comment") == TAG]


def _profile(talk: Talk, name: str) -> list[str]:
    row = _find(talk, PROFILE, {"name": name})
    login_by = LOGIN_BY_WANTED | (words(row, "login-by", LOGIN_BY_DEFAULT) & LOGIN_BY_KEPT)
    wanted = {
        "use-radius": "yes",
        "radius-accounting": "yes",
        "login-by": ",".join(sorted(login_by)),
        "mac-auth-mode": "mac-as-username",
        "mac-auth-password": talk.router.mac_auth_password,
        "radius-interim-update": "received",
        "radius-mac-format": MAC_FORMAT,
    }
    return _settings(talk, PROFILE, {"name": name}, wanted)


def _settings(talk: Talk, menu: str, which: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Write what differs, read back, and say what was changed. A secret we cannot read is written each time, silently."""
    row = _find(talk, menu, which)
    differing = {name: text for name, text in wanted.items() if not _same(row, name, text)}
    unseen = {name: wanted[name] for name in SECRETS & set(wanted) if not readable(row, name) and wanted[name]}
    if not differing and not unseen:
        return []
    identity = [f"=.id={row['.id']}"] if which else []
    talk.ask(f"{menu}/set", *identity, *(f"={name}={text}" for name, text in {**differing, **unseen}.items()))
    _check(talk, menu, [_find(talk, menu, which)], wanted)
    return [f"{menu}{_label(which)}: {_change(row, name, text)}" for name, text in differing.items()]


def _find(talk: Talk, menu: str, which: Mapping[str, str]) -> Row:
    if not which:
        return talk.one(menu)
    properties = {RADIUS: RADIUS_PROPERTIES, SERVER: SERVER_PROPERTIES, PROFILE: PROFILE_PROPERTIES}[menu]
    for row in talk.rows(menu, properties):
        if all(row.get(name) == text for name, text in which.items()) and ".id" in row:
            return row
    raise GatewayRefused(f"router {talk.router.name!r} has no {menu}{_label(which)}", code="gone", permanent=False)


def _same(row: Row, name: str, wanted: str) -> bool:
    if name in SECRETS and not readable(row, name):
        return True
    shown = row.get(name, DEFAULTS.get(name, ""))
    if wanted in ("yes", "no"):
        return flag({name: shown}, name) == (wanted == "yes")
    if name in LISTS:
        return words({name: shown}, name) == words({name: wanted}, name)
    if name in DURATIONS:
        return _milliseconds(shown) == _milliseconds(wanted)
    return shown == wanted


def _milliseconds(text: str) -> int | None:
    try:
        return duration_ms(text)
    except ValueError:
        return None


def _check(talk: Talk, menu: str, rows: list[Row], wanted: Mapping[str, str]) -> None:
    """A write counts when it can be read back."""
    lost = [name for name, text in wanted.items() if not rows or not _same(rows[0], name, text)]
    if lost:
        text = f"router {talk.router.name!r} took a change of {menu} and did not keep: {', '.join(lost)}"
        raise GatewayRefused(text, code="not_kept")


def _label(which: Mapping[str, str]) -> str:
    return f" {next(iter(which.values()))!r}" if which else ""


def _change(row: Row, name: str, wanted: str) -> str:
    if name in SECRETS:
        return f"{name} changed"
    shown = row.get(name, DEFAULTS.get(name, "")) or "nothing"
    return f"{name} {harmless({'true': 'yes', 'false': 'no'}.get(shown, shown))} → {wanted}"
