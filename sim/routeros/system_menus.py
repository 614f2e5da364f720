"""Commands about the box itself: its clock, its counters, its log, ping and reboot."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sim.routeros.checks import CATEGORY_BAD_VALUE, CATEGORY_INTERRUPTED, CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.hotspot import Hotspot
from sim.routeros.incoming import Incoming
from sim.routeros.machine import Machine
from sim.routeros.radius import RadiusClient
from sim.routeros.values import format_duration, format_seconds, parse_duration_ms

REBOOT_DELAY_SECONDS = 0.05


class SystemMenus:
    """Registers commands and live values of the system menus."""

    def __init__(
        self,
        machine: Machine,
        executor: Executor,
        hotspot: Hotspot,
        client: RadiusClient,
        incoming: Incoming,
        reboot: Callable[[], None],
        reset: Callable[[bool], None],
    ) -> None:
        self._machine = machine
        self._executor = executor
        self._hotspot = hotspot
        self._client = client
        self._incoming = incoming
        self._reboot = reboot
        self._reset = reset
        executor.register("/radius", "monitor", self._monitor_radius, slow=True)
        executor.register("/radius", "reset-counters", self._reset_radius)
        executor.register("/radius/incoming", "monitor", self._monitor_incoming, slow=True)
        executor.register("/system/clock", "set", self._set_clock)
        executor.register("/system/reboot", "", self._reboot_now)
        executor.register("/system/reset-configuration", "", self._reset_soon)
        for menu in ("/ping", "/tool/ping"):
            executor.register(menu, "", self._ping, slow=True)
        for level in ("info", "warning", "error", "debug"):
            executor.register("/log", level, self._write_log)
        self.attach_live_values()

    def attach_live_values(self) -> None:
        """Let the system tables show the moment. Needed again after everything was forgotten."""
        for menu, live in (("/system/resource", self._resource), ("/system/clock", self._clock)):
            table, number = self._machine.tables.single(menu)
            table.records[number].live = live

    def _resource(self) -> dict[str, str]:
        machine = self._machine
        return {
            "uptime": format_seconds(machine.seconds() - machine.booted_at_seconds),
            "version": f"{machine.version} (stable)",
            "build-time": "2026-01-15 09:00:00",
            "free-memory": str(machine.board.memory_bytes // 2),
            "total-memory": str(machine.board.memory_bytes),
            "cpu": machine.board.architecture.upper(),
            "cpu-count": "4",
            "cpu-frequency": "716",
            "cpu-load": "3",
            "free-hdd-space": str(machine.board.disk_bytes // 2),
            "total-hdd-space": str(machine.board.disk_bytes),
            "architecture-name": machine.board.architecture,
            "board-name": machine.board.name,
            "platform": "MikroTik",
        }

    def _clock(self) -> dict[str, str]:
        zone_name = self._machine.tables.value("/system/clock", "time-zone-name") or "UTC"
        local = self._machine.shown_time().astimezone(ZoneInfo(zone_name))
        offset = local.utcoffset() or timedelta()
        minutes = int(offset.total_seconds() // 60)
        sign = "-" if minutes < 0 else "+"
        old_date = self._machine.schema.number < (7, 10)
        return {
            "time": local.strftime("%H:%M:%S"),
            "date": local.strftime("%b/%d/%Y").lower() if old_date else local.strftime("%Y-%m-%d"),
            "time-zone-name": zone_name,
            "gmt-offset": f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}",
            "dst-active": "true" if local.dst() else "false",
        }

    def _set_clock(self, request: Request, _emit: Emit) -> dict[str, str]:
        machine, given = self._machine, request.arguments
        with machine.lock:
            table, number = machine.tables.single("/system/clock")
            zone_name = given.get("time-zone-name", table.get(number, "time-zone-name") or "UTC")
            try:
                zone = ZoneInfo(zone_name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise Trap("input does not match any value of time-zone-name", CATEGORY_BAD_VALUE) from None
            local = machine.shown_time().astimezone(zone)
            day = _parse_date(given["date"]) if "date" in given else local
            clock = _parse_time(given["time"]) if "time" in given else local
            wanted = local.replace(
                year=day.year, month=day.month, day=day.day, hour=clock.hour, minute=clock.minute, second=clock.second
            )
            machine.skew_seconds += (wanted.astimezone(UTC) - local.astimezone(UTC)).total_seconds()
            table.change(number, {"time-zone-name": zone_name})
        return {}

    def _monitor_radius(self, request: Request, emit: Emit) -> dict[str, str]:
        table = self._machine.tables["/radius"]
        with self._machine.lock:
            numbers = self._executor.rows_meant(request, table)

        def rows() -> list[dict[str, str]]:
            return [self._radius_row(number) for number in numbers]

        return self._monitor(request, emit, rows)

    def _radius_row(self, number: int) -> dict[str, str]:
        counters = self._client.lines.counters_of(number)
        return {
            "pending": str(counters.pending),
            "requests": str(counters.requests),
            "accepts": str(counters.accepts),
            "rejects": str(counters.rejects),
            "resends": str(counters.resends),
            "timeouts": str(counters.timeouts),
            "bad-replies": str(counters.bad_replies),
            "last-request-rtt": format_duration(counters.last_rtt_ms),
        }

    def _monitor_incoming(self, request: Request, emit: Emit) -> dict[str, str]:
        def rows() -> list[dict[str, str]]:
            return [{name: str(count) for name, count in self._incoming.counters.items()}]

        return self._monitor(request, emit, rows)

    def _monitor(self, request: Request, emit: Emit, rows: Callable[[], list[dict[str, str]]]) -> dict[str, str]:
        """Rows now with `once`; otherwise every second until cancelled or the duration is over."""
        once = "once" in request.arguments
        interval = _seconds(request, "interval", 1.0)
        left = _seconds(request, "duration", float("inf"))
        section = 0
        while True:
            for row in rows():
                emit({**row, ".section": str(section)})
            section += 1
            left -= interval
            if once or left <= 0:
                return {}
            if request.cancelled.wait(interval):
                raise Trap("interrupted", CATEGORY_INTERRUPTED)

    def _reset_radius(self, _request: Request, _emit: Emit) -> dict[str, str]:
        self._client.lines.counters.clear()
        return {}

    def _reboot_now(self, _request: Request, _emit: Emit) -> dict[str, str]:
        self.reboot_soon()
        return {}

    def reboot_soon(self) -> None:
        """Answer first, then go down."""
        self._soon(self._reboot)

    def _reset_soon(self, request: Request, _emit: Emit) -> dict[str, str]:
        """Forget everything, and boot. What else the command can do (run-after-reset, keep-users) nobody needs here."""
        unknown = set(request.arguments) - {"no-defaults", "skip-backup"}
        if unknown:
            raise Trap(f"failure: {min(unknown)} is not part of the virtual router")
        bare = request.arguments.get("no-defaults", "no") in ("yes", "true")
        self._soon(lambda: self._reset(bare))
        return {}

    def _soon(self, work: Callable[[], None]) -> None:
        def later() -> None:
            threading.Event().wait(REBOOT_DELAY_SECONDS)
            work()

        threading.Thread(target=later, name="router-reboot", daemon=True).start()

    def _write_log(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            self._machine.note(f"script,{request.command}", request.arguments.get("message", ""))
        return {}

    def _ping(self, request: Request, emit: Emit) -> dict[str, str]:
        """Answers come from loopback, from the router's own addresses and from devices in reach."""
        try:
            address = str(ipaddress.ip_address(request.arguments.get("address", "")))
        except ValueError:
            text = "missing value(s) of argument(s) address" if "address" not in request.arguments else None
            if text is not None:
                raise Trap(text, CATEGORY_MISSING) from None
            raise Trap("invalid value for argument address", CATEGORY_BAD_VALUE) from None
        count = request.arguments.get("count")
        if count is not None and not (count.isascii() and count.isdigit() and len(count) < 10):
            raise Trap("invalid value for argument count", CATEGORY_BAD_VALUE)
        interval = _seconds(request, "interval", 1.0)
        sequence = received = 0
        while count is None or sequence < int(count):
            if sequence and request.cancelled.wait(interval):
                raise Trap("interrupted", CATEGORY_INTERRUPTED)
            alive = self._answers(address)
            received += alive
            answer = {"size": "56", "ttl": "64", "time": "1ms"} if alive else {"status": "timeout"}
            loss = 100 - received * 100 // (sequence + 1)
            emit(
                {
                    "seq": str(sequence),
                    "host": address,
                    **answer,
                    "sent": str(sequence + 1),
                    "received": str(received),
                    "packet-loss": str(loss),
                }
            )
            sequence += 1
        return {}

    def _answers(self, address: str) -> bool:
        if ipaddress.ip_address(address).is_loopback:
            return True
        with self._machine.lock:
            own = self._machine.tables["/ip/address"]
            if any(own.get(number, "address").partition("/")[0] == address for number in own.records):
                return True
            host = self._hotspot.host_at(address)
            return host is not None and host.device.present


def _seconds(request: Request, name: str, otherwise: float) -> float:
    text = request.arguments.get(name)
    if not text:
        return otherwise
    try:
        return max(0.01, parse_duration_ms(text) / 1000)
    except ValueError:
        raise Trap(f"invalid value for argument {name}", CATEGORY_BAD_VALUE) from None


def _parse_date(text: str) -> datetime:
    for form in ("%Y-%m-%d", "%b/%d/%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Trap("invalid value for argument date", CATEGORY_BAD_VALUE)


def _parse_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise Trap("invalid value for argument time", CATEGORY_BAD_VALUE) from None
