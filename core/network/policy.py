"""What a RADIUS server needs to know, as values: the router that asks, and the rows of the name it asks about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class NasClient:
    """A router as RADIUS knows it: by source address and secret. `address` is the text of an IP address.

    `timezone`, `language` and `service_code` (what customers dial, may be empty) are its ISP's.
    """

    address: str
    secret: str
    tenant_id: int
    router_id: int
    realm: str
    mac_auth_password: str
    demands_message_authenticator: bool
    timezone: str = "UTC"
    language: str = "en"
    service_code: str = ""


class RadiusUser(NamedTuple):
    """What stock rows cannot say of a name (docs/radius-policy.md).

    `remaining_bytes` is what its subscription has left at this moment, None when it is not metered or not known; `metered`
    with None therefore means that nobody may decide.
    """

    service: str = "mac"
    subscription_id: int = 0
    metered: bool = False
    language: str = "en"
    hours: str = ""
    timezone: str = "UTC"
    redirects: bool = False
    blocked: str = ""
    remaining_bytes: int | None = None


class OpenSession(NamedTuple):
    """A session that has not ended: of which device, and when its router last spoke of it."""

    calling_station: str
    heard_at: datetime


class Entitlement(NamedTuple):
    """The rows of one name, as (attribute, value) in the order of their ids. `user` None: there is no row of ours.

    `sessions` are read only for names with `Simultaneous-Use`.
    """

    check: list[tuple[str, str]]
    reply: list[tuple[str, str]]
    user: RadiusUser | None = None
    sessions: Sequence[OpenSession] = ()
