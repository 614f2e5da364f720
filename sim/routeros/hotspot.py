"""The hotspot itself: notices devices, lets rows go when their time is over, and counts what passes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from sim.routeros import hotspot_rules
from sim.routeros.accounting import Reporter
from sim.routeros.cookies import CookieJar
from sim.routeros.devices import Device
from sim.routeros.hosts import Binding, Host, binding_of
from sim.routeros.hotspot_roster import HotspotRoster
from sim.routeros.logins import Logins
from sim.routeros.machine import Machine
from sim.routeros.radius import RadiusClient
from sim.routeros.sessions import CAUSE_ADMIN_RESET, CAUSE_USER_REQUEST
from sim.routeros.values import parse_mac

CONFIGURATION = frozenset(
    {"/ip/hotspot", "/ip/hotspot/profile", "/ip/hotspot/ip-binding", "/system/device-mode", "/ip/pool"}
)
RETRY_WHILE_ASKING_SECONDS = 1.0


class Hotspot:
    """All devices in reach of one router, and what the router knows of them."""

    def __init__(
        self, machine: Machine, client: RadiusClient, reporter: Reporter, source: str, settle: Callable[[], None]
    ) -> None:
        self._machine = machine
        self._settle = settle
        self.devices: dict[str, Device] = {}
        self._hosts: dict[int, Host] = {}
        self._by_device: dict[Device, Host] = {}
        self._network = ipaddress.IPv4Network("10.20.0.0/16")
        self._next_address = 2
        self._powered = True
        self.cookies = CookieJar(machine)
        self.roster = HotspotRoster(machine, reporter, self._session_ended)
        self.logins = Logins(machine, client, self.roster, self, source)

    # What people with devices do. Each waits, on a manual clock, until the router has finished reacting.

    def plug_in(self, mac: str, ip: str | None, hostname: str | None, interface: str = "") -> Device:
        """Put a new device in reach, behind an interface if one is named. Raises ValueError for a bad or taken address."""
        with self._machine.lock:
            mac = parse_mac(mac)
            if mac in self.devices:
                raise ValueError(f"{mac} is plugged in already")
            address = self._free_address() if ip is None else str(ipaddress.IPv4Address(ip))
            if self._machine.tables["/ip/hotspot/host"].find("address", address) is not None:
                raise ValueError(f"{address} is in use")
            device = self.devices[mac] = Device(self, mac, address, hostname, interface)
        self.device_appears(device)
        return device

    def device_appears(self, device: Device) -> None:
        with self._machine.lock:
            device.present = True
            host = self._by_device.get(device)
            if host is None:
                self._appear(device)
            elif host.session is not None:
                self.roster.schedule(host.session)
            else:
                self._schedule(host)
        self._settle()

    def device_leaves(self, device: Device) -> None:
        with self._machine.lock:
            if device.present:
                device.present = False
                device.left_at_seconds = self._machine.seconds()
            host = self._by_device.get(device)
            if host is not None and host.session is not None:
                self.roster.schedule(host.session)
            elif host is not None:
                self._schedule(host)
        self._settle()

    def device_changes_mac(self, device: Device, new: str) -> None:
        """The old MAC's row stays behind, with nobody sending; the device gets a new address with its new MAC."""
        mac = parse_mac(new)
        with self._machine.lock:
            if mac in self.devices:
                raise ValueError(f"{mac} is plugged in already")
            if device.present:
                device.left_at_seconds = self._machine.seconds()
            old = self._by_device.pop(device, None)
            if old is not None:
                ghost = Device(self, device.mac, device.ip, device.hostname, device.interface)
                ghost.left_at_seconds = device.left_at_seconds
                old.device = ghost
                self._by_device[ghost] = old
                if old.session is not None:
                    self.roster.schedule(old.session)
                else:
                    self._schedule(old)
            del self.devices[device.mac]
            device.mac, device.ip = mac, self._free_address()
            self.devices[mac] = device
        self.device_appears(device)

    def move_traffic(self, device: Device, upload_bytes: int, download_bytes: int) -> int:
        if upload_bytes < 0 or download_bytes < 0:
            raise ValueError("traffic is not negative")
        passed = 0
        with self._machine.lock:
            host = self._by_device.get(device)
            if host is not None and device.present:
                if host.session is not None:
                    passed = self._count(host, upload_bytes, download_bytes)
                elif host.bypassed:
                    passed = upload_bytes + download_bytes
                    host.bytes_in += upload_bytes
                    host.bytes_out += download_bytes
        self._settle()
        return passed

    def _count(self, host: Host, upload: int, download: int) -> int:
        session = host.session
        assert session is not None
        before_in, before_out = session.bytes_in, session.bytes_out
        passed = self.roster.count(session, upload, download)
        host.bytes_in += session.bytes_in - before_in
        host.bytes_out += session.bytes_out - before_out
        return passed

    def log_out(self, device: Device) -> None:
        with self._machine.lock:
            host = self._by_device.get(device)
            if host is not None:
                self.end_session(host, CAUSE_USER_REQUEST)
        self._settle()

    # What others ask. Call under the lock unless it says otherwise.

    def is_online(self, device: Device) -> bool:
        with self._machine.lock:
            host = self._by_device.get(device)
            return host is not None and host.session is not None

    def error_of(self, device: Device) -> str:
        with self._machine.lock:
            host = self._by_device.get(device)
            return "" if host is None else host.error

    def host_of(self, device: Device) -> Host | None:
        return self._by_device.get(device)

    def host(self, number: int) -> Host:
        return self._hosts[number]

    def host_at(self, address: str) -> Host | None:
        """The host with this address, before or after translation."""
        table = self._machine.tables["/ip/hotspot/host"]
        number = table.find("to-address", address)
        if number is None:
            number = table.find("address", address)
        return None if number is None else self._hosts[number]

    def profile_of(self, server: str) -> Callable[[str], str]:
        """A reader for the properties of a hotspot server's profile."""
        servers, profiles = self._machine.tables["/ip/hotspot"], self._machine.tables["/ip/hotspot/profile"]
        number = servers.find("name", server)
        name = servers.get(number, "profile") if number is not None else ""
        profile = profiles.find("name", name or "default")
        if profile is None:
            return lambda _name: ""
        return lambda wanted: profiles.get(profile, wanted)

    # What the router does by itself.

    def end_session(self, host: Host, cause: int) -> None:
        """End the session of a host, if any; the host is unauthorised from now on, and its time begins to run."""
        if host.session is not None:
            self.roster.end(host.session, cause)

    def drop(self, host: Host, cause: int = CAUSE_ADMIN_RESET) -> None:
        """Forget a host. A device that still sends appears anew at once, and its MAC is tried again."""
        if host.gone:
            return
        if host.session is not None:
            self.roster.end(host.session, cause)
        self._vanish(host)
        if host.device.present:
            self._appear(host.device)

    def configuration_changed(self, menu: str) -> None:
        """Look again at every device after somebody changed servers or bindings."""
        if not (menu in CONFIGURATION or menu.startswith("/interface")) or not self._powered:
            return
        hotspot_rules.arrange(self._machine, running=self._serving(None) is not None)
        for host in list(self._hosts.values()):
            server = self._serving(host.device)
            kind = self._binding(host.device, host.server).kind
            if server != host.server or kind == "blocked" or host.bypassed != (kind == "bypassed"):
                self.drop(host)
        for device in self.devices.values():
            if device.present and device not in self._by_device:
                self._appear(device)

    def power_off(self) -> None:
        """Everything the router remembers about devices is gone, without any report."""
        self._powered = False
        for session in self.roster.all():
            self.roster.vanish(session)
        for host in list(self._hosts.values()):
            self._vanish(host)

    def power_on(self) -> None:
        """Devices in reach are noticed anew."""
        self._powered = True
        self.configuration_changed("/ip/hotspot")

    def blocks(self, device: Device) -> bool:
        """Whether a binding keeps this device away from the hotspot it stands before."""
        with self._machine.lock:
            server = self._serving(device)
            return server is not None and self._binding(device, server).kind == "blocked"

    def _serving(self, device: Device | None) -> str | None:
        """The name of the hotspot server this device meets (any device, without one): enabled, sound, on its interface."""
        if not self._machine.allows("hotspot"):
            return None
        servers = self._machine.tables["/ip/hotspot"]
        for number in servers.records:
            here = device is None or device.interface in ("", servers.get(number, "interface"))
            if here and "true" not in (servers.get(number, "disabled"), servers.get(number, "invalid")):
                return servers.get(number, "name")
        return None

    def _binding(self, device: Device, server: str) -> Binding:
        return binding_of(self._machine.tables["/ip/hotspot/ip-binding"], device.mac, device.ip, server)

    def _appear(self, device: Device) -> None:
        name = self._serving(device)
        if name is None or not self._powered:
            return
        binding = self._binding(device, name)
        if binding.kind == "blocked":
            return
        servers, now = self._machine.tables["/ip/hotspot"], self._machine.seconds()
        server = servers.find("name", name)
        assert server is not None
        host = Host(
            device=device,
            mac=device.mac,
            address=device.ip,
            to_address=binding.to_address or device.ip,
            server=name,
            interface=servers.get(server, "interface"),
            appeared_at=now,
            unauthorised_since=now,
            bypassed=binding.kind == "bypassed",
            idle_seconds=self._machine.duration_seconds(servers, server, "idle-timeout"),
        )
        hosts = self._machine.tables["/ip/hotspot/host"]
        host.number = hosts.add(host.stored(), lambda: host.live(self._machine.seconds()))
        self._hosts[host.number] = host
        self._by_device[device] = host
        if not host.bypassed:
            self.logins.at_first_sight(host)
        self._schedule(host)

    def _session_ended(self, host: Host, cause: int) -> None:
        self.cookies.session_ended(host.mac, cause)
        self._schedule(host)

    def _vanish(self, host: Host) -> None:
        host.gone = True
        if host.timer is not None:
            host.timer.cancel()
        del self._hosts[host.number]
        self._by_device.pop(host.device, None)
        self._machine.tables["/ip/hotspot/host"].remove(host.number)

    def _schedule(self, host: Host) -> None:
        """Come back when an unauthorised host has had its time: login-timeout, or silence for the idle-timeout."""
        if host.timer is not None:
            host.timer.cancel()
            host.timer = None
        if host.gone or host.bypassed or host.session is not None:
            return
        moments = self._moments(host)
        if moments:
            host.timer = self._machine.timers.at(min(moments), lambda: self._look_at(host))

    def _moments(self, host: Host) -> list[float]:
        servers = self._machine.tables["/ip/hotspot"]
        number = servers.find("name", host.server)
        moments = []
        if number is not None:
            login_seconds = self._machine.duration_seconds(servers, number, "login-timeout")
            if login_seconds is not None:
                moments.append(host.unauthorised_since + login_seconds)
        if host.idle_seconds is not None and not host.device.present:
            moments.append(max(host.device.left_at_seconds, host.unauthorised_since) + host.idle_seconds)
        return moments

    def _look_at(self, host: Host) -> None:
        if host.gone or host.session is not None:
            return
        if host.authorizing:
            host.timer = self._machine.after(RETRY_WHILE_ASKING_SECONDS, lambda: self._look_at(host))
            return
        if any(moment <= self._machine.seconds() for moment in self._moments(host)):
            self.drop(host)
        else:
            self._schedule(host)

    def _free_address(self) -> str:
        hosts = self._machine.tables["/ip/hotspot/host"]
        while True:
            address = str(self._network[self._next_address])
            self._next_address += 1
            if hosts.find("address", address) is None and hosts.find("to-address", address) is None:
                return address
