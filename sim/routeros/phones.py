"""A phone on the Wi-Fi: it joins a network, gets an address, and opens pages, each step as far as the router lets it."""

from __future__ import annotations

import ipaddress
import urllib.parse
from dataclasses import dataclass, field, replace

from sim.routeros import interfaces
from sim.routeros.devices import Device
from sim.routeros.firewall import Packet, masquerades, verdict
from sim.routeros.garden import Garden
from sim.routeros.hosts import Host
from sim.routeros.hotspot import Hotspot
from sim.routeros.internet import Answer, Internet, NothingThere
from sim.routeros.local_leases import LEASES, Offer, offer
from sim.routeros.machine import Machine
from sim.routeros.radios import on_the_air
from sim.routeros.servlet import Servlet
from sim.routeros.uplink import Uplink
from sim.routeros.values import parse_mac

REDIRECTS_MAX = 10
WEB_PORT = 80


class NoAnswer(Exception):
    """The page does not come; the message says where it got stuck."""


@dataclass(frozen=True)
class Reply:
    """A page as the browser got it. `by_router` tells whether the router itself answered."""

    url: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    by_router: bool = False

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def location(self) -> str:
        """Where a redirect leads; empty when it is none."""
        where = self.headers.get("location", "") if 300 <= self.status < 400 else ""
        return urllib.parse.urljoin(self.url, where) if where else ""


class Phone:
    """One device in the reach of a router, with what it knows of the network."""

    def __init__(self, air: Air, mac: str, hostname: str, interface: str, lease: Offer | None, device: Device) -> None:
        self._air = air
        self.mac = mac
        self.hostname = hostname
        self.interface = interface
        self.lease = lease
        self.device = device

    @property
    def address(self) -> str:
        """Its address; empty when nobody gave it one."""
        return self.lease.address if self.lease else ""

    @property
    def online(self) -> bool:
        """Whether it is logged in at the hotspot."""
        return self.device.online

    def get(self, url: str) -> Reply:
        """Open an address, without following redirects. Raises NoAnswer."""
        return self._air.open(self, url, "GET", {})

    def post(self, url: str, form: dict[str, str]) -> Reply:
        """Send a form. Raises NoAnswer."""
        return self._air.open(self, url, "POST", form)

    def browse(self, url: str) -> Reply:
        """Open an address and go where redirects lead. Raises NoAnswer."""
        reply = self.get(url)
        for _ in range(REDIRECTS_MAX):
            if not reply.location:
                return reply
            reply = self.get(reply.location)
        raise NoAnswer("the redirects never end")

    def leave(self) -> None:
        """Go out of reach without a word."""
        self.device.leave()


class Air:
    """Everything between phones and the world at one router."""

    def __init__(
        self, machine: Machine, hotspot: Hotspot, servlet: Servlet, garden: Garden, internet: Internet, uplink: Uplink
    ) -> None:
        self._machine = machine
        self._hotspot = hotspot
        self._servlet = servlet
        self._garden = garden
        self._internet = internet
        self._uplink = uplink

    def join(self, ssid: str, mac: str, hostname: str, passphrase: str) -> Phone:
        """Associate with a network and ask for an address. Raises ValueError when there is no such network."""
        with self._machine.lock:
            networks = [network for network in on_the_air(self._machine) if network.ssid == ssid]
            fitting = [network for network in networks if network.passphrase in ("", passphrase)]
        if not fitting:
            raise ValueError(f"no network {ssid!r} is on the air" if not networks else f"wrong passphrase for {ssid!r}")
        return self.attach(fitting[0].behind, mac, hostname)

    def attach(self, interface: str, mac: str, hostname: str) -> Phone:
        """Be in the network behind an interface: its bridge if it is a port of one."""
        mac = parse_mac(mac)
        with self._machine.lock:
            behind = interfaces.bridge_of(self._machine, interface) or interface
            usable = interfaces.is_enabled(self._machine, behind)
            lease = offer(self._machine, behind, mac, hostname) if usable else None
        device = self._hotspot.devices.get(mac)
        if device is None:
            device = self._hotspot.plug_in(mac, lease.address if lease else None, hostname, behind)
            if lease is not None:
                self._expire(device, lease)
        else:
            device.come_back()
        return Phone(self, mac, hostname, behind, lease, device)

    def _expire(self, device: Device, lease: Offer) -> None:
        """A lease ends when its time is over and the device is gone; otherwise it has been renewed."""

        def look() -> None:
            leases = self._machine.tables[LEASES]
            number = leases.find("address", lease.address)
            if device.present:
                self._machine.after(lease.seconds, look)
            elif number is not None and leases.get(number, "dynamic") == "true":
                leases.remove(number)

        with self._machine.lock:
            self._machine.after(lease.seconds, look)

    # Opening pages

    def open(self, phone: Phone, url: str, method: str, form: dict[str, str]) -> Reply:
        """One request on its way, step by step."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not a web address: {url[:80]!r}")
        lease = phone.lease
        if lease is None or not phone.device.present:
            raise NoAnswer("no address: the DHCP server gave none" if lease is None else "out of reach")
        with self._machine.lock:
            host = self._hotspot.host_of(phone.device)
        if host is None and self._hotspot.blocks(phone.device):
            raise NoAnswer("blocked by an IP binding")
        free = host is None or host.session is not None or host.bypassed
        address = self._look_up(phone, parts.hostname, free=free)
        port = parts.port or (443 if parts.scheme == "https" else WEB_PORT)
        if self._is_router(address):
            return self._ask_router(phone, host, url, port, method, form)
        packet = Packet(phone.address, address, "tcp", port, in_interface=phone.interface)
        if not free:
            assert host is not None
            path = (parts.path or "/") if parts.scheme == "http" else ""
            with self._machine.lock:
                admitted = self._garden.admits(host.server, packet, parts.hostname, path, method)
            if not admitted:
                if parts.scheme == "http" and port == WEB_PORT:
                    return _reply(url, self._servlet.intercept(phone.device, host, url), by_router=True)
                raise NoAnswer("reset by the hotspot: not paid, and not in the walled garden")
        self._forward(packet)
        return self._ask_world(phone, url, method, form)

    def _look_up(self, phone: Phone, name: str, *, free: bool) -> str:
        """The address of a name: asked of the router by whoever has not paid, else of the server the lease named."""
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            pass  # a name, then
        assert phone.lease is not None
        server = phone.lease.dns[0] if phone.lease.dns else ""
        if free and not server:
            raise NoAnswer("no name server: the lease names none")
        if not free or self._is_router(server):
            own = self._own_name(phone, name)
            if own:
                return own
            if self._machine.tables.value("/ip/dns", "allow-remote-requests") != "true":
                raise NoAnswer("the router answers no questions about names (allow-remote-requests)")
            redirected = self._hotspot.host_of(phone.device) is not None
            if not redirected and not verdict(self._machine, "input", self._question(phone, server)):
                raise NoAnswer("the input firewall drops questions about names")
            if not self._uplink.way_out or not self._uplink.name_servers:
                raise NoAnswer("the router knows no name server it could ask, or has no way to it")
        else:
            self._forward(Packet(phone.address, server, "udp", 53, in_interface=phone.interface))
        found = self._internet.resolve(name)
        if found is None:
            raise NoAnswer(f"there is no such name: {name}")
        return found

    def _question(self, phone: Phone, server: str) -> Packet:
        return Packet(phone.address, server or phone.address, "udp", 53, in_interface=phone.interface)

    def _own_name(self, phone: Phone, name: str) -> str:
        """The hotspot's own name, or one of the router's static ones."""
        with self._machine.lock:
            host = self._hotspot.host_of(phone.device)
            if host is not None:
                address, own = self._servlet.address_of(host.server)
                if own == name:
                    return address
            static = self._machine.tables["/ip/dns/static"]
            number = static.find("name", name)
            return static.get(number, "address") if number is not None else ""

    def _is_router(self, address: str) -> bool:
        addresses = self._machine.tables["/ip/address"]
        with self._machine.lock:
            return any(addresses.get(one, "address").partition("/")[0] == address for one in addresses.records)

    def _ask_router(
        self, phone: Phone, host: Host | None, url: str, port: int, method: str, form: dict[str, str]
    ) -> Reply:
        packet = Packet(phone.address, phone.address, "tcp", port, in_interface=phone.interface)
        if host is None or port != WEB_PORT:
            passed = verdict(self._machine, "input", packet)
            raise NoAnswer("nothing of a hotspot answers there" if passed else "dropped by the input firewall")
        return _reply(url, self._servlet.answer(phone.device, host, method, url, form), by_router=True)

    def _forward(self, packet: Packet) -> None:
        """Through the router into the internet: a way out, the forward chain, and its address on the packet."""
        out = self._uplink.way_out
        if not out:
            raise NoAnswer("the router has no way to the internet")
        if not verdict(self._machine, "forward", replace(packet, out_interface=out)):
            raise NoAnswer("dropped by the forward firewall")
        if not masquerades(self._machine, replace(packet, out_interface=out, in_interface="")):
            raise NoAnswer("no NAT: the answer does not find its way back")

    def _ask_world(self, phone: Phone, url: str, method: str, form: dict[str, str]) -> Reply:
        body = urllib.parse.urlencode(form).encode() if method == "POST" else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
        try:
            answer = self._internet.ask(url, method, body, headers)
        except NothingThere as nothing:
            raise NoAnswer(str(nothing)) from nothing
        phone.device.move_traffic(len(body or b"") + len(url), len(answer.body))
        return _reply(url, answer, by_router=False)


def _reply(url: str, answer: Answer, *, by_router: bool) -> Reply:
    return Reply(url, answer.status, answer.headers, answer.body, by_router)
