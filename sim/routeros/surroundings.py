"""What stands around the box: the cable to the internet, tunnels to our server, phones on the air."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
from collections.abc import Callable
from functools import partial

from sim.routeros.connection import Service
from sim.routeros.dialled import Concentrator, DialledLines
from sim.routeros.files import Files
from sim.routeros.firewall import FILTER, LISTS, Packet, in_any, verdict
from sim.routeros.garden import Garden
from sim.routeros.hotspot import Hotspot
from sim.routeros.internet import Internet
from sim.routeros.machine import Machine
from sim.routeros.phones import Air, Phone
from sim.routeros.radios import Network, on_the_air
from sim.routeros.server import ApiServer, Arrival
from sim.routeros.servlet import Servlet
from sim.routeros.tunnel import ServerEnd, Tunnels
from sim.routeros.uplink import Provider, Uplink

MAY_CUT = frozenset({FILTER, LISTS, "/interface/list/member", "/interface/list"})


class Surroundings:
    """One router's, kept in step with its configuration."""

    def __init__(self, machine: Machine, hotspot: Hotspot, files: Files, service: Service, main: ApiServer) -> None:
        self._machine = machine
        self._service = service
        self._main = main
        self.internet = Internet()
        self.uplink = Uplink(machine)
        self.tunnels = Tunnels(machine, self.uplink)
        self.lines = DialledLines(machine, self.uplink)
        self.garden = Garden(machine, self.internet)
        self._air = Air(machine, hotspot, Servlet(machine, hotspot, files), self.garden, self.internet, self.uplink)
        self._doors: dict[tuple[str, str], ApiServer] = {}
        self._moving: dict[tuple[str, str], threading.Thread] = {}
        self._is_open = False

    def plug_uplink(self, interface: str = "ether1", provider: Provider | None = None) -> None:
        """Put the cable to the internet into a port. From now on nothing gets out any other way."""
        self.uplink.plug(interface, provider or Provider())
        self._look_around()

    def unplug_uplink(self) -> None:
        """Pull that cable."""
        self.uplink.unplug()
        self._look_around()

    def know_server(self, server: ServerEnd) -> None:
        """Let there be a WireGuard server out there (again, when it was changed): tunnels to it come up where both ends fit."""
        others = [one for one in self.tunnels.servers if (one.endpoint, one.port) != (server.endpoint, server.port)]
        self.tunnels.servers = [*others, server]
        self._look_around()

    def know_concentrator(self, server: Concentrator) -> None:
        """Let there be an L2TP server out there (again, when it was changed)."""
        self.lines.concentrators = [one for one in self.lines.concentrators if one.endpoint != server.endpoint] + [
            server
        ]
        self._look_around()

    def programs_arrive_by(self, interface: str | None) -> None:
        """By which interface connections to `api_port` come, as the input firewall sees them; None: it does not see them."""
        self._main.arrival = Arrival(interface) if interface is not None else None

    def admits(self, service: str, interface: str, src: str = "192.0.2.99") -> bool:
        """Whether a stranger with this address gets through to a service (`api`, `ssh` …) by this interface."""
        with self._machine.lock:
            table = self._machine.tables["/ip/service"]
            number = table.find("name", service)
            if number is None or table.get(number, "disabled") == "true":
                return False
            allowed = table.get(number, "address")
            port = int(table.get(number, "port"))
        packet = Packet(src, "192.0.2.1", "tcp", port, in_interface=interface)
        return verdict(self._machine, "input", packet) and (not allowed or in_any(allowed, src))

    def join(self, ssid: str, mac: str, hostname: str = "", passphrase: str = "") -> Phone:
        """A phone joins the Wi-Fi and asks for an address. Raises ValueError when no such network is on the air."""
        return self._air.join(ssid, mac, hostname, passphrase)

    def plug_cable(self, interface: str, mac: str, hostname: str = "") -> Phone:
        """Something is plugged into a port of the router and asks for an address."""
        return self._air.attach(interface, mac, hostname)

    @property
    def networks(self) -> list[Network]:
        """The Wi-Fi networks it has on the air."""
        with self._machine.lock:
            return list(on_the_air(self._machine))

    def _look_around(self) -> None:
        with self._machine.lock:
            self.arrange_doors()
        self.rest()

    def wrote(self, menu: str) -> None:
        """Somebody changed something in this menu. Call under the lock."""
        self.uplink.wrote(menu)
        self.garden.wrote(menu)
        self.arrange_doors()
        if menu in MAY_CUT:
            for server in (self._main, *self._doors.values()):
                server.look_again()

    def open(self) -> None:
        """The box is on."""
        with self._machine.lock:
            self._is_open = True
            self.uplink.boot()
            self.arrange_doors()

    def close(self) -> None:
        """The box is off: what came through tunnels is cut."""
        with self._machine.lock:
            self._is_open = False
            doors, self._doors = self._doors, {}
        for server in doors.values():
            server.close()
        self.rest()

    def arrange_doors(self) -> None:
        """The interface for programs listens at every tunnel address that this machine can play. Call under the lock."""
        self.tunnels.show()
        self.lines.show()
        wanted = {}
        found = [*self.tunnels.addresses(), *self.lines.addresses()] if self._is_open else []
        for address, interface, source in found:
            if ipaddress.ip_address(address).is_loopback:
                wanted[address, interface] = Arrival(interface, source, address)
        for key in set(self._doors) - set(wanted):
            self._beside(key, self._doors.pop(key).close)
        for key, arrival in wanted.items():
            closing = self._moving.get(key)
            if key in self._doors:
                continue
            if closing is not None and closing.is_alive():
                self._beside(key, partial(self._arrange_after, key, closing))
            else:
                self._open_door(key, arrival)

    def _beside(self, key: tuple[str, str], work: Callable[[], None]) -> None:
        """Doors close without the lock: whoever comes through them may be waiting for it."""
        self._moving[key] = threading.Thread(target=work, name="router-door", daemon=True)
        self._moving[key].start()

    def _arrange_after(self, key: tuple[str, str], before: threading.Thread) -> None:
        before.join()
        with self._machine.lock:
            del self._moving[key]
            self.arrange_doors()

    def rest(self) -> None:
        """Wait until all doors stand as they should. Call without the lock."""
        while True:
            with self._machine.lock:
                moving = [thread for thread in self._moving.values() if thread.is_alive()]
            if not moving:
                return
            for thread in moving:
                thread.join()

    def _open_door(self, key: tuple[str, str], arrival: Arrival) -> None:
        services = self._machine.tables["/ip/service"]
        ports = []
        for name in ("api", "api-ssl"):
            number = services.find("name", name)
            ports.append(int(services.get(number, "port")) if number is not None else 0)
        server = ApiServer(self._service, key[0], ports[0], ports[1], arrival)
        with contextlib.suppress(OSError):
            server.open()
            self._doors[key] = server
