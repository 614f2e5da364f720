"""What a router is: everything about the box itself that decides what can and should be on it (routeros.md §3.1, §5, §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.adapters.routeros.menus import DEFAULTS
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.values import flag, harmless, words

WIRELESS, WIFI = "wireless", "wifi"
RADIO_TYPES = {"wlan": WIRELESS, "wifi": WIFI}
MODES_WITHOUT_HOTSPOT, MODES_WITHOUT_SCHEDULER = frozenset({"home", "basic"}), frozenset({"home"})
LOGIN_BY_DEFAULT = DEFAULTS["login-by"]

_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HotspotFacts:
    """A hotspot server that is there: its profile, and whether people log in over HTTPS there."""

    name: str
    profile: str
    https: bool = False


@dataclass(frozen=True, slots=True)
class RouterFacts:
    """One box. `files` is what paths begin with (`flash/`, or nothing); `radios` are the Wi-Fi interfaces of driver `wifi`.

    `ports` are the Ethernet interfaces. `hotspots`, `dials` (a PPPoE server runs) and `leases` (a DHCP server asks RADIUS) say
    what somebody has put to use. `resolves`: it has a DNS server to ask; `timed`: it asks for the time. `rights` is what our account may do, None: unknown.
    """

    version: tuple[int, ...]
    board: str = ""
    wifi: str | None = None
    radios: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    files: str = ""
    hotspot_allowed: bool = True
    scheduler_allowed: bool = True
    hotspots: tuple[HotspotFacts, ...] = ()
    dials: bool = False
    leases: bool = False
    resolves: bool = False
    timed: bool = False
    rights: frozenset[str] | None = None

    @property
    def major(self) -> int:
        """6 or 7; anything newer is taken as 7."""
        return min(self.version[0], 7)


def version_of(text: str) -> tuple[int, ...]:
    """`7.21.5 (long-term)` → (7, 21, 5). Raises ValueError when it says no version."""
    found = _VERSION.match(text.strip())
    if found is None:
        raise ValueError(f"not a RouterOS version: {harmless(text)[:40]!r}")
    return tuple(int(part) for part in found.groups() if part is not None)


def read_facts(reading: Reading) -> RouterFacts:
    """Look at the box. Raises ValueError when it does not say which RouterOS it runs."""
    resource = reading.one("/system/resource")
    interfaces = reading.rows("/interface")
    radios = [row for row in interfaces if row.get("type") in RADIO_TYPES]
    drivers = {RADIO_TYPES[row["type"]] for row in radios}
    wifi = WIFI if WIFI in drivers else next(iter(drivers), None)
    mode = reading.one("/system/device-mode")
    word = mode.get("mode", "")
    return RouterFacts(
        version=version_of(resource.get("version", "")),
        board=harmless(resource.get("board-name", "")),
        wifi=wifi,
        radios=tuple(row.get("name", "") for row in radios if RADIO_TYPES[row["type"]] == wifi),
        ports=tuple(row.get("name", "") for row in interfaces if row.get("type") == "ether"),
        files="flash/" if any(row.get("name") == "flash" for row in reading.rows("/file")) else "",
        hotspot_allowed=flag(mode, "hotspot", default=word not in MODES_WITHOUT_HOTSPOT),
        scheduler_allowed=flag(mode, "scheduler", default=word not in MODES_WITHOUT_SCHEDULER),
        hotspots=tuple(_hotspots(reading)),
        dials=any(not flag(row, "disabled") for row in reading.rows("/interface/pppoe-server/server")),
        leases=any(flag(row, "use-radius") and not flag(row, "disabled") for row in reading.rows("/ip/dhcp-server")),
        resolves=_resolves(reading),
        timed=flag(reading.one("/system/ntp/client"), "enabled"),
        rights=_rights(reading),
    )


def _hotspots(reading: Reading) -> list[HotspotFacts]:
    login_by = {
        row.get("name", ""): words(row, "login-by", LOGIN_BY_DEFAULT) for row in reading.rows("/ip/hotspot/profile")
    }
    found = []
    for row in reading.rows("/ip/hotspot"):
        profile = row.get("profile", "default")
        found.append(HotspotFacts(row.get("name", ""), profile, "https" in login_by.get(profile, ())))
    return found


def _resolves(reading: Reading) -> bool:
    row = reading.one("/ip/dns")
    return bool(words(row, "servers") or words(row, "dynamic-servers") or row.get("use-doh-server"))


def _rights(reading: Reading) -> frozenset[str] | None:
    """The policies of the account we are logged in with; None when it cannot see itself."""
    name = reading.router.username
    group = next((row.get("group") for row in reading.rows("/user") if row.get("name") == name), None)
    row = next((row for row in reading.rows("/user/group") if group is not None and row.get("name") == group), None)
    return None if row is None else frozenset(word for word in words(row, "policy") if not word.startswith("!"))
