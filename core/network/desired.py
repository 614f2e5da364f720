"""What a customer may do now. Pure: computed again each time, so repeats are harmless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.ports import Access


class Entitled(Protocol):
    """The subscription that is running."""

    id: int
    ends_at: datetime
    quota_bytes: int | None
    upload_kbps: int | None
    download_kbps: int | None
    device_limit: int


class Held(Protocol):
    """A device of the customer; released ones have to leave."""

    id: int
    mac: str
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """The rows to write, which devices to let in where, and which to put out."""

    accesses: tuple[Access, ...]
    logins: tuple[tuple[int, int], ...] = ()
    """(device id, router id)"""
    logouts: tuple[tuple[str, int], ...] = ()
    """(MAC, router id)"""
    settles: tuple[tuple[str, int, bool], ...] = ()
    """Other sessions that run, lines and leases: (user name, router id, is it a lease)"""
    news: tuple[tuple[str, str], ...] = ()
    """(user name, what these rows mean for its sessions): see `core.network.running`."""


def username(mac: str, realm: str) -> str:
    """How RADIUS tables call a device: its MAC; for further tenants of an installation with `@realm`."""
    return f"{mac}@{realm}" if realm else mac


def desired(
    subscription: Entitled | None, devices: Sequence[Held], *, realm: str, interim_seconds: int
) -> list[Access]:
    """One Access per device: the newest `device_limit` held ones may enter while a subscription runs, all others may not."""
    held = sorted((device for device in devices if device.released_at is None), key=lambda device: -device.id)
    allowed = {device.id for device in held[: subscription.device_limit]} if subscription else set()
    result = []
    for device in devices:
        name = username(device.mac, realm)
        if subscription is None or device.id not in allowed:
            reason = (
                "released" if device.released_at else "nothing running" if subscription is None else "too many devices"
            )
            result.append(Access(name, allowed=False, reason=reason))
            continue
        result.append(
            Access(
                name, allowed=True, expires_at=subscription.ends_at, upload_kbps=subscription.upload_kbps,
                download_kbps=subscription.download_kbps, subscription_id=subscription.id,
                metered=subscription.quota_bytes is not None, interim_seconds=interim_seconds,
            )
        )  # fmt: skip
    return result
