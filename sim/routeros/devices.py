"""Phones and laptops as far as a hotspot can see them: somebody with a MAC address who sends, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.routeros.hotspot import Hotspot


@dataclass(frozen=True)
class LoginResult:
    """How a login ended; `error` is what the page or the program would be told."""

    ok: bool
    error: str = ""


class Device:
    """One device in the reach of a router. While present it always sends a little, as phones do."""

    def __init__(self, hotspot: Hotspot, mac: str, ip: str, hostname: str | None, interface: str = "") -> None:
        self._hotspot = hotspot
        self.mac = mac
        self.ip = ip
        self.hostname = hostname or ""
        self.interface = interface
        self.present = False
        self.left_at_seconds = 0.0

    @property
    def online(self) -> bool:
        """Whether this device is logged in: it has a row in `/ip/hotspot/active`."""
        return self._hotspot.is_online(self)

    @property
    def error(self) -> str:
        """Why the last attempt to log in failed; empty when it did not."""
        return self._hotspot.error_of(self)

    def move_traffic(self, upload_bytes: int, download_bytes: int) -> int:
        """Send and receive; returns how many bytes really passed (none for those not let in)."""
        return self._hotspot.move_traffic(self, upload_bytes, download_bytes)

    def leave(self) -> None:
        """Go out of reach without a word."""
        self._hotspot.device_leaves(self)

    def come_back(self) -> None:
        """Be in reach again, with the same addresses."""
        self._hotspot.device_appears(self)

    def change_mac(self, new: str) -> None:
        """Come back as somebody else, as phones do that invent a MAC address per network."""
        self._hotspot.device_changes_mac(self, new)

    def log_out(self) -> None:
        """Press the logout button of the hotspot page."""
        self._hotspot.log_out(self)

    def browse_login(
        self, username: str, password: str, extra_attributes: dict[str, str | int] | None = None
    ) -> LoginResult:
        """Post the hotspot's login form in clear (http-pap) and wait for the outcome.

        `extra_attributes` are form fields such as `radius31` or `radius8-14988u`, which the router passes on to RADIUS
        whoever wrote them (reference routeros.md §3.4).
        """
        return self._hotspot.logins.browse(self, username, password, extra_attributes or {})
