"""How a package lets people on: what the till does not sell by, but a router has to know."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.rates import Burst, Speed

Name = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,61}[!-~])?$")]
"""Something that has this name on the routers: a pool, a profile, a list."""
ADDRESS_LISTS_MAX = 8
SECONDS_MAX = 366 * 86400


class Profile(BaseModel):
    """Everything else about a package. Names are those on the routers; None leaves it to them.

    A subscription keeps the profile it was bought with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    burst: Burst | None = None
    priority: Annotated[int, Field(ge=1, le=8)] | None = None
    """1 goes first, 8 (what one has without) last, where a router is short of bandwidth."""
    guaranteed: Speed | None = None
    """What is kept free for the customer (CIR); the package's speed is the most they get (PIR)."""
    slow: Speed | None = None
    """Fair use: the speed after the quota is used up, instead of nothing."""
    hours: str = ""
    """When it may be used, as minutes of the week (docs/radius-policy.md); empty for always. See `core.catalog.hours`."""
    grace_seconds: Annotated[int, Field(ge=0, le=SECONDS_MAX)] = 0
    """How long access goes on after the end, to be made up for by the next purchase."""
    idle_seconds: Annotated[int, Field(ge=60, le=SECONDS_MAX)] | None = None
    """A session without traffic ends after so long."""
    session_seconds: Annotated[int, Field(ge=60, le=SECONDS_MAX)] | None = None
    """A session ends after so long in any case; it may begin again at once."""
    pool: Name | None = None
    ipv6_pool: Name | None = None
    delegated_pool: Name | None = None
    """IPv6 prefixes for the customer's own router come from here."""
    group: Name | None = None
    """Hotspot user profile or PPP profile."""
    mark: Name | None = None
    filter: Name | None = None
    address_lists: Annotated[tuple[Name, ...], Field(max_length=ADDRESS_LISTS_MAX)] = ()
