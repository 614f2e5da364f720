"""May this router be kept as it was told to us? One conversation, and answers that a person can act on (routeros.md §1.5, §6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from core.adapters.routeros.facts import read_facts
from core.adapters.routeros.health import CLOCK_SKEW_SECONDS_MAX, probe
from core.adapters.routeros.lines import Lines, Talk, Unreachable
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.wire import Trap
from core.errors import GatewayDown, GatewayRefused
from core.findings import Finding, RouterHealth, Verification
from core.ports import RouterAddress

OLDEST, OLDEST_TRIED = (6, 43), (6, 49)
RIGHTS = ("api", "read", "write", "test", "ftp")
"""What our account has to be allowed. `ftp` guards files, `test` the fetching of pages (routeros.md §1.5)."""

_SERVICE = "on the router: /ip service set {service} disabled=no port={port} address=…"
ADVICE = {
    "name": "check the spelling, or give its address",
    "unreachable": "is it switched on, is this its address, and is there a way from here (tunnel, route, firewall)?",
    "closed": "the box is there, but nothing listens on this port; " + _SERVICE,
    "tls": "this port does not speak TLS: use --no-tls and port 8728 inside a tunnel, or give api-ssl a certificate",
    "silence": "something listens there and says nothing: is it the API's port?",
    "foreign": "this is another service or another box: the API's ports are 8729 with TLS and 8728 without",
    "broken": "what answers does not speak the API: is it a MikroTik, and is this the API's port?",
    "hung_up": "a router does so when the address= of its service does not allow this server; or this is not the API's port. "
    + _SERVICE,
    "certificate": "if you changed it yourself: `duka router edit NAME --accept-certificate`; if not, somebody may be in between",
    "login": "check user and password; the user's address= must allow this server, its group must have the api policy",
    "old": "update it: System → Packages → Check for updates, or upload a 6.49 or 7 release",
}


def verify(lines: Lines, router: RouterAddress, now: datetime) -> Verification:
    """Try everything we need once. Never raises for what is wrong over there."""
    try:
        with lines.talk(router) as talk:
            return _look(talk, router, now)
    except Unreachable as error:
        return Verification((_finding(router, "hung_up" if error.why == "hung up" else error.code, error.why),))
    except GatewayRefused as error:
        old = "too old" in str(error)
        return Verification((_finding(router, "old" if old else error.code, str(error)),))
    except GatewayDown as error:
        return Verification((_finding(router, "silence", str(error)),))


def _look(talk: Talk, router: RouterAddress, now: datetime) -> Verification:
    """Whoever logged in may be much too old, or not allowed to look at anything."""
    reading = Reading(talk)
    try:
        facts = read_facts(reading)
    except ValueError as error:
        return Verification((_finding(router, "broken", str(error)),))
    except Trap as trap:
        if meaning(trap).code != "rights":
            raise
        return Verification((_rights(router, ("read",)),))
    found: list[Finding] = []
    if facts.version[:2] < OLDEST_TRIED:
        blocks = facts.version[:2] < OLDEST
        text = f"it runs RouterOS {'.'.join(map(str, facts.version))}; we know 6.49 and newer"
        found.append(Finding("old", text, ADVICE["old"], blocks=blocks))
    missing = tuple(right for right in RIGHTS if facts.rights is not None and right not in facts.rights)
    if missing:
        found.append(_rights(router, missing))
    if not facts.hotspot_allowed:
        text = "its device-mode forbids the hotspot"
        advice = "/system/device-mode/update mode=advanced, then press its button or cut its power within five minutes"
        found.append(Finding("device_mode", text, advice, blocks=True))
    health = None if missing and "read" in missing else probe(talk, now)
    if health is not None:
        found += _clock(health)
        named = ("device-mode", "the router's clock", "the API user")
        found += [Finding("set_up", text, "", blocks=False) for text in health.problems if not text.startswith(named)]
    return Verification(tuple(found), health, talk.certificate_sha256)


def _rights(router: RouterAddress, missing: tuple[str, ...]) -> Finding:
    text = f"the API user {router.username!r} lacks rights: {', '.join(missing)}"
    advice = (
        f"on the router: /user group add name=duka policy={','.join(RIGHTS)} ; /user set {router.username} group=duka"
    )
    return Finding("rights", text, advice, blocks=True)


def _clock(health: RouterHealth) -> Iterator[Finding]:
    skew = health.clock_skew_seconds
    if skew is None or abs(skew) <= CLOCK_SKEW_SECONDS_MAX:
        return
    minutes = abs(skew) // 60
    off = f"{minutes} min" if minutes < 48 * 60 else f"{minutes // 1440} days"
    text = f"its clock is {off} {'ahead' if skew > 0 else 'behind'}"
    yield Finding("clock", text, "turn NTP on: /system ntp client set enabled=yes (and its servers)", blocks=False)


def _finding(router: RouterAddress, code: str, why: str) -> Finding:
    where = f"{router.host}:{router.api_port}"
    service = "api-ssl" if router.api_tls else "api"
    advice = ADVICE.get(code, ADVICE["broken"]).format(service=service, port=router.api_port)
    texts = {
        "name": f"the name {router.host!r} is not known",
        "unreachable": f"nothing answers at {router.host}",
        "closed": f"port {router.api_port} is closed at {router.host}",
        "tls": f"TLS is refused at {where}",
        "silence": f"nothing is said at {where}",
        "foreign": f"what answers at {where} {why}",
        "hung_up": f"what answers at {where} hangs up without a word",
    }
    return Finding(code, texts.get(code, why), advice, blocks=True)
