"""MAC cookies: the router remembers user name and password of a device and logs it in again (routeros.md §3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from sim.routeros.machine import Machine
from sim.routeros.sessions import CAUSE_IDLE_TIMEOUT, CAUSE_LOST_CARRIER
from sim.routeros.values import format_seconds, parse_duration_ms

KEPT_AFTER = frozenset({CAUSE_IDLE_TIMEOUT, CAUSE_LOST_CARRIER})
"""Ends after which the device may come back with its cookie. A logout, an order and a used-up limit drop it."""


@dataclass(frozen=True)
class Cookie:
    """What is replayed when the device returns."""

    user: str
    password: str
    expires_at: float


class CookieJar:
    """The cookies of one router, one per MAC address. Every method is called under the machine's lock."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._by_mac: dict[str, Cookie] = {}

    def keep(self, mac: str, user: str, password: str, user_profile: str) -> None:
        """Remember a login, if the user's profile says so."""
        profiles = self._machine.tables["/ip/hotspot/user/profile"]
        profile = profiles.find("name", user_profile)
        if profile is None or profiles.get(profile, "add-mac-cookie") != "true":
            return
        self.drop(mac)
        lifetime_ms = parse_duration_ms(profiles.get(profile, "mac-cookie-timeout") or "3d")
        expires_at = self._machine.seconds() + lifetime_ms / 1000
        self._machine.tables["/ip/hotspot/cookie"].add(
            {"user": user, "mac-address": mac, "mac-cookie": "true"},
            lambda: {"expires-in": format_seconds(expires_at - self._machine.seconds())},
        )
        self._by_mac[mac] = Cookie(user, password, expires_at)

    def of(self, mac: str) -> Cookie | None:
        """The cookie of a device, unless it is too old or somebody removed its row."""
        cookie = self._by_mac.get(mac)
        if cookie is None:
            return None
        if cookie.expires_at <= self._machine.seconds():
            self.drop(mac)
            return None
        return cookie

    def drop(self, mac: str) -> None:
        self._by_mac.pop(mac, None)
        table = self._machine.tables["/ip/hotspot/cookie"]
        number = table.find("mac-address", mac)
        if number is not None:
            table.remove(number)

    def session_ended(self, mac: str, cause: int) -> None:
        if cause not in KEPT_AFTER:
            self.drop(mac)

    def clear(self) -> None:
        for mac in list(self._by_mac):
            self.drop(mac)
