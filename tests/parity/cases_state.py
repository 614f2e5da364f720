"""The state of an account: services, blocked and redirected, how many at once; and packets no server may answer (§4.4, §7)."""

from __future__ import annotations

from tests.parity.table import (
    CODE,
    DHCP,
    LAKE,
    LEARNT,
    LOGIN,
    OLD,
    STRANGER,
    Accept,
    Ask,
    Case,
    Open,
    Reject,
    Silence,
    account,
    code,
    paid,
    standard,
    walled,
)

SERVICES = [
    Case("a device over PPP", Reject("wrong_service"), paid(), Ask(how="ppp")),
    Case("a device over PPP that did not pay", Reject("wrong_service"), (), Ask(how="ppp")),
    Case("a device over PPP with a wrong password", Reject("wrong_service"), paid(), Ask(how="ppp", password="guess")),
    Case("a PPP login over the hotspot", Reject("wrong_service"), account(), CODE),
    Case("a PPP login over the hotspot with a wrong password", Reject("wrong_password"), account(), Ask(user="{login}", password="guess")),
    Case("an expired PPP login over the hotspot", Reject("wrong_service"), account(expires=-60), CODE),
    Case("a PPP login by DHCP", Reject("wrong_service"), account(), Ask(user="{login}", how="dhcp")),
    Case("a code over PPP", Reject("wrong_service"), code(), LOGIN),
    Case("a code by DHCP", Reject("wrong_service"), code(), Ask(user="{login}", how="dhcp")),
    Case("a code with bad rows over PPP", Reject("wrong_service"), code(reply=(("Framed-MTU", "1"),)), LOGIN),
    Case("a device whose rows are for PPP", Reject("wrong_service"), paid(service="ppp")),
    Case("a service nobody knows", Reject("wrong_service"), paid(service="vpn")),
    Case("PPP says Framed-Protocol only", standard(), account(), Ask(user="{login}", how="ppp", drop=("Service-Type",))),
    Case("another framed protocol is no PPP", Reject("wrong_service"), account(), Ask(user="{login}", how="ppp", change=(("Framed-Protocol", 2),))),
    Case("MS-CHAPv2 over the hotspot", Reject("no_password"), code(), Ask(user="{login}", method="mschap2")),
]  # fmt: skip

UP = {"metered": True, "quota": 5, "used": 5}

BLOCKED = [
    Case("suspended, hotspot", Reject("suspended"), paid(blocked="suspended")),
    Case("suspended for another word", Reject("suspended"), paid(blocked="fraud")),
    Case("suspended, PPP", Reject("suspended"), account(blocked="suspended"), LOGIN),
    Case("suspended, DHCP", Reject("suspended"), paid(blocked="suspended"), DHCP),
    Case("suspended and expired", Reject("suspended"), paid(blocked="suspended", expires=-60)),
    Case("suspended and used up", Reject("suspended"), paid(blocked="suspended", **UP)),
    Case("suspended, PPP, redirect", walled("duka-suspended", "suspended"), account(blocked="suspended", redirects=True), LOGIN),
    Case("suspended, DHCP, redirect", walled("duka-suspended", "suspended"), paid(blocked="suspended", redirects=True), DHCP),
    Case("suspended, hotspot, redirect", Reject("suspended"), paid(blocked="suspended", redirects=True)),
    Case("suspended and expired, PPP, redirect", walled("duka-suspended", "suspended"), account(blocked="suspended", expires=-60, redirects=True), LOGIN),
    Case("expired, PPP, redirect", walled("duka-expired", "expired"), account(expires=-60, redirects=True), LOGIN),
    Case("expired this very second, PPP, redirect", walled("duka-expired", "expired"), account(expires=0, redirects=True), LOGIN, sharp=True),
    Case("expired, DHCP, redirect", walled("duka-expired", "expired"), paid(expires=-60, redirects=True), DHCP),
    Case("expired, hotspot, redirect", Reject("expired"), paid(expires=-60, redirects=True)),
    Case("expired, a code, redirect", Reject("expired"), code(expires=-60, redirects=True), CODE),
    Case("expired, PPP, no redirect", Reject("expired"), account(expires=-60), LOGIN),
    Case("used up, PPP, redirect", walled("duka-topup", "data_used_up"), account(redirects=True, **UP), LOGIN),
    Case("used up, DHCP, redirect", walled("duka-topup", "data_used_up"), paid(redirects=True, **UP), DHCP),
    Case("used up, hotspot, redirect", Reject("data_used_up"), paid(redirects=True, **UP)),
    Case("expired and used up, PPP, redirect", walled("duka-expired", "expired"), account(redirects=True, expires=-60, **UP), LOGIN),
    Case("quota unknown, PPP, redirect", Reject("quota_unknown"), account(redirects=True, metered=True), LOGIN),
    Case("expired, PPP, redirect, wrong password", Reject("wrong_password"), account(expires=-60, redirects=True), Ask(user="{login}", how="ppp", password="guess")),
    Case("expired, PPP by MS-CHAPv2, redirect", Accept(walled("duka-expired", "expired").attributes, 300, "Access-Accept (redirect expired)", mschap=True), account(expires=-60, redirects=True), Ask(user="{login}", how="ppp", method="mschap2")),
    Case("a fixed address is not kept in the walled network", walled("duka-expired", "expired"), account(expires=-60, redirects=True, reply=(("Framed-IP-Address", "10.1.1.1"), ("Framed-Route", "10.50.0.0/24"), ("Mikrotik-Group", "vip"))), LOGIN),
    Case("redirected without an interim interval in the rows", Accept(tuple(each for each in walled("duka-expired", "expired").attributes if each[0] != "Acct-Interim-Interval"), 300, "Access-Accept (redirect expired)"), account(standard=False, reply=(("Class", "duka:{sub}"),), expires=-60, redirects=True), LOGIN),
    Case("paid, with a redirect that is not needed", standard(), account(redirects=True), LOGIN),
]  # fmt: skip


# ---- how many at once --------------------------------------------------------------------------------------------------


def at_once(name: str, most: int, *sessions: Open, let_in: bool, ask: Ask = CODE, interim: int = 300) -> Case:
    """A login that so many devices may use, with these sessions known."""
    reply = (("Mikrotik-Rate-Limit", "2M/5M"), ("Acct-Interim-Interval", str(interim)), ("Class", "duka:{sub}"))
    rows = code(check=(("Simultaneous-Use", str(most)),), standard=False, reply=reply)
    attributes = (("Mikrotik-Rate-Limit", "2M/5M"), ("Acct-Interim-Interval", interim), ("Class", "duka:{sub}"))
    return Case(name, Accept(attributes) if let_in else Reject("too_many_sessions"), rows, ask, sessions=sessions)


AT_ONCE = [
    at_once("one device, nobody is on", 1, let_in=True),
    at_once("one device, another is on", 1, Open(), let_in=False),
    at_once("one device, the same is on", 1, Open("{mac}"), let_in=True),
    at_once("one device, the same is on twice", 1, Open("{mac}"), Open("{mac}"), let_in=True),
    at_once("one device, another was on", 1, Open(stopped=True), let_in=True),
    at_once("one device, another fell silent", 1, Open(heard_seconds_ago=3 * 300 + 30), let_in=True),
    at_once("one device, another is nearly silent", 1, Open(heard_seconds_ago=3 * 300 - 30), let_in=False),
    at_once("one device, another reports seldom", 1, Open(heard_seconds_ago=3 * 900 - 30), let_in=False, interim=900),
    at_once("one device, another reported seldom and stopped doing so", 1, Open(heard_seconds_ago=3 * 900 + 30), let_in=True, interim=900),
    at_once("two devices, one other is on", 2, Open(), let_in=True),
    at_once("two devices, two others are on", 2, Open(), Open("{third}"), let_in=False),
    at_once("two devices, the same and another are on", 2, Open(), Open("{mac}"), let_in=True),
    at_once("two devices, one other is on twice", 2, Open(), Open(), let_in=False),
    at_once("two devices, one is on and one fell silent", 2, Open(), Open("{third}", heard_seconds_ago=3600), let_in=True),
    at_once("one device, and a namesake of the other ISP is on", 1, Open(router=LAKE), let_in=True),
    at_once("999 devices", 999, Open(), let_in=True),
    at_once("one device, another is on, CHAP", 1, Open(), let_in=False, ask=Ask(user="{login}", method="chap")),
    Case("no limit, and many are on", standard(), code(), CODE, sessions=(Open(), Open(), Open("{third}"))),
    Case("a device with a limit, on elsewhere under its name", Reject("too_many_sessions"), paid(check=(("Simultaneous-Use", "1"),)), sessions=(Open(),)),
    Case("PPP with a limit, another is on", Reject("too_many_sessions"), account(check=(("Simultaneous-Use", "1"),)), LOGIN, sessions=(Open(),)),
    Case("PPP with a limit, the same line is on", standard(), account(check=(("Simultaneous-Use", "1"),)), LOGIN, sessions=(Open("{mac}"),)),
    Case("too many, and expired", Reject("expired"), code(check=(("Simultaneous-Use", "1"),), expires=-5), CODE, sessions=(Open(),)),
    Case("too many, with a redirect", Reject("too_many_sessions"), account(check=(("Simultaneous-Use", "1"),), redirects=True), LOGIN, sessions=(Open(),)),
]  # fmt: skip


# ---- packets -----------------------------------------------------------------------------------------------------------

WIRE = [
    Case("a stranger", Silence(), paid(), Ask(router=STRANGER)),
    Case("a stranger who does not sign", Silence(), paid(), Ask(router=STRANGER, signed=False)),
    Case("signed with a wrong secret", Silence(), paid(), Ask(secret="guess")),
    Case("unsigned, and this router always signs", Silence(), paid(), Ask(router=LEARNT, signed=False), before=(Ask(router=LEARNT),)),
    Case("unsigned by somebody who knows the password, and this router always signs", Silence(), account(), Ask(user="{login}", how="ppp", router=LEARNT, signed=False), before=(Ask(router=LEARNT),)),
    Case("signed, and this router always signs", standard(), paid(), Ask(router=LEARNT), before=(Ask(router=LEARNT),)),
    Case("is anybody there?", Accept((), None, ""), (), Ask(how="status", user=None)),
    Case("is anybody there, unsigned?", Silence(), (), Ask(how="status", user=None, router=OLD, signed=False)),
    Case("Proxy-State comes back", standard(("Proxy-State", b"abc"), ("Proxy-State", b"def")), paid(), Ask(add=(("Proxy-State", b"abc"), ("Proxy-State", b"def")))),
    Case("a rejected one's Proxy-State comes back", Reject("not_paid"), (), Ask(add=(("Proxy-State", b"abc"),))),
    Case("two hundred and fifty attributes", Silence(), paid(), Ask(add=(("Class", "x"),) * 250)),
    Case("a hundred and fifty attributes", standard(), paid(), Ask(add=(("Class", "x"),) * 150)),
    Case("a long name of the hotspot's port", standard(), paid(), Ask(change=(("NAS-Port-Id", "p" * 253),))),
]  # fmt: skip

CASES = [*SERVICES, *BLOCKED, *AT_ONCE, *WIRE]
