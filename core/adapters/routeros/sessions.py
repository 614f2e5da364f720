"""Putting one paid device online, and ending its session, in the order that survives failures (routeros.md §3.7)."""

from __future__ import annotations

from typing import NoReturn

from core.adapters.routeros.lines import Talk
from core.adapters.routeros.sayings import STALE, failure, meaning
from core.adapters.routeros.tables import ACTIVE, COOKIE, HOST, active_row, actives, hosts, remove
from core.adapters.routeros.values import Row, flag
from core.adapters.routeros.wire import Trap
from core.errors import GatewayDown, GatewayRefused
from core.ports import ActiveRow

RECHECKS_MAX = 4
RECHECK_SECONDS = 0.25
LOGINS_MAX = 2
assert RECHECKS_MAX * RECHECK_SECONDS <= 2, "looking for a session must not eat the visit's deadline"


def let_in(talk: Talk, mac: str, *, refresh: bool) -> ActiveRow | None:
    """The device's session, or None when it is not at this router or needs none (a bypassed binding)."""
    host = _only_host(talk, mac)
    running = actives(talk, mac)
    session = _session_of(mac, running)
    if running and (session is None or refresh):
        session = _session_of(mac, _end(talk, mac, running))
    return session or _log_in_host(talk, mac, host)


def throw_out(talk: Talk, mac: str) -> bool:
    """End the device's sessions and forget its cookies, which would let it in again. True when one was running."""
    for row in talk.rows(COOKIE, ".id,mac-address", f"?mac-address={mac}"):
        remove(talk, COOKIE, row)
    running = actives(talk, mac)
    if running:
        _end(talk, mac, running)
    return bool(running)


def _log_in_host(talk: Talk, mac: str, host: Row | None) -> ActiveRow | None:
    trap: Trap | None = None
    for _ in range(LOGINS_MAX):
        if host is None or flag(host, "bypassed"):
            return None
        trap = _log_in(talk, mac, host)
        if trap is None or meaning(trap).code == "authorizing" or _is_none_of_radius(trap):
            session = _appeared(talk, mac)
            if session is None:
                _make_it_ask_again(talk, host, trap)
            return session
        if meaning(trap).code not in STALE:
            _refused(talk, trap)
        host = _only_host(talk, mac)
    if host is not None:
        _make_it_ask_again(talk, host, trap)
    return None


def _only_host(talk: Talk, mac: str) -> Row | None:
    found = hosts(talk, mac)
    if len(found) > 1:
        text = f"router {talk.router.name!r} sees {len(found)} devices that claim {mac}"
        raise GatewayRefused(text, code="cloned", permanent=False)
    return found[0] if found else None


def _session_of(mac: str, rows: list[Row]) -> ActiveRow | None:
    """The session under the device's own name; one under another name (a trial, a voucher) is not what was paid for."""
    return next((active_row(row) for row in rows if row.get("user") == mac), None)


def _end(talk: Talk, mac: str, running: list[Row]) -> list[Row]:
    """End these sessions and read back: what is there now came later."""
    for row in running:
        remove(talk, ACTIVE, row)
    ended = {row.get(".id") for row in running}
    there = actives(talk, mac)
    if any(row.get(".id") in ended for row in there):
        raise GatewayDown(f"router {talk.router.name!r} took the order to end a session and kept it running")
    return there


def _log_in(talk: Talk, mac: str, host: Row) -> Trap | None:
    """Run the router's own login for this device; the refusal, or None. Arguments without a value are left out."""
    arguments = {"user": mac, "password": talk.router.mac_auth_password, "ip": host.get("address", "")}
    try:
        talk.write(f"{ACTIVE}/login", **{name: text for name, text in arguments.items() if text}, mac_address=mac)
    except Trap as trap:
        return trap
    return None


def _appeared(talk: Talk, mac: str) -> ActiveRow | None:
    """Read back. Another login may be under way, so look a few times."""
    for attempt in range(RECHECKS_MAX):
        if attempt:
            talk.pause(RECHECK_SECONDS)
        session = _session_of(mac, actives(talk, mac))
        if session is not None:
            return session
    return None


def _is_none_of_radius(trap: Trap) -> bool:
    """The router itself stumbled (another login was faster, a row went away): look before concluding anything."""
    saying = meaning(trap)
    return saying.code in ("gone", "interrupted") or (saying.code == "other" and trap.text.startswith("failure"))


def _refused(talk: Talk, trap: Trap) -> NoReturn:
    """RADIUS or the router said no. A text that is in no table is the Reply-Message of the reject."""
    if meaning(trap).code == "other":
        raise GatewayRefused(f"router {talk.router.name!r} says: {trap}", code="rejected", permanent=False)
    raise failure(talk.router, trap)


def _make_it_ask_again(talk: Talk, host: Row, trap: Trap | None) -> NoReturn:
    """Forget the device: with its next packet the router asks RADIUS by itself. Then have the promise come back."""
    if trap is None or meaning(trap).code != "authorizing":
        remove(talk, HOST, host)
    why = f"says: {trap}" if trap else "took the login but shows no session"
    raise GatewayDown(f"router {talk.router.name!r} {why}")
