"""Interfaces stand twice in a router: in `/interface`, and in the menu of their kind. Both speak of the same thing."""

from __future__ import annotations

from sim.routeros.machine import Machine
from sim.routeros.tables import Record, Table

ALL = "/interface"
KINDS = {
    "/interface/ethernet": "ether",
    "/interface/bridge": "bridge",
    "/interface/wireless": "wlan",
    "/interface/wifi": "wifi",
    "/interface/vlan": "vlan",
    "/interface/wireguard": "wg",
    "/interface/l2tp-client": "l2tp-out",
    "/interface/sstp-client": "sstp-out",
    "/interface/ovpn-client": "ovpn-out",
    "/interface/pppoe-client": "pppoe-out",
}
SHARED = ("name", "disabled", "comment", "mac-address")
NAMING = ("interface", "bridge", "in-interface", "out-interface", "master-interface", "datapath.bridge")
"""Properties that name an interface; they follow when it gets another name."""
MAC_PREFIX = "02:00:00:00"


class Interfaces:
    """Keeps both places alike. Call everything under the lock."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._twins: dict[Record, Record] = {}

    def forget(self) -> None:
        """All rows are gone, as after a reset."""
        self._twins.clear()

    def wrote(self, menu: str) -> None:
        """Carry over what somebody wrote in one place to the other."""
        if menu == ALL:
            for own, row in self._twins.items():
                self._carry(row, own)
        elif menu in KINDS:
            self._gather(menu)

    def _gather(self, menu: str) -> None:
        everything, own = self._machine.tables[ALL], self._machine.tables[menu]
        here = set(own.records.values())
        for record in [twin for twin in self._twins if self._is_of(twin, menu) and twin not in here]:
            number = _number_of(everything, self._twins.pop(record))
            if number is not None:
                everything.remove(number)
        for number, record in list(own.records.items()):
            twin = self._twins.get(record)
            if twin is not None:
                self._carry(record, twin)
                continue
            found = everything.find("name", own.get(number, "name"))
            if found is None:
                found = everything.add(self._row(menu, own, number))
            self._twins[record] = everything.records[found]

    def _is_of(self, record: Record, menu: str) -> bool:
        return self._twins[record].values.get("type") == KINDS[menu]

    def _row(self, menu: str, own: Table, number: int) -> dict[str, str]:
        values = {name: own.get(number, name) for name in SHARED}
        count = len(self._machine.tables[ALL].records) + 1
        values["mac-address"] = values["mac-address"] or f"{MAC_PREFIX}:{count >> 8 & 255:02X}:{count & 255:02X}"
        if menu == "/interface/wireguard":
            del values["mac-address"]
        default_name = own.get(number, "default-name")
        return {**values, "type": KINDS[menu], "running": "true", "mtu": "1500", "default-name": default_name}

    def _carry(self, origin: Record, target: Record) -> None:
        """Shared values of one row into the other; whoever names the interface follows a new name."""
        old, new = target.values.get("name", ""), origin.values.get("name", "")
        changes = {name: origin.values.get(name, "") for name in SHARED[:3]}
        for menu in (ALL, *KINDS):
            table = self._machine.tables[menu]
            number = _number_of(table, target)
            if number is not None:
                if any(target.values.get(name, "") != value for name, value in changes.items()):
                    table.change(number, changes)
                break
        if old and new and old != new:
            self._rename_everywhere(old, new)

    def _rename_everywhere(self, old: str, new: str) -> None:
        for table in self._machine.tables.existing():
            for number, record in list(table.records.items()):
                renamed = {name: new for name in NAMING if record.values.get(name) == old}
                if renamed:
                    table.change(number, renamed)


def _number_of(table: Table, wanted: Record) -> int | None:
    return next((number for number, record in table.records.items() if record is wanted), None)


def exists(machine: Machine, name: str) -> bool:
    return machine.tables[ALL].find("name", name) is not None


def is_enabled(machine: Machine, name: str) -> bool:
    """Whether there is such an interface, switched on."""
    table = machine.tables[ALL]
    number = table.find("name", name)
    return number is not None and table.get(number, "disabled") != "true"


def bridge_of(machine: Machine, name: str) -> str | None:
    """The bridge an interface is an enabled port of, by its port row or by its Wi-Fi datapath."""
    ports = machine.tables["/interface/bridge/port"]
    for number in ports.records:
        if ports.get(number, "interface") == name and ports.get(number, "disabled") != "true":
            return ports.get(number, "bridge")
    return None


def lists_of(machine: Machine, name: str) -> frozenset[str]:
    """The interface lists this interface belongs to, `all` among them."""
    members, found = machine.tables["/interface/list/member"], {"all"}
    for number in members.records:
        if members.get(number, "interface") == name and members.get(number, "disabled") != "true":
            found.add(members.get(number, "list"))
    lists = machine.tables["/interface/list"]
    for number in lists.records:
        included = set(lists.get(number, "include").split(",")) & found
        excluded = set(lists.get(number, "exclude").split(",")) & found
        if included and not excluded:
            found.add(lists.get(number, "name"))
    return frozenset(found)
