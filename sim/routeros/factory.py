"""What a router holds when it leaves its box, plus the one account programs use."""

from __future__ import annotations

from sim.routeros.commands import ALL_POLICIES
from sim.routeros.machine import Machine

HOTSPOT_INTERFACE = "bridge"
HOTSPOT_ADDRESS = "10.20.0.1/16"
SERVICES = (
    ("telnet", 23),
    ("ftp", 21),
    ("www", 80),
    ("ssh", 22),
    ("www-ssl", 443),
    ("api", 8728),
    ("winbox", 8291),
    ("api-ssl", 8729),
)
GROUPS = {
    "full": ALL_POLICIES,
    "read": ALL_POLICIES - {"ftp", "write", "policy", "sniff"},
    "write": ALL_POLICIES - {"ftp", "policy"},
}
INTERFACE_MENUS = {
    "/interface/bridge": "bridge",
    "/interface/vlan": "vlan",
    "/interface/wireguard": "wg",
    "/interface/l2tp-client": "l2tp-out",
    "/interface/sstp-client": "sstp-out",
    "/interface/ovpn-client": "ovpn-out",
    "/interface/pppoe-client": "pppoe-out",
}
DEVICE_MODE_FEATURES = (
    "scheduler socks fetch pptp l2tp bandwidth-test traffic-gen sniffer ipsec romon proxy hotspot smb email zerotier "
    "container install-any-version partitions routerboard flagging-enabled"
)


def furnish(machine: Machine) -> None:
    """Fill empty tables with what every router has. Accounts are not part of it."""
    tables = machine.tables
    _set(machine, "/system/identity", {"name": machine.factory_identity})
    for port in range(1, 6):
        values = {"name": f"ether{port}", "default-name": f"ether{port}", "type": "ether", "running": "true"}
        tables["/interface"].add({**values, "mac-address": f"02:00:00:00:01:{port:02X}", "mtu": "1500"})
        tables["/interface/ethernet"].add({"name": f"ether{port}"})
    tables["/interface/bridge"].add({"name": HOTSPOT_INTERFACE})
    mirror_interfaces(machine, "/interface/bridge")
    tables["/ip/address"].add({"address": HOTSPOT_ADDRESS, "interface": HOTSPOT_INTERFACE, "network": "10.20.0.0"})
    for name, port in SERVICES:
        tables["/ip/service"].add({"name": name, "port": str(port), "proto": "tcp"})
    for name, policies in GROUPS.items():
        words = [word if word in policies else f"!{word}" for word in sorted(ALL_POLICIES)]
        tables["/user/group"].add({"name": name, "policy": ",".join(words)})
    tables["/ip/hotspot/profile"].add({"name": "default", "default": "true"})
    tables["/ip/hotspot/user/profile"].add({"name": "default", "default": "true"})
    tables["/ip/hotspot/user"].add({"name": "default-trial", "default": "true"})
    for name in ("default", "default-encryption"):
        tables["/ppp/profile"].add({"name": name, "default": "true"})
    tables["/system/package"].add({"name": "routeros", "version": machine.version})
    tables["/file"].add({"name": "hotspot", "type": "directory"})
    tables["/file"].add({"name": "hotspot/login.html", "type": ".html file", "size": "7168"})
    if machine.schema.has_menu("/system/device-mode"):
        _set(
            machine, "/system/device-mode", {"mode": "advanced", **dict.fromkeys(DEVICE_MODE_FEATURES.split(), "true")}
        )


def add_account(machine: Machine, name: str, password: str, group: str = "full") -> None:
    """Somebody who may log in."""
    machine.tables["/user"].add({"name": name, "password": password, "group": group})


def mirror_interfaces(machine: Machine, menu: str) -> None:
    """Interfaces made in their own menus also stand in `/interface`. Call under the lock after such a menu changed."""
    kind = INTERFACE_MENUS.get(menu)
    if kind is None:
        return
    everything, own = machine.tables["/interface"], machine.tables[menu]
    names = {own.get(number, "name") for number in own.records}
    for number in list(everything.records):
        if everything.get(number, "type") == kind and everything.get(number, "name") not in names:
            everything.remove(number)
    for name in names:
        if everything.find("name", name) is None:
            everything.add({"name": name, "type": kind, "running": "true", "mtu": "1500"})


def _set(machine: Machine, menu: str, values: dict[str, str]) -> None:
    table, number = machine.tables.single(menu)
    table.change(number, values)
