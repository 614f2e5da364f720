"""What a RADIUS server needs to know, in two values."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NasClient:
    """A router as RADIUS knows it: by source address and secret. `address` is the text of an IP address."""

    address: str
    secret: str
    tenant_id: int
    router_id: int
    realm: str
    mac_auth_password: str
    demands_message_authenticator: bool


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The rows of one user name. `remaining_bytes`: None without a quota; `quota_known` False means: no answer, so reject."""

    check: dict[str, str] = field(default_factory=dict)
    reply: dict[str, str] = field(default_factory=dict)
    remaining_bytes: int | None = None
    quota_known: bool = False
