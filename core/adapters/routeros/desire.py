"""The shape of what we want on a router: one `Wanted` per row, setting or built-in object.

Both ways out are made from such a list: `plan`/`apply` over the API, and the bootstrap script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

TAG_PREFIX = "duka:"
SECRETS = frozenset(
    {"secret", "mac-auth-password", "radius-password", "password", "private-key", "preshared-key", "ipsec-secret"}
)
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
    NAT = 5
    RISKY = 6
    """Input firewall, API service and account, tunnel: may cut the connection they are made through."""


class Kind(Enum):
    """How an object is found on the router."""

    ROW = "row"
    """A row with our tag in its comment. The only kind that is added and removed."""
    SETTING = "setting"
    """A menu that is one set of values. Only the values named are changed."""
    NAMED = "named"
    """A row that is there already and is found by `find`; only the values named are changed."""
    UNTAGGED = "untagged"
    """A row of ours in a menu without comments, found by `find` (a name of ours). Added when missing, never removed."""


Words = tuple[tuple[str, str], ...]
"""Names and values in the router's spelling, in the order they are sent."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that should be so. `key` names it among ours; for rows it is what stands behind `duka:`.

    `first`: among the rows of its menu those of ours stand before all others, in the order of the list (firewall, RADIUS).
    `once`: names among `values` that are sent when the row is made and not compared later (a password nobody can read back).
    `unique`: a name among `values` that only one row may carry; a row of the owner's with the same value is a collision.
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
    def tag(self) -> str:
        """The comment that makes a row ours."""
        return f"{TAG_PREFIX}{self.key}"
