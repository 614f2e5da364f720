"""The virtual MikroTik as one thing to start, stop, talk to and make trouble with."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from sim.routeros import factory, set_ups
from sim.routeros.accounting import Reporter, radius_servers
from sim.routeros.backup import Backup
from sim.routeros.board import BOARD_DEFAULT, device_mode_values
from sim.routeros.clock import Clock, ManualClock, RealClock
from sim.routeros.commands import Executor, Request
from sim.routeros.configuration import Configuration
from sim.routeros.connection import Service
from sim.routeros.devices import Device
from sim.routeros.dhcp import DhcpClient, DhcpServer
from sim.routeros.export import Exporter
from sim.routeros.faults import Faults
from sim.routeros.fetch import Fetcher
from sim.routeros.files import Files
from sim.routeros.hotspot import Hotspot
from sim.routeros.hotspot_menus import HotspotMenus
from sim.routeros.incoming import Incoming
from sim.routeros.machine import Machine
from sim.routeros.policies import ALL_POLICIES
from sim.routeros.ppp import PppServer
from sim.routeros.ppp_clients import PppoeClient
from sim.routeros.ppp_menus import PppMenus
from sim.routeros.radius import RadiusClient
from sim.routeros.scheduler import Scheduler
from sim.routeros.schema import schema_for
from sim.routeros.server import ApiServer
from sim.routeros.surroundings import Surroundings
from sim.routeros.system_menus import SystemMenus
from sim.routeros.terminal import Terminal

TICK_SECONDS = 0.05
SETTLE_SECONDS_MAX = 30.0
GOODBYE_SECONDS = 0.5


class VirtualRouter:
    """One router. Use as a context manager, or call `start` and `stop`.

    With a `ManualClock` nothing happens by itself: `advance` moves time, and every method that makes the router ask
    RADIUS returns when the answer has been dealt with. With the real clock everything runs in the background.
    Ports of 0 are chosen by the system; read them from `api_port`, `api_ssl_port` and `coa_port`.
    """

    def __init__(
        self,
        identity: str = "market",
        username: str = "duka",
        password: str = "",
        version: str = "7.21.5",
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        api_port: int = 0,
        api_ssl_port: int = 0,
        coa_port: int = 0,
        board: str = BOARD_DEFAULT,
        device_mode: str = "advanced",
    ) -> None:
        self.host = host
        self.username = username
        self._password = password
        self.clock: Clock = clock or RealClock()
        self.machine = Machine(identity, schema_for(version, board), self.clock, device_mode)
        self._client = RadiusClient(self.machine, lambda: radius_servers(self.machine, host))
        self._reporter = Reporter(self.machine, self._client)
        self.hotspot = Hotspot(self.machine, self._client, self._reporter, host, self.settle)
        self.ppp = PppServer(self.machine, self._client, self._reporter, host, self.settle)
        self.dhcp = DhcpServer(self.machine, self._client, self._reporter, host, self.settle)
        self._services = (self.hotspot, self.ppp, self.dhcp)
        self.executor = Executor(self.machine)
        self.files = Files(self.machine, self.executor)
        self.faults = Faults(self._cut_api, self._restore_api, lambda keep: self.configuration.forget(keep_users=keep))
        self._incoming = Incoming(self.machine, [self.hotspot.roster, self.ppp.roster], self.faults, host, coa_port)
        self.terminal = Terminal(self.machine, self.executor, self.files)
        self._scheduler = Scheduler(self.machine, self.terminal)
        self.exporter = Exporter(self.machine, self.executor, self.files)
        HotspotMenus(self.machine, self.executor, self.hotspot)
        PppMenus(self.machine, self.executor, self.ppp)
        self.dhcp.attach(self.executor)
        self._system = SystemMenus(
            self.machine,
            self.executor,
            self.hotspot,
            self._client,
            self._incoming,
            self.reboot,
            lambda bare: self.reset(no_defaults=bare),
        )
        self.configuration = Configuration(
            self.machine, self.files, self._services, self._client, self._system, self._scheduler
        )
        Backup(self.machine, self.executor, self.files, self.configuration.restore)
        self.executor.after_write += [self.configuration.wrote, self.hotspot.configuration_changed]
        self.configuration.furnish(factory.furnish)
        factory.add_account(self.machine, username, password)
        service = Service(self.machine, self.executor, self, self.faults)
        self._api = ApiServer(service, host, api_port, api_ssl_port)
        self.around = Surroundings(self.machine, self.hotspot, self.files, service, self._api)
        Fetcher(self.machine, self.executor, self.files, self.around.internet, self.around.uplink)
        self.executor.after_write.insert(1, self.around.wrote)
        self._client.listen(self._incoming.sock, self._incoming.hear)
        self._stopping = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="router-clock", daemon=True)
        self._is_on = True

    # Life

    def start(self) -> VirtualRouter:
        """Open the ports and let time pass."""
        self._api.open()
        self.around.open()
        self._client.start()
        if isinstance(self.clock, ManualClock):
            self.clock.attach(self)
        else:
            self._ticker.start()
        return self

    def stop(self) -> None:
        """Close everything this router opened."""
        self._stopping.set()
        if isinstance(self.clock, ManualClock):
            self.clock.detach(self)
        elif self._ticker.is_alive():
            self._ticker.join()
        self.around.close()
        self._api.close()
        self._client.stop()
        self._incoming.close()

    def __enter__(self) -> VirtualRouter:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def api_port(self) -> int:
        return self._api.port("api")

    @property
    def api_ssl_port(self) -> int:
        return self._api.port("api-ssl")

    @property
    def coa_port(self) -> int:
        return self._incoming.port

    @property
    def certificate_pem(self) -> bytes:
        """The certificate of the TLS port, for whoever pins it."""
        return self._api.certificate_pem

    def change_certificate(self) -> None:
        """Somebody put another certificate on the TLS port, or stands between."""
        self._api.change_certificate()

    # Time

    def advance(self, seconds: float) -> None:
        """Let time pass on a manual clock; everything due happens in this thread, in order."""
        if not isinstance(self.clock, ManualClock):
            raise TypeError("only a ManualClock can be advanced")
        self.settle()
        self.clock.advance(seconds)

    def next_due_seconds(self) -> float | None:
        return self.machine.timers.next_due_seconds()

    def run_due(self) -> None:
        """Do what has fallen due, and wait for what it set off."""
        while self.machine.run_timers() or self._scheduler.run_due():
            self.settle()

    def settle(self) -> None:
        """On a manual clock: wait until no fresh question or report is on its way to RADIUS."""
        if self.clock.manual and not self._stopping.is_set():
            self._client.wait_quiet(SETTLE_SECONDS_MAX)

    @property
    def clock_skew_seconds(self) -> float:
        """How far the router's own date is ahead of the truth."""
        return self.machine.skew_seconds

    @clock_skew_seconds.setter
    def clock_skew_seconds(self, seconds: float) -> None:
        self.machine.skew_seconds = seconds

    @property
    def new_times_count_from_start(self) -> bool:
        """How this router understands a Session-Timeout in an order: from the session's start, or (as at first) from now.

        Nobody has seen yet which of the two real ones do (reference radius.md §3).
        """
        return self.machine.new_times_count_from_start

    @new_times_count_from_start.setter
    def new_times_count_from_start(self, said: bool) -> None:
        self.machine.new_times_count_from_start = said

    def _tick(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            self.machine.run_timers()
            self._scheduler.run_due()

    # The administrator

    def run(self, path: str, **arguments: str) -> list[dict[str, str]]:
        """A command typed at the box itself: same checks, all rights. Dashes are written as underscores.

        Returns the rows, or for commands that answer with a value one row `{"ret": value}`. Raises Trap.
        """
        named = {name.strip("_").replace("_", "-"): value for name, value in arguments.items()}
        if "id" in named:
            named[".id"] = named.pop("id")
        request = Request(path, named)
        rows: list[dict[str, str]] = []
        self.executor.resolve(request)
        answer = self.executor.execute(request, lambda row: rows.append(dict(row)))
        self.settle()
        return [answer] if answer else rows

    def paste(self, text: str) -> str:
        """Somebody at the box types or pastes lines into the terminal; what it shows, errors among it."""
        shown = self.terminal.paste(text)
        self.settle()
        self.around.rest()
        return shown

    def run_script(self, text: str) -> str:
        """Lines as `/import` would run them, with all rights; what they show. Raises ScriptError at the first that fails."""
        shown: list[str] = []
        self.terminal.run_lines(text, ALL_POLICIES, threading.Event(), shown)
        self.settle()
        self.around.rest()
        return "\n".join(shown)

    set_up_hotspot = set_ups.set_up_hotspot
    set_up_pppoe = set_ups.set_up_pppoe
    set_up_dhcp = set_ups.set_up_dhcp

    def set_device_mode(self, mode: str) -> None:
        """Somebody pressed the button: `home` and `basic` forbid hotspots (reference routeros.md §3.1)."""
        with self.machine.lock:
            table, number = self.machine.tables.single("/system/device-mode")
            table.change(number, device_mode_values(mode))
            self.machine.device_mode = mode
            self.hotspot.configuration_changed("/system/device-mode")
        self.settle()

    # Devices

    def plug_in(self, mac: str, ip: str | None = None, hostname: str | None = None) -> Device:
        """Bring a device into reach; the hotspot notices it at once."""
        return self.hotspot.plug_in(mac, ip, hostname)

    def dial_in(
        self, user: str, password: str, mac: str, method: str = "mschap2", *, redials: bool = True
    ) -> PppoeClient:
        """Somebody at the end of a PPPoE line dials; it tries again by itself unless told otherwise."""
        client = self.ppp.install(user, password, mac, method, redials=redials)
        client.dial()
        return client

    def ask_for_address(self, mac: str, hostname: str = "") -> DhcpClient:
        """A device on a fixed line asks for an address, and goes on asking."""
        client = self.dhcp.install(mac, hostname)
        client.ask()
        return client

    @property
    def devices(self) -> list[Device]:
        with self.machine.lock:
            return list(self.hotspot.devices.values())

    # Power

    def reboot(self, graceful: bool = True) -> None:
        """Down and up again: connections cut, ids changed, everybody logged out, devices noticed anew."""
        if self._stopping.is_set():
            return
        self.power_off(graceful)
        self.power_on()

    def power_cut(self) -> None:
        """As a reboot, but without time to tell RADIUS."""
        self.reboot(graceful=False)

    def power_off(self, graceful: bool = True) -> None:
        """Go down and stay down until `power_on`."""
        with self.machine.lock:
            if not self._is_on:
                return
            self._is_on = False
            for service in self._services:
                service.power_off()
            self.machine.timers.clear()
            self._client.forget()
            if graceful:
                self._reporter.boot(on=False)
        self.around.close()
        self._api.close(keep_ports=True)
        self._client.wait_quiet(SETTLE_SECONDS_MAX if self.clock.manual else GOODBYE_SECONDS)

    def power_on(self) -> None:
        """Come up: a new boot, new ids, Accounting-On, and every device in reach is noticed anew."""
        with self.machine.lock:
            if self._is_on:
                return
            self._is_on = True
            self._client.forget()
            self.machine.boot_number += 1
            self.machine.booted_at_seconds = self.machine.seconds()
            self.machine.tables["/log"].clear()
            for table in self.machine.tables.existing():
                table.renumber()
            self.files.boot()
            self.terminal.boot()
            self._scheduler.boot()
            self._reporter.boot(on=True)
            for service in self._services:
                service.power_on()
        if not self.faults.is_unreachable:
            self._api.open()
        self.around.open()
        self.settle()

    # What tests and pages look at

    def rows(self, menu: str) -> list[dict[str, str]]:
        """All rows of a menu as `print` would show them to somebody with all rights."""
        with self.machine.lock:
            return list(self.machine.tables[menu].rows())

    @property
    def api_commands(self) -> deque[tuple[str, dict[str, str]]]:
        """The latest commands, oldest first: path and arguments."""
        return self.executor.history

    @property
    def radius_log(self) -> deque[tuple[str, str, str, str]]:
        """The latest RADIUS events, oldest first: kind, code, user, reason."""
        return self.machine.radius_log

    @property
    def on_command(self) -> list[Callable[[str, dict[str, str]], None]]:
        """Called with path and arguments before each command runs."""
        return self.executor.on_command

    @property
    def api_sessions(self) -> int:
        """How many programs are connected."""
        return self._api.sessions()

    # Accounts

    def password_of(self, name: str) -> str | None:
        """The password of an enabled account, or None when there is no such account."""
        with self.machine.lock:
            table = self.machine.tables["/user"]
            number = table.find("name", name)
            if number is None or table.get(number, "disabled") == "true":
                return None
            return table.get(number, "password")

    def policies_of(self, name: str) -> frozenset[str]:
        """What the account's group allows."""
        with self.machine.lock:
            users, groups = self.machine.tables["/user"], self.machine.tables["/user/group"]
            user = users.find("name", name)
            group = groups.find("name", users.get(user, "group")) if user is not None else None
            words = groups.get(group, "policy").split(",") if group is not None else []
        return frozenset(word for word in words if word and not word.startswith("!"))

    # Trouble

    def _cut_api(self) -> None:
        self._api.close(keep_ports=True)

    def _restore_api(self) -> None:
        if self._is_on:
            self._api.open()

    def reset(self, *, no_defaults: bool) -> None:
        """Hold the button: everything is forgotten, and the box comes up empty or with the vendor's own set-up.

        Afterwards only `admin` without a password may log in.
        """
        self.configuration.begin_anew(factory.nothing if no_defaults else factory.default_configuration, [])
        self._api.cut_connections()
        self.around.open()
        self.settle()
