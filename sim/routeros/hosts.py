"""A device as the hotspot has seen it: a row of `/ip/hotspot/host`. It does not mean that anybody paid."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.routeros.clock import Timer
from sim.routeros.tables import Table
from sim.routeros.values import format_bool, format_duration, format_seconds

if TYPE_CHECKING:
    from sim.routeros.devices import Device
    from sim.routeros.hotspot_roster import HotspotSession


@dataclass(eq=False)
class Host:
    """One row, from the first packet of a device until the router forgets it."""

    device: Device
    mac: str
    address: str
    to_address: str
    server: str
    interface: str
    appeared_at: float
    unauthorised_since: float
    bypassed: bool
    idle_seconds: float | None
    number: int = 0
    session: HotspotSession | None = None
    authorizing: bool = False
    gone: bool = False
    error: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    timer: Timer | None = None

    def stored(self) -> dict[str, str]:
        """What a row says from beginning to end."""
        return {
            "mac-address": self.mac,
            "address": self.address,
            "to-address": self.to_address,
            "server": self.server,
            "found-by": "TCP :443",
        }

    def live(self, now: float) -> dict[str, str]:
        """What only the moment knows about the row."""
        idle = 0.0 if self.device.present else now - self.device.left_at_seconds
        row = {
            "uptime": format_seconds(now - self.appeared_at),
            "idle-time": format_seconds(idle),
            "bytes-in": str(self.bytes_in),
            "bytes-out": str(self.bytes_out),
            "authorized": format_bool(self.session is not None),
            "bypassed": format_bool(self.bypassed),
            "DHCP": "true",
            "dynamic": "false",
            "static": "false",
        }
        if self.session is None and not self.bypassed and self.idle_seconds is not None:
            row["idle-timeout"] = format_duration(self.idle_seconds * 1000)
        return row


@dataclass(frozen=True)
class Binding:
    """What `/ip/hotspot/ip-binding` says about one device: its type, and the address it is given."""

    kind: str = "regular"
    to_address: str | None = None


def binding_of(bindings: Table, mac: str, address: str, server: str) -> Binding:
    """The first enabled binding that fits this device."""
    for number in list(bindings.records):
        if bindings.get(number, "disabled") == "true":
            continue
        if bindings.get(number, "server") not in ("all", server):
            continue
        wanted_mac, wanted_addresses = bindings.get(number, "mac-address"), bindings.get(number, "address")
        if wanted_mac and wanted_mac != mac:
            continue
        if wanted_addresses and not address_in(address, wanted_addresses):
            continue
        return Binding(bindings.get(number, "type") or "regular", bindings.get(number, "to-address") or None)
    return Binding()


def address_in(address: str, ranges: str) -> bool:
    """Whether an address lies in `10.0.0.1`, `10.0.0.1-10.0.0.9` or `10.0.0.0/24`. Unreadable ranges hold nothing."""
    try:
        wanted = ipaddress.IPv4Address(address)
        first, dash, last = ranges.partition("-")
        if dash:
            return ipaddress.IPv4Address(first) <= wanted <= ipaddress.IPv4Address(last)
        return wanted in ipaddress.IPv4Network(ranges, strict=False)
    except ValueError:
        return False
