"""The shape of what we want on a router: one `Wanted` per row, setting or built-in object.

Both ways out are made from such a list: `plan`/`apply` over the API, and the bootstrap script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

COMMENT = "comment"
TAG_IN = {
    "/interface/wireless/security-profiles": "name",
    "/ip/dhcp-server/option": "name",
    "/ip/hotspot": "name",
    "/ip/hotspot/profile": "name",
    "/ip/pool": "name",
    "/ppp/profile": "name",
    "/system/logging": "prefix",
    "/user/group": "name",
}
"""Menus without comments, in some version at least: there our tag stands in the name, or in what comes nearest to one."""

SECRETS = frozenset({"secret", "mac-auth-password", "radius-password", "password", "private-key", "ipsec-secret"})
"""Never shown; routers hide them from API users without the `sensitive` policy."""


class Stage(IntEnum):
    """In which order things are made. What could cut our own connection stands last."""

    LINKS = 1
    """Interfaces, bridge, Wi-Fi."""
    ADDRESSES = 2
    """Addresses, pools, DHCP, DNS, NTP, log."""
    ACCESS = 3
    """RADIUS, profiles, servers."""
    GARDEN = 4
    FIREWALL = 5
    """NAT, and what those who have not paid may reach."""
    RISKY = 6
    """Input firewall, API service and account, tunnel: may cut the connection they are made through."""


class Kind(Enum):
    """How an object is found on the router."""

    ROW = "row"
    """A row with our tag. The only kind that is added and removed."""
    SETTING = "setting"
    """A menu that is one set of values. Only the values named are changed."""
    NAMED = "named"
    """A row that is there already and is found by `find`; only the values named are changed."""


Words = tuple[tuple[str, str], ...]
"""Names and values in the router's spelling, in the order they are sent."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that should be so. `key` names it among ours; a row carries it in its tag.

    `values` without the tag. `first`: in its menu our rows stand before all others, in the order of the list (firewall,
    RADIUS). `once`: names that are sent when the row is made and not compared later. `unique`: a name among `values` that only
    one row may carry: a row of the owner's with the same value that says all we want serves as well, another is a collision.
    """

    menu: str
    key: str
    values: Words = field(repr=False)
    stage: Stage
    kind: Kind = Kind.ROW
    find: Words = ()
    first: bool = False
    once: frozenset[str] = frozenset()
    unique: str = ""

    @property
    def tag(self) -> tuple[str, str]:
        """The property that makes a row ours, and its value: `comment` `duka:radius`, `name` `duka-hotspot`."""
        return tag_of(self.menu, self.key)

    @property
    def sent(self) -> Words:
        """What `add` is given: a row's tag included."""
        return (*self.values, self.tag) if self.kind is Kind.ROW else self.values


def tag_of(menu: str, key: str) -> tuple[str, str]:
    """See `Wanted.tag`."""
    place = TAG_IN.get(menu, COMMENT)
    return (place, f"duka:{key}" if place == COMMENT else f"duka-{key}")


def is_ours(menu: str, row: dict[str, str]) -> bool:
    """Whether a row carries a tag of ours, whichever."""
    place = TAG_IN.get(menu, COMMENT)
    return row.get(place, "").startswith("duka:" if place == COMMENT else "duka-")
