"""What somebody who was let in may do: read from an Access-Accept, or from a local user and its profile."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace

from sim.routeros.packets import Attributes, BadPacket
from sim.routeros.tables import Table
from sim.routeros.values import format_duration, parse_duration_ms, parse_rate_bits

BURST_SECONDS_MAX = 600
POOL_SEARCH_MAX = 65536


class BadGrant(Exception):
    """The answer says yes but cannot be carried out; the login fails with this text."""


@dataclass(frozen=True)
class Rate:
    """A speed limit as the router keeps it: each value is `upload/download`, seen from the customer."""

    max_limit: str
    burst_limit: str = "0/0"
    burst_threshold: str = "0/0"
    burst_time: str = "0s/0s"
    priority: str = "8/8"
    limit_at: str = "0/0"

    def queue_values(self) -> dict[str, str]:
        """The properties of the queue row that carries this limit."""
        return {
            "max-limit": self.max_limit,
            "burst-limit": self.burst_limit,
            "burst-threshold": self.burst_threshold,
            "burst-time": self.burst_time,
            "priority": self.priority,
            "limit-at": self.limit_at,
        }


def parse_rate(text: str) -> Rate:
    """`rx[/tx] [burst [threshold [time [priority [minimum]]]]]` (reference radius.md §1). Raises ValueError."""
    parts = text.split()
    if not 1 <= len(parts) <= 6:
        raise ValueError(f"not a rate limit: {text[:80]!r}")
    limit = _pair(parts[0])
    if len(parts) == 1:
        return Rate(max_limit=limit)
    threshold = _pair(parts[2]) if len(parts) > 2 else limit
    burst_time = _times(parts[3]) if len(parts) > 3 else "1s/1s"
    priority = parts[4] if len(parts) > 4 else "8"
    if priority not in "12345678" or len(priority) != 1:
        raise ValueError(f"priority is 1 to 8, not {priority[:20]!r}")
    minimum = _pair(parts[5]) if len(parts) > 5 else "0/0"
    return Rate(limit, _pair(parts[1]), threshold, burst_time, f"{priority}/{priority}", minimum)


def _pair(text: str) -> str:
    up, slash, down = text.partition("/")
    return f"{parse_rate_bits(up)}/{parse_rate_bits(down if slash else up)}"


def _times(text: str) -> str:
    up, slash, down = text.partition("/")
    spans = [parse_duration_ms(part) for part in (up, down if slash else up)]
    if any(span > BURST_SECONDS_MAX * 1000 for span in spans):
        raise ValueError(f"burst time too long: {text[:40]!r}")
    return "/".join(format_duration(span) for span in spans)


@dataclass(frozen=True)
class Grant:
    """One permission to be on the network. Seconds and bytes; None means no limit."""

    session_seconds: float | None = None
    idle_seconds: float | None = None
    keepalive_seconds: float | None = None
    limit_total: int | None = None
    limit_in: int | None = None
    limit_out: int | None = None
    rate: Rate | None = None
    sessions_max: int | None = None
    interim_seconds: float | None = None
    address: str | None = None
    pool: str | None = None
    classes: tuple[bytes, ...] = ()
    address_lists: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    mark: str | None = None
    prefixes: tuple[str, ...] = ()
    delegated: tuple[str, ...] = ()
    delegated_pool: str | None = None
    profile: str = "default"


def of_profile(profiles: Table, name: str) -> Grant:
    """What a hotspot user profile gives when nothing more particular is said."""
    number = profiles.find("name", name)
    if number is None:
        number = profiles.find("name", "default")
    if number is None:
        return Grant(sessions_max=1)
    lists = profiles.get(number, "address-list")
    shared = profiles.get(number, "shared-users")
    rate = profiles.get(number, "rate-limit")
    try:
        parsed = parse_rate(rate) if rate else None
    except ValueError as broken:
        raise BadGrant(f"invalid rate-limit in user profile {name}") from broken
    pool = profiles.get(number, "address-pool")
    return Grant(
        session_seconds=_seconds(profiles.get(number, "session-timeout")),
        idle_seconds=_seconds(profiles.get(number, "idle-timeout")),
        keepalive_seconds=_seconds(profiles.get(number, "keepalive-timeout")),
        rate=parsed,
        sessions_max=None if shared == "unlimited" else int(shared or 1),
        address_lists=tuple(part for part in lists.split(",") if part),
        pool=None if pool in ("", "none") else pool,
        profile=profiles.get(number, "name"),
    )


def of_ppp_profile(profiles: Table, name: str, remote_address: str = "") -> Grant:
    """What a PPP profile gives; `remote_address` of a local secret wins. An address, or the name of a pool."""
    number = profiles.find("name", name)
    if number is None:
        number = profiles.find("name", "default")
    if number is None:
        return Grant()
    rate = profiles.get(number, "rate-limit")
    try:
        parsed = parse_rate(rate) if rate else None
    except ValueError as broken:
        raise BadGrant(f"invalid rate-limit in profile {name}") from broken
    place = remote_address or profiles.get(number, "remote-address")
    return Grant(
        session_seconds=_seconds(profiles.get(number, "session-timeout")),
        idle_seconds=_seconds(profiles.get(number, "idle-timeout")),
        rate=parsed,
        address_lists=tuple(part for part in profiles.get(number, "address-list").split(",") if part),
        address=place if _is_address(place) else None,
        pool=place if place and not _is_address(place) else None,
        profile=profiles.get(number, "name"),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> float | None:
    if text in ("", "none"):
        return None
    return (parse_duration_ms(text) / 1000) or None


def of_answer(answer: Attributes, base: Grant, pools: Table) -> Grant:
    """What an Access-Accept gives, on top of the profile it names. Raises BadGrant when it cannot be carried out."""
    try:
        grant = replace(
            base,
            session_seconds=_first(answer.integer("Session-Timeout"), base.session_seconds),
            idle_seconds=_first(answer.integer("Idle-Timeout"), base.idle_seconds),
            limit_total=answer.octets_64("Mikrotik-Total-Limit"),
            limit_in=answer.octets_64("Mikrotik-Recv-Limit"),
            limit_out=answer.octets_64("Mikrotik-Xmit-Limit"),
            sessions_max=_whole(_first(answer.integer("Port-Limit"), base.sessions_max)),
            interim_seconds=answer.integer("Acct-Interim-Interval") or None,
            address=answer.address("Framed-IP-Address"),
            classes=tuple(answer.all_bytes(25)),
            address_lists=base.address_lists + tuple(answer.texts("Mikrotik-Address-List")),
            routes=tuple(answer.texts("Framed-Route")),
            filters=tuple(answer.texts("Filter-Id")),
            mark=answer.text("Mikrotik-Mark-Id"),
            prefixes=tuple(answer.prefixes("Framed-IPv6-Prefix")),
            delegated=tuple(answer.prefixes("Delegated-IPv6-Prefix")),
            delegated_pool=answer.text("Mikrotik-Delegated-IPv6-Pool"),
        )
        for route in grant.routes:
            split_route(route)
        rate = answer.text("Mikrotik-Rate-Limit")
        if rate is not None:
            grant = replace(grant, rate=parse_rate(rate))
    except (BadPacket, ValueError) as broken:
        raise BadGrant(f"invalid attribute in RADIUS answer: {broken}") from broken
    pool = answer.text("Framed-Pool")
    if pool is not None:
        if pools.find("name", pool) is None:
            raise BadGrant(f"address pool {pool[:40]} does not exist")
        grant = replace(grant, pool=pool)
    elif grant.address is None:
        grant = replace(grant, address=base.address)
    return grant


def _first(given: float | None, otherwise: float | None) -> float | None:
    return otherwise if given is None else (given or None)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def split_route(text: str) -> tuple[str, str, str]:
    """`prefix/len [gateway [metric]]` of a Framed-Route; a gateway of zeros is the customer. Raises ValueError."""
    parts = text.split()
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"not a route: {text[:80]!r}")
    network = str(ipaddress.IPv4Network(parts[0]))
    gateway = str(ipaddress.IPv4Address(parts[1])) if len(parts) > 1 else ""
    metric = parts[2] if len(parts) > 2 else "1"
    if not (metric.isascii() and metric.isdigit() and len(metric) <= 3):
        raise ValueError(f"not a metric: {metric[:20]!r}")
    return network, "" if gateway == "0.0.0.0" else gateway, metric  # noqa: S104 (the wire's word for the customer)


def free_address(pools: Table, name: str, is_taken: Callable[[str], bool]) -> str:
    """The first address of a pool that nobody has. Raises BadGrant when there is none."""
    number = pools.find("name", name)
    ranges = pools.get(number, "ranges") if number is not None else ""
    found = (
        next((one for one in pool_addresses(ranges, POOL_SEARCH_MAX) if not is_taken(one)), None) if ranges else None
    )
    if found is None:
        raise BadGrant(f"no more free addresses in pool {name}")
    return found


def pool_addresses(ranges: str, limit: int) -> list[str]:
    """The first addresses of a pool's ranges, in order."""
    found: list[str] = []
    for part in ranges.split(","):
        first, dash, last = part.strip().partition("-")
        if dash:
            low, high = int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last))
        else:
            network = ipaddress.IPv4Network(first, strict=False)
            low, high = int(network[0]), int(network[-1])
        for number in range(low, min(high, low + limit - len(found)) + 1):
            found.append(str(ipaddress.IPv4Address(number)))
        if len(found) >= limit:
            break
    return found[:limit]
