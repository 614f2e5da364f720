"""`/system/scheduler`: scripts that run when the router's time has come."""

from __future__ import annotations

import math
import threading
from datetime import UTC, datetime

from sim.routeros.clock import Timer
from sim.routeros.machine import Machine
from sim.routeros.script_tree import ScriptError
from sim.routeros.tables import Record
from sim.routeros.terminal import SCRIPTS, Terminal
from sim.routeros.values import parse_duration_ms

MENU = "/system/scheduler"
STARTUP = "startup"
STARTUP_SECONDS = 3.0
"""How long after a boot entries with `start-time=startup` run."""


class Scheduler:
    """Every entry with its next appointment. What falls due is run by `run_due`, without the lock."""

    def __init__(self, machine: Machine, terminal: Terminal) -> None:
        self._machine = machine
        self._terminal = terminal
        self._timers: dict[Record, Timer] = {}
        self._due: list[Record] = []

    def wrote(self, menu: str) -> None:
        """Somebody changed entries, or the clock. Call under the lock."""
        if menu == MENU:
            self._begin_new()
        if menu in (MENU, "/system/clock"):
            self._arrange()

    def boot(self) -> None:
        """Time begins anew: appointments are gone, and those of the start are made. Call under the lock."""
        self._timers.clear()
        self._due.clear()
        table = self._machine.tables[MENU]
        for number, record in table.records.items():
            if table.get(number, "start-time") == STARTUP and table.get(number, "disabled") != "true":
                self._at(record, STARTUP_SECONDS)
        self._arrange(but=set(self._timers))

    def _begin_new(self) -> None:
        """An entry without a beginning begins now."""
        table = self._machine.tables[MENU]
        for number, record in list(table.records.items()):
            day, _, clock = self._machine.stamp().partition(" ")
            if "start-time" not in record.values:
                table.change(number, {"start-time": clock, "start-date": record.values.get("start-date", day)})
            elif "start-date" not in record.values:
                table.change(number, {"start-date": day})

    def _arrange(self, but: set[Record] | None = None) -> None:
        for record, timer in list(self._timers.items()):
            if but is None or record not in but:
                timer.cancel()
                del self._timers[record]
        for record in self._machine.tables[MENU].records.values():
            if record not in self._timers and record.values.get("disabled") != "true":
                wait = self._wait_seconds(record)
                if wait is not None:
                    self._at(record, wait)

    def _at(self, record: Record, seconds: float) -> None:
        self._timers[record] = self._machine.after(seconds, lambda: self._fall_due(record))
        moment = self._machine.stamp_in(seconds)
        number = self._number_of(record)
        if number is not None:
            self._machine.tables[MENU].change(number, {"next-run": moment})

    def _wait_seconds(self, record: Record) -> float | None:
        interval = parse_duration_ms(record.values.get("interval", "0s")) / 1000
        if record.values.get("start-time") == STARTUP:
            return interval or None
        start = self._start(record)
        if start is None:
            return None
        ahead = (start - self._machine.shown_time()).total_seconds()
        if ahead > 0:
            return ahead
        if not interval:
            return None
        return ahead + interval * (math.floor(-ahead / interval) + 1)

    def _start(self, record: Record) -> datetime | None:
        text = f"{record.values.get('start-date', '')} {record.values.get('start-time', '')}"
        for form in ("%Y-%m-%d %H:%M:%S", "%b/%d/%Y %H:%M:%S"):
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
        return None

    def _fall_due(self, record: Record) -> None:
        self._timers.pop(record, None)
        if self._number_of(record) is not None:
            self._due.append(record)
            interval = parse_duration_ms(record.values.get("interval", "0s")) / 1000
            if interval:
                self._at(record, interval)

    def _number_of(self, record: Record) -> int | None:
        table = self._machine.tables[MENU]
        return next((number for number, one in table.records.items() if one is record), None)

    def run_due(self) -> bool:
        """Run everything that has fallen due, in this thread on a manual clock and else beside. True when there was any."""
        with self._machine.lock:
            due, self._due = self._due, []
        for record in due:
            if self._machine.clock.manual:
                self._run(record)
            else:
                threading.Thread(target=self._run, args=(record,), name="router-script", daemon=True).start()
        return bool(due)

    def _run(self, record: Record) -> None:
        with self._machine.lock:
            number, table = self._number_of(record), self._machine.tables[MENU]
            if number is None or not self._machine.allows("scheduler"):
                return
            name, event = table.get(number, "name"), table.get(number, "on-event")
            policies = frozenset(table.get(number, "policy").split(","))
            table.change(number, {"run-count": str(int(table.get(number, "run-count") or 0) + 1)})
            stored = self._machine.tables[SCRIPTS].find("name", event)
            source = event if stored is None else self._machine.tables[SCRIPTS].get(stored, "source")
        try:
            self._terminal.run_whole(source, policies, [])
        except ScriptError as error:
            self._machine.note_safely(
                "script,error", f"executing script from scheduler ({name}) failed: {error.message}"
            )
