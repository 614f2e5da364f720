"""What gets somebody online at a router, as the router shows it, and the port to look at it and to end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.ports import RouterAddress

SESSION, LINE, USER, SECRET, BINDING = "session", "line", "user", "secret", "binding"
"""A hotspot's session, a PPP session; a hotspot's local user, a local PPP secret, an IP binding."""


@dataclass(frozen=True, slots=True)
class Loose:
    """One of them. `by_radius`: our server let it in, as far as the router says. `uptime_seconds` is a session's, else None.

    `name` is the user name (of a binding empty), `note` the owner's comment.
    """

    kind: str
    name: str = ""
    mac: str = ""
    address: str = ""
    by_radius: bool = False
    uptime_seconds: int | None = None
    note: str = ""


class StrayHunter(Protocol):
    """Looking at one router for people who are online without us."""

    def loose(self, router: RouterAddress) -> list[Loose]:
        """Sessions, and whatever else lets people in: local users, secrets, bindings. Disabled and factory rows are left out."""
        ...

    def end(self, router: RouterAddress, what: Loose) -> bool:
        """Take it away and read back that it is gone. False when it was gone already."""
        ...
