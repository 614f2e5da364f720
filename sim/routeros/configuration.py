"""The configuration as a whole: furnished when the box is new, forgotten, put back from a backup, kept consistent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sim.routeros import factory, interfaces, pages, soundness
from sim.routeros.backup import Rows
from sim.routeros.export import factory_rows
from sim.routeros.files import Files
from sim.routeros.hotspot import Hotspot
from sim.routeros.machine import Machine
from sim.routeros.radius import RadiusClient
from sim.routeros.scheduler import Scheduler
from sim.routeros.system_menus import SystemMenus

SetUp = Callable[[Machine], None]


class Powered(Protocol):
    """A part of the router that lets go of everything when the power does."""

    def power_off(self) -> None: ...

    def power_on(self) -> None: ...


class Configuration:
    """Everything that is remembered in tables and files."""

    def __init__(
        self,
        machine: Machine,
        files: Files,
        services: Sequence[Powered],
        client: RadiusClient,
        system: SystemMenus,
        scheduler: Scheduler,
    ) -> None:
        self._machine = machine
        self._files = files
        self._services = services
        self._client = client
        self._system = system
        self._scheduler = scheduler
        self._interfaces = interfaces.Interfaces(machine)

    def furnish(self, set_up: SetUp) -> None:
        """Fill empty tables: with what every box of this model has, and with what `set_up` adds."""
        factory.bare(self._machine)
        self._machine.factory_rows = factory_rows(self._machine)
        set_up(self._machine)
        for menu in interfaces.KINDS:
            self._interfaces.wrote(menu)
        for page, text in pages.FACTORY.items():
            self._files.write(f"{self._machine.board.file_path('hotspot')}/{page}", text.encode())
        soundness.weigh(self._machine, interfaces.ALL)

    def wrote(self, menu: str) -> None:
        """Carry through what follows from a write in this menu. Call under the lock."""
        self._interfaces.wrote(menu)
        soundness.weigh(self._machine, menu)
        self._scheduler.wrote(menu)

    def forget(self, *, keep_users: bool) -> None:
        """All is lost but the beginnings of a set-up, and the accounts if wanted."""
        users = [dict(record.values) for record in self._machine.tables["/user"].records.values()]
        self.begin_anew(factory.furnish, users if keep_users else [])

    def begin_anew(self, set_up: SetUp, users: list[dict[str, str]] | None) -> None:
        """Forget everything and `set_up` anew. Without any users `admin` may log in; None leaves them to `set_up`."""
        with self._machine.lock:
            for service in self._services:
                service.power_off()
            for service in self._services:
                if isinstance(service, Hotspot):
                    service.cookies.clear()
            self._client.forget()
            self._machine.tables.forget()
            self._files.forget()
            self._interfaces.forget()
            self.furnish(set_up)
            self._system.attach_live_values()
            for values in [] if users is None else users or [{"name": "admin", "password": ""}]:
                factory.add_account(self._machine, values["name"], values.get("password", ""))
            for service in self._services:
                service.power_on()

    def restore(self, tables: Rows) -> None:
        """The configuration of a backup takes the place of the present one; then the router boots."""
        kept = {name: self._files.read(name) or b"" for name in self._files.names()}

        def set_up(machine: Machine) -> None:
            for menu, rows in tables.items():
                machine.tables[menu].clear()
                for values in rows:
                    machine.tables[menu].add(values)

        self.begin_anew(set_up, None)
        for name, body in kept.items():
            self._files.write(name, body, "backup" if name.endswith(".backup") else "")
        self._system.reboot_soon()
