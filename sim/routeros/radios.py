"""What is on the air: the networks a router's radios offer, whichever driver they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.routeros import interfaces
from sim.routeros.machine import Machine
from sim.routeros.tables import Table

WIRELESS, PROFILES = "/interface/wireless", "/interface/wireless/security-profiles"
WIFI = "/interface/wifi"
ACCESS_POINTS = frozenset({"ap-bridge", "bridge"})


@dataclass(frozen=True)
class Network:
    """One SSID on one interface. An empty passphrase means that it is open. `behind` is where its frames arrive."""

    ssid: str
    interface: str
    behind: str
    passphrase: str = field(default="", repr=False)


def on_the_air(machine: Machine) -> Iterator[Network]:
    """Everything a phone nearby can see. Call under the lock."""
    if machine.schema.has_menu(WIRELESS):
        yield from _wireless(machine, machine.tables[WIRELESS])
    if machine.schema.has_menu(WIFI):
        yield from _wifi(machine, machine.tables[WIFI])


def _is_on(table: Table, number: int) -> bool:
    """Switched on, and its master as well if it is only a second name on a radio."""
    if table.get(number, "disabled") == "true":
        return False
    master = table.get(number, "master-interface")
    if master in ("", "none"):
        return True
    above = table.find("name", master)
    return above is not None and table.get(above, "disabled") != "true"


def _wireless(machine: Machine, table: Table) -> Iterator[Network]:
    profiles = machine.tables[PROFILES]
    for number in table.records:
        if not _is_on(table, number) or table.get(number, "mode") not in ACCESS_POINTS:
            continue
        profile = profiles.find("name", table.get(number, "security-profile") or "default")
        passphrase = ""
        if profile is not None and profiles.get(profile, "mode") not in ("none", ""):
            passphrase = profiles.get(profile, "wpa2-pre-shared-key") or "unknown to everybody"
        name = table.get(number, "name")
        behind = interfaces.bridge_of(machine, name) or name
        yield Network(table.get(number, "ssid"), name, behind, passphrase)


def _wifi(machine: Machine, table: Table) -> Iterator[Network]:
    for number in table.records:
        settings = _Settings(machine, table, number)
        ssid = settings.get("configuration", "ssid")
        if not _is_on(table, number) or not ssid or settings.get("configuration", "mode") not in ("ap", ""):
            continue
        types = settings.get("security", "authentication-types")
        passphrase = (settings.get("security", "passphrase") or "unknown to everybody") if types else ""
        name = table.get(number, "name")
        bridge = settings.get("datapath", "bridge")
        behind = bridge if bridge not in ("", "none") else interfaces.bridge_of(machine, name) or name
        yield Network(ssid, name, behind, passphrase)


class _Settings:
    """The wifi driver keeps settings on the interface, in the profile it names, or in one its configuration names."""

    def __init__(self, machine: Machine, table: Table, number: int) -> None:
        self._machine = machine
        self._table = table
        self._number = number

    def get(self, group: str, name: str) -> str:
        own = self._table.get(self._number, f"{group}.{name}")
        if own:
            return own
        named = self._in_profile(group, self._table.get(self._number, group), name)
        if named or group == "configuration":
            return named
        configuration = self._table.get(self._number, "configuration")
        inside = self._in_profile("configuration", configuration, f"{group}.{name}")
        return inside or self._in_profile(group, self._in_profile("configuration", configuration, group), name)

    def _in_profile(self, group: str, profile: str, name: str) -> str:
        table = self._machine.tables[f"{WIFI}/{group}"]
        number = table.find("name", profile) if profile else None
        return table.get(number, name) if number is not None and table.get(number, "disabled") != "true" else ""
