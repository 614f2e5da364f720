"""Every kind of trouble a router can make, as switches. All of them may be thrown while clients are connected."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from sim.routeros.checks import Trap

ERROR_NAS_MISMATCH = 403
ERROR_SESSION_UNKNOWN = 503


class Faults:
    """The switches of one router. `clear` puts all of them back."""

    def __init__(self, cut: Callable[[], None], restore: Callable[[], None], forget: Callable[[bool], None]) -> None:
        self._cut = cut
        self._restore = restore
        self._forget = forget
        self._lock = threading.Lock()
        self._refusals: dict[str, list[Trap]] = {}
        self._cut_after: int | None = None
        self._cut_at_write, self._cut_carried_out = 0, False
        self._is_unreachable = False
        self.delay_seconds = 0.0
        self.nonsense = False
        self.coa_ignored = False
        self.coa_nak_cause: int | None = None
        self.coa_lies = False

    @property
    def is_unreachable(self) -> bool:
        return self._is_unreachable

    def unreachable(self) -> None:
        """Programs can no longer connect, and those connected are cut off. RADIUS goes on."""
        self._is_unreachable = True
        self._cut()

    def reachable(self) -> None:
        self._is_unreachable = False
        self._restore()

    def slow(self, seconds: float) -> None:
        """Every command takes this much longer, in true time."""
        self.delay_seconds = seconds

    def drop_mid_sentence(self, after_commands: int = 0) -> None:
        """Let so many more commands pass, then cut the connection in the middle of the next reply. Happens once."""
        with self._lock:
            self._cut_after = after_commands

    def cut_at_write(self, number: int, *, carried_out: bool) -> None:
        """Cut the connection at the so manieth write from now (1 is the next): before it is done, or before it is answered.

        Happens once.
        """
        with self._lock:
            self._cut_at_write, self._cut_carried_out = number, carried_out

    def cuts_this_write(self, is_write: bool) -> str:
        """`before`, `after`, or empty for a command that goes its way."""
        with self._lock:
            if not is_write or not self._cut_at_write:
                return ""
            self._cut_at_write -= 1
            if self._cut_at_write:
                return ""
            return "after" if self._cut_carried_out else "before"

    def refuse(self, menu_command: str, message: str, category: int | None = None, times: int = 1) -> None:
        """Answer the next calls of one command (`/ip/hotspot/active/login`) with a trap."""
        with self._lock:
            self._refusals.setdefault(menu_command, []).extend([Trap(message, category)] * times)

    def forget_everything(self, keep_api_users: bool = True) -> None:
        """The configuration is lost, as after a reset; by default programs can still log in to put it back."""
        self._forget(keep_api_users)

    def talk_nonsense(self) -> None:
        """Answer every command with bytes that are no sentences."""
        self.nonsense = True

    def ignore_coa(self) -> None:
        """Swallow change-of-authorisation and disconnect requests."""
        self.coa_ignored = True

    def nak_coa(self, error_cause: int = ERROR_SESSION_UNKNOWN) -> None:
        """Refuse every change-of-authorisation and disconnect request."""
        self.coa_nak_cause = error_cause

    def lie_about_coa(self) -> None:
        """Say ACK to every change-of-authorisation and disconnect request that could be carried out, and do nothing."""
        self.coa_lies = True

    def clear(self) -> None:
        with self._lock:
            self._refusals.clear()
            self._cut_after = None
            self._cut_at_write = 0
        self.delay_seconds = 0.0
        self.nonsense = False
        self.coa_ignored = False
        self.coa_nak_cause = None
        self.coa_lies = False
        if self._is_unreachable:
            self.reachable()

    def wait(self, cancelled: threading.Event) -> None:
        if self.delay_seconds:
            cancelled.wait(self.delay_seconds)

    def garbage(self) -> bytes:
        """Bytes that begin with a reserved control byte, so that no client can take them for a sentence."""
        return b"\xff" + os.urandom(64)

    def refuse_if_told(self, path: str) -> None:
        with self._lock:
            waiting = self._refusals.get(path)
            if waiting:
                raise waiting.pop(0)

    def cuts_this_reply(self) -> bool:
        with self._lock:
            if self._cut_after is None:
                return False
            if self._cut_after > 0:
                self._cut_after -= 1
                return False
            self._cut_after = None
            return True
