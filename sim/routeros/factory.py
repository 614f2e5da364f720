"""What a router holds when it leaves its box: nothing set up, or the vendor's own configuration."""

from __future__ import annotations

from sim.routeros.board import device_mode_values
from sim.routeros.machine import Machine
from sim.routeros.policies import ALL_POLICIES, spelled

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
LOGGING = (("info", "memory"), ("error", "memory"), ("warning", "memory"), ("critical", "echo"))
FACTORY_NAME = "MikroTik"


def furnish(machine: Machine) -> None:
    """An empty box somebody has begun with: a name, a bridge and an address for the hotspot. No accounts."""
    _set(machine, "/system/identity", {"name": machine.factory_identity})
    machine.tables["/interface/bridge"].add({"name": HOTSPOT_INTERFACE})
    address = {"address": HOTSPOT_ADDRESS, "interface": HOTSPOT_INTERFACE, "network": "10.20.0.0"}
    machine.tables["/ip/address"].add({**address, "actual-interface": HOTSPOT_INTERFACE})


def bare(machine: Machine) -> None:
    """Fill empty tables with what every router of this model has, and nothing more."""
    tables, schema = machine.tables, machine.schema
    _set(machine, "/system/identity", {"name": FACTORY_NAME})
    _hardware(machine)
    for name, port in SERVICES:
        disabled = {"disabled": "true"} if name == "www-ssl" else {}
        tables["/ip/service"].add({"name": name, "port": str(port), "proto": "tcp", **disabled})
    for name, policies in GROUPS.items():
        tables["/user/group"].add({"name": name, "policy": spelled(policies, schema.is_six), "default": "true"})
    tables["/ip/hotspot/profile"].add({"name": "default", "default": "true"})
    tables["/ip/hotspot/user/profile"].add({"name": "default", "default": "true"})
    tables["/ip/hotspot/user"].add({"name": "default-trial", "default": "true"})
    for name in ("default", "default-encryption"):
        tables["/ppp/profile"].add({"name": name, "default": "true"})
    for name in ("all", "none", "dynamic", "static"):
        tables["/interface/list"].add({"name": name, "builtin": "true"})
    for name in ("memory", "disk", "echo", "remote"):
        tables["/system/logging/action"].add({"name": name, "target": name, "default": "true"})
    for topic, action in LOGGING:
        tables["/system/logging"].add({"topics": topic, "action": action, "default": "true"})
    if schema.has_menu("/interface/wireless/security-profiles"):
        tables["/interface/wireless/security-profiles"].add({"name": "default", "mode": "none", "default": "true"})
    _packages(machine)
    if schema.has_menu("/system/device-mode"):
        _set(machine, "/system/device-mode", device_mode_values(machine.device_mode))


def _hardware(machine: Machine) -> None:
    board, tables = machine.board, machine.tables
    for port in range(1, board.ethernets + 1):
        mac = f"02:00:00:00:01:{port:02X}"
        tables["/interface/ethernet"].add(
            {"name": f"ether{port}", "default-name": f"ether{port}", "mac-address": mac, "running": "true"}
        )
    for radio in range(1, board.radios + 1):
        mac, menu = f"02:00:00:00:02:{radio:02X}", f"/interface/{board.wifi}"
        name = f"wlan{radio}" if board.wifi == "wireless" else f"wifi{radio}"
        values = {"name": name, "default-name": name, "mac-address": mac, "disabled": "true"}
        if board.wifi == "wireless":
            values |= {"band": "2ghz-b/g/n" if radio == 1 else "5ghz-a/n/ac", "interface-type": "Atheros"}
        else:
            values |= {"radio-mac": mac, "master": "true", "bound": "true"}
        tables[menu].add(values)
    if machine.schema.has_menu("/system/routerboard"):
        version = {f"{when}-firmware": machine.version for when in ("factory", "current", "upgrade")}
        named = {"routerboard": "true", "board-name": board.name, "model": board.name, "serial-number": machine.serial}
        _set(machine, "/system/routerboard", {**named, "firmware-type": board.architecture, **version})

    licence = {"system-id": f"{machine.serial}X"} if board.is_virtual else {"software-id": "PRET-END0", "nlevel": "4"}
    _set(machine, "/system/license", licence)


def _packages(machine: Machine) -> None:
    table = machine.tables["/system/package"]
    if machine.schema.is_six:
        for name in ("system", "dhcp", "hotspot", "ppp", "security", "wireless"):
            table.add({"name": name, "version": machine.version})
        return
    table.add({"name": "routeros", "version": machine.version})
    if machine.board.wifi is not None:
        name = "wireless" if machine.board.wifi == "wireless" else "wifi-qcom"
        table.add({"name": name, "version": machine.version})


def nothing(_machine: Machine) -> None:
    """A box without any set-up, as `no-defaults=yes` leaves it."""


def default_configuration(machine: Machine) -> None:
    """The vendor's own set-up of a home router, on top of `bare`: a router behind ether1, everything else one LAN."""
    tables, board = machine.tables, machine.board
    tables["/interface/bridge"].add({"name": "bridge", "comment": "defconf", "auto-mac": "false"})
    for name in ("WAN", "LAN"):
        tables["/interface/list"].add({"name": name, "comment": "defconf"})
    for port in range(2, board.ethernets + 1):
        _port(machine, f"ether{port}")
    _wifi(machine)
    tables["/interface/list/member"].add({"interface": "bridge", "list": "LAN", "comment": "defconf"})
    tables["/interface/list/member"].add({"interface": "ether1", "list": "WAN", "comment": "defconf"})
    lan = {"address": "192.168.88.1/24", "interface": "bridge", "network": "192.168.88.0"}
    tables["/ip/address"].add({**lan, "actual-interface": "bridge", "comment": "defconf"})
    tables["/ip/pool"].add({"name": "default-dhcp", "ranges": "192.168.88.10-192.168.88.254"})
    serving = {"name": "defconf", "interface": "bridge", "address-pool": "default-dhcp", "disabled": "false"}
    tables["/ip/dhcp-server"].add(serving if machine.schema.is_six else {**serving, "comment": "defconf"})
    network = {"address": "192.168.88.0/24", "gateway": "192.168.88.1", "dns-server": "192.168.88.1"}
    tables["/ip/dhcp-server/network"].add({**network, "comment": "defconf"})
    tables["/ip/dhcp-client"].add({"interface": "ether1", "disabled": "false", "comment": "defconf"})
    _set(machine, "/ip/dns", {"allow-remote-requests": "true"})
    tables["/ip/dns/static"].add({"name": "router.lan", "address": "192.168.88.1", "comment": "defconf"})
    for chain, action, matched, words in FILTER:
        rule = {"chain": chain, "action": action, "comment": f"defconf: {words}", **dict(matched)}
        tables["/ip/firewall/filter"].add(rule)
    nat = {"chain": "srcnat", "action": "masquerade", "ipsec-policy": "out,none", "out-interface-list": "WAN"}
    tables["/ip/firewall/nat"].add({**nat, "comment": "defconf: masquerade"})
    for menu in ("/tool/mac-server", "/tool/mac-server/mac-winbox"):
        _set(machine, menu, {"allowed-interface-list": "LAN"})


FILTER: tuple[tuple[str, str, tuple[tuple[str, str], ...], str], ...] = (
    (
        "input",
        "accept",
        (("connection-state", "established,related,untracked"),),
        "accept established,related,untracked",
    ),
    ("input", "drop", (("connection-state", "invalid"),), "drop invalid"),
    ("input", "accept", (("protocol", "icmp"),), "accept ICMP"),
    ("input", "accept", (("dst-address", "127.0.0.1"),), "accept to local loopback (for CAPsMAN)"),
    ("input", "drop", (("in-interface-list", "!LAN"),), "drop all not coming from LAN"),
    ("forward", "accept", (("ipsec-policy", "in,ipsec"),), "accept in ipsec policy"),
    ("forward", "accept", (("ipsec-policy", "out,ipsec"),), "accept out ipsec policy"),
    ("forward", "fasttrack-connection", (("connection-state", "established,related"),), "fasttrack"),
    (
        "forward",
        "accept",
        (("connection-state", "established,related,untracked"),),
        "accept established,related, untracked",
    ),
    ("forward", "drop", (("connection-state", "invalid"),), "drop invalid"),
    (
        "forward",
        "drop",
        (("connection-state", "new"), ("connection-nat-state", "!dstnat"), ("in-interface-list", "WAN")),
        "drop all from WAN not DSTNATed",
    ),
)


def _port(machine: Machine, name: str) -> None:
    machine.tables["/interface/bridge/port"].add({"bridge": "bridge", "interface": name, "comment": "defconf"})


def _wifi(machine: Machine) -> None:
    driver = machine.board.wifi
    if driver is None:
        return
    menu = machine.tables[f"/interface/{driver}"]
    for number in list(menu.records):
        ssid = f"MikroTik-{menu.get(number, 'mac-address').replace(':', '')[-6:]}"
        if driver == "wireless":
            menu.change(number, {"ssid": ssid, "mode": "ap-bridge", "disabled": "false"})
        else:
            security = {"security.authentication-types": "wpa2-psk,wpa3-psk", "security.passphrase": "printed-on-box"}
            own = {"configuration.ssid": ssid, "configuration.mode": "ap", "disabled": "false", **security}
            menu.change(number, own)
        _port(machine, menu.get(number, "name"))


def add_account(machine: Machine, name: str, password: str, group: str = "full") -> None:
    """Somebody who may log in."""
    machine.tables["/user"].add({"name": name, "password": password, "group": group})


def _set(machine: Machine, menu: str, values: dict[str, str]) -> None:
    table, number = machine.tables.single(menu)
    table.change(number, values)
