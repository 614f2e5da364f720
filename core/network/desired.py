"""What a customer may do now. Pure: computed again each time, so repeats are harmless."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.catalog import MAC, PPP, Profile
from core.customers import Extras
from core.ports import Access

KEPT = timedelta(days=30)
"""So long after its end a package is still remembered at the door: "your time is over" instead of "no package"."""


NOBODYS = 0
"""The subscription of sessions that nobody is charged for (docs/radius-policy.md)."""


class Entitled(Protocol):
    """A subscription: the one that runs, or the last one that did."""

    id: int
    over_at: datetime
    quota_bytes: int | None
    used_bytes: int
    upload_kbps: int | None
    download_kbps: int | None
    device_limit: int
    profile: Profile
    slows: bool
    slowed_at: datetime | None
    suspended_reason: str | None


class Held(Protocol):
    """A device or a login of the customer; released ones have to leave."""

    id: int
    extras: Extras
    added_at: datetime
    released_at: datetime | None

    @property
    def user(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def secret(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Isp:
    """What is the same for all customers of an ISP. `redirects`: who is not let in is led to where they can pay."""

    tenant_id: int
    realm: str
    timezone: str
    interim_seconds: int
    redirects: bool


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """The rows to write, which devices to let in where, which to put out, and which sessions to bring in line."""

    accesses: tuple[Access, ...]
    logins: tuple[tuple[int, int], ...] = ()
    """(device id, router id)"""
    logouts: tuple[tuple[str, int], ...] = ()
    """(MAC or login, router id)"""
    settles: tuple[tuple[str, int, bool], ...] = ()
    """Other sessions that run, lines and leases: (user name, router id, is it a lease)"""
    relieved: tuple[str, ...] = ()
    """MACs that were lent minutes to pay in, and are paid for now."""
    news: tuple[tuple[str, str], ...] = ()
    """(user name, what these rows mean for its sessions): see `core.network.running`."""


@dataclass(frozen=True, slots=True)
class Lent:
    """Minutes that a device was lent to pay in: until when, and how fast in each direction."""

    ends_at: datetime
    kbps: int


def username(name: str, realm: str) -> str:
    """How RADIUS tables call a device or login: its name; for further tenants of an installation with `@realm`."""
    return f"{name}@{realm}" if realm else name


def desired(
    held: Sequence[Held], running: Mapping[str, Entitled], before: Mapping[str, Entitled], isp: Isp, *, language: str,
    now: datetime,
) -> list[Access]:  # fmt: skip
    """One Access per device and login, in their order. `running` and `before` are by service: what runs, else what ran last.

    The newest `device_limit` that are held may enter while a subscription of their service runs, all others may not.
    """
    places = {service: _places(held, service, running.get(service)) for service in (MAC, PPP)}
    result = []
    for who in held:
        name, term = username(who.user, isp.realm), running.get(who.service)
        if who.released_at is not None:
            result.append(Access(name, allowed=False, service=who.service, reason="released"))
        elif term is None:
            result.append(_kept(name, who, before.get(who.service), isp, language, now))
        elif who.id not in places[who.service]:
            result.append(Access(name, allowed=False, service=who.service, reason="too many devices"))
        else:
            result.append(_allowed(name, who, term, places[who.service][who.id], isp, language))
    return result


def with_grace(access: Access, lent: Lent | None, isp: Isp, *, language: str) -> Access:
    """Who may not enter may do so for the minutes that were lent, and nobody is charged. Who was cut off by hand may not."""
    if lent is None or access.allowed or access.blocked:
        return access
    return Access(
        access.username, allowed=True, expires_at=lent.ends_at, upload_kbps=lent.kbps, download_kbps=lent.kbps,
        subscription_id=NOBODYS, interim_seconds=isp.interim_seconds, tenant_id=isp.tenant_id, language=language,
        timezone=isp.timezone,
    )  # fmt: skip


def _places(held: Sequence[Held], service: str, term: Entitled | None) -> dict[int, int]:
    """Who may enter, and with how many sessions at once. Those of a package are shared out among the newest logins."""
    if term is None:
        return {}
    newest = sorted((who.id for who in held if who.service == service and who.released_at is None), reverse=True)
    inside = newest[: term.device_limit]
    each, rest = divmod(term.device_limit, len(inside)) if inside else (0, 0)
    return {number: each + (place < rest) for place, number in enumerate(inside)}


def _allowed(name: str, who: Held, term: Entitled, sessions: int, isp: Isp, language: str) -> Access:
    profile = term.profile
    slow = profile.slow if term.slowed_at is not None else None
    return Access(
        name, allowed=True, expires_at=term.over_at, upload_kbps=slow.upload_kbps if slow else term.upload_kbps,
        download_kbps=slow.download_kbps if slow else term.download_kbps, subscription_id=term.id,
        metered=_is_metered(term), interim_seconds=isp.interim_seconds, tenant_id=isp.tenant_id, service=who.service,
        password=who.secret, burst=None if slow else profile.burst, priority=profile.priority,
        guaranteed=None if slow else profile.guaranteed, language=language, hours=profile.hours, timezone=isp.timezone,
        redirects=isp.redirects, sessions=sessions if who.service == PPP else None,
        replies=(*_of_package(profile, who.extras), *_of_person(who.extras)),
    )  # fmt: skip


def _is_metered(term: Entitled) -> bool:
    """Is a session to be cut when the data is used up? Not with fair use: no order takes a byte limit from a session."""
    return term.quota_bytes is not None and not term.slows


def _of_package(profile: Profile, extras: Extras) -> list[tuple[str, str]]:
    """Attributes of the package. A fixed address or prefix stands instead of a pool."""
    named = {
        "Session-Timeout": profile.session_seconds,
        "Idle-Timeout": profile.idle_seconds,
        "Framed-Pool": None if extras.address else profile.pool,
        "Framed-IPv6-Pool": None if extras.prefixes else profile.ipv6_pool,
        "Mikrotik-Delegated-IPv6-Pool": None if extras.delegated else profile.delegated_pool,
        "Mikrotik-Group": profile.group,
        "Mikrotik-Mark-Id": profile.mark,
        "Filter-Id": profile.filter,
    }
    single = [(attribute, str(value)) for attribute, value in named.items() if value is not None]
    return single + [("Mikrotik-Address-List", name) for name in dict.fromkeys(profile.address_lists)]


def _of_person(extras: Extras) -> list[tuple[str, str]]:
    return [
        *([("Framed-IP-Address", extras.address)] if extras.address else []),
        *(("Framed-Route", route) for route in dict.fromkeys(extras.routes)),
        *(("Framed-IPv6-Prefix", prefix) for prefix in dict.fromkeys(extras.prefixes)),
        *(("Delegated-IPv6-Prefix", prefix) for prefix in dict.fromkeys(extras.delegated)),
    ]


def _kept(name: str, who: Held, last: Entitled | None, isp: Isp, language: str, now: datetime) -> Access:
    """Somebody for whom nothing runs. Rows stay that say why, and lead to the pay page; whatever is unclear is blocked."""
    if not isp.redirects and (last is None or last.over_at <= now - KEPT):
        return Access(name, allowed=False, service=who.service, reason="nothing running")
    over = last is None or last.over_at <= now
    used_up = last is not None and _is_metered(last) and last.used_bytes >= (last.quota_bytes or 0)
    by_hand = last is not None and last.suspended_reason == "operator"
    return Access(
        name, allowed=False, kept=True, reason="over" if over else "used up" if used_up and not by_hand else "suspended",
        expires_at=last.over_at if last else who.added_at, subscription_id=None if last is None else last.id,
        metered=last is not None and _is_metered(last), interim_seconds=isp.interim_seconds, tenant_id=isp.tenant_id,
        service=who.service, password=who.secret, language=language, timezone=isp.timezone, redirects=isp.redirects,
        blocked="" if over or (used_up and not by_hand) else "suspended",
    )  # fmt: skip
