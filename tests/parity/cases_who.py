"""Who asks: names and their spellings, forgeries, repeated attributes, passwords in every way, two ISPs (radius.md §1, §6)."""

from __future__ import annotations

from tests.parity.table import (
    CODE,
    DHCP,
    LAKE,
    LOGIN,
    LOGIN_PASSWORD,
    MAC_PASSWORD,
    ODD,
    OLD,
    STANDARD,
    Accept,
    Ask,
    Case,
    Reject,
    Rows,
    account,
    code,
    paid,
    standard,
)
from tests.parity.wire import Attribute

NO_PACKAGE = "No package for this device. Dial *384*35711# to buy."

KINDS = [
    Case("hotspot, PAP", standard(), paid()),
    Case("hotspot, CHAP", standard(), paid(), Ask(method="chap")),
    Case("hotspot, CHAP with the authenticator as challenge", standard(), paid(), Ask(method="chap-bare")),
    Case("hotspot without Mikrotik-Host-IP", standard(), paid(), Ask(drop=("Mikrotik-Host-IP",))),
    Case("hotspot with the bare minimum", standard(), paid(), Ask(drop=("Mikrotik-Host-IP", "Framed-IP-Address", "NAS-IP-Address", "NAS-Port", "NAS-Port-Id", "NAS-Port-Type", "Acct-Session-Id", "NAS-Identifier"))),
    Case("a router with another name", standard(), paid(), Ask(change=(("NAS-Identifier", "x'); DROP TABLE nas; --"),))),
    Case("a router that claims another address", standard(), paid(), Ask(change=(("NAS-IP-Address", "127.0.0.2"),))),
    Case("a hotspot server with odd signs in its name", standard(), paid(), Ask(change=(("NAS-Port-Id", "ether1 \"%{1}' \\ é"),))),
    Case("a router whose secrets have odd signs", standard(), paid(), Ask(router=ODD)),
    Case("a router whose secrets have odd signs, CHAP", standard(), paid(), Ask(router=ODD, method="chap")),
    Case("DHCP", standard(), paid(), DHCP),
    Case("DHCP, CHAP", standard(), paid(), Ask(how="dhcp", method="chap")),
    Case("PPP, PAP", standard(), account(), LOGIN),
    Case("PPP, CHAP", standard(), account(), Ask(user="{login}", how="ppp", method="chap")),
    Case("PPP, MS-CHAPv2", standard(mschap=True), account(), Ask(user="{login}", how="ppp", method="mschap2")),
    Case("a code over the hotspot, PAP", standard(), code(), CODE),
    Case("a code over the hotspot, CHAP", standard(), code(), Ask(user="{login}", method="chap")),
    Case("a code from any device", standard(), code(), Ask(user="{login}", change=(("Calling-Station-Id", "{other}"),))),
    Case("a code from a station with odd signs", standard(), code(), Ask(user="{login}", change=(("Calling-Station-Id", "o'n\"e%{2}\\"),))),
    Case("an attribute of no length", standard(), paid(), Ask(change=(("NAS-Port-Id", b""),))),
    Case("an unknown vendor's attribute", standard(), paid(), Ask(add=(("MS-CHAP-Error", b"what"),))),
    Case("an old router that does not sign", standard(), paid(), Ask(router=OLD, signed=False)),
]  # fmt: skip


# ---- names -------------------------------------------------------------------------------------------------------------


def spelt(user: str, calling: str | None = None) -> Case:
    """A MAC that is not written as it must be."""
    change: tuple[Attribute, ...] = (("Calling-Station-Id", calling or user),)
    return Case(f"a MAC spelt {user!r}", Reject("bad_mac_form"), paid(), Ask(user=user, change=change))


def no_name(user: str) -> Case:
    """Neither a MAC nor a login."""
    return Case(f"no login: {user[:20]!r}", Reject("unknown_name"), (), Ask(user=user, password=LOGIN_PASSWORD))


NAMES = [
    *map(spelt, (
        "{mac_low}", "{mac_one_low}", "{mac_dashes}", "{mac_dots}", "{mac_bare}", "{mac_spaces}", " {mac}", "{mac} ", "{mac}@lake",
        "{mac_low}@lake",
    )),
    Case("a MAC in lower case from the device in upper case", Reject("bad_mac_form"), paid(), Ask(user="{mac_low}")),
    Case("a MAC in lower case by DHCP", Reject("bad_mac_form"), paid(), Ask(user="{mac_low}", how="dhcp")),
    Case("a MAC in lower case over PPP", Reject("bad_mac_form"), paid(), Ask(user="{mac_low}", how="ppp")),
    *map(no_name, (
        "Alice", "al ice", "-alice", ".alice", "_alice", "a" * 64, "alice@lake", "älice", "alice'--", "%{User-Name}", "a/b",
        "alice\n", "1+1",
    )),
    Case("no name at all", Reject("unknown_name"), (), Ask(user=None, password=LOGIN_PASSWORD)),
    Case("a login in upper case", Reject("unknown_name"), account(), Ask(user="{login_high}", how="ppp", password=LOGIN_PASSWORD)),
    Case("a login nobody has", Reject("unknown_user"), (), LOGIN),
    Case("the longest login", Reject("unknown_user"), (), Ask(user="a" * 63, how="ppp", password=LOGIN_PASSWORD)),
    Case("eleven hex digits are a login", Reject("unknown_user"), (), Ask(user="02005e10abc", how="ppp", password=LOGIN_PASSWORD)),
    Case("a device nobody paid for", Reject("not_paid", NO_PACKAGE)),
    Case("a device nobody paid for, by DHCP", Reject("not_paid", NO_PACKAGE), (), DHCP),
    Case("checks without the rest", Reject("not_paid"), paid(user=False)),
    Case("another device's MAC", Reject("forged", "This login belongs to another device."), paid(), Ask(change=(("Calling-Station-Id", "{other}"),))),
    Case("another device's MAC, by CHAP", Reject("forged"), paid(), Ask(method="chap", change=(("Calling-Station-Id", "{other}"),))),
    Case("another device's MAC and a wrong password", Reject("forged"), paid(), Ask(password="{mac}", change=(("Calling-Station-Id", "{other}"),))),
    Case("a MAC from a device in lower case", Reject("forged"), paid(), Ask(change=(("Calling-Station-Id", "{mac_low}"),))),
    Case("a MAC from nobody", Reject("forged"), paid(), Ask(drop=("Calling-Station-Id",))),
    Case("a MAC typed as name and password", Reject("wrong_password"), paid(), Ask(password="{mac}")),
    Case("DHCP for another device", Reject("forged"), paid(), Ask(how="dhcp", change=(("Calling-Station-Id", "{other_client}"),))),
    Case("DHCP with a short client identifier", Reject("forged"), paid(), Ask(how="dhcp", change=(("Calling-Station-Id", "1:2:0:5e"),))),
    Case("DHCP with the client identifier of another kind", Reject("forged"), paid(), Ask(how="dhcp", change=(("Calling-Station-Id", "ff:2:0:5e:10:0:1"),))),
    Case("a client identifier with leading zeros", standard(), paid(), Ask(how="dhcp", change=(("Calling-Station-Id", "1:{mac_low}"),))),
    Case("a client identifier over the hotspot", Reject("forged"), paid(), Ask(change=(("Calling-Station-Id", "{client}"),))),
]  # fmt: skip


# ---- repeated attributes -----------------------------------------------------------------------------------------------

AGAIN: tuple[Attribute, ...] = (
    ("User-Name", "{mac}"), ("User-Password", MAC_PASSWORD), ("Calling-Station-Id", "{mac}"), ("Called-Station-Id", "{key}"),
    ("Framed-IP-Address", "10.5.50.9"), ("NAS-IP-Address", "127.0.0.1"), ("NAS-Identifier", "market"), ("NAS-Port", 1),
    ("NAS-Port-Type", 19), ("NAS-Port-Id", "bridge"), ("Mikrotik-Host-IP", "10.5.50.9"),
)  # fmt: skip
TWICE: tuple[Attribute, ...] = (
    ("NAS-IPv6-Address", bytes(15) + b"\1"), ("Service-Type", 2), ("Framed-Protocol", 1), ("CHAP-Challenge", bytes(16)),
    ("CHAP-Password", bytes(17)), ("MS-CHAP-Challenge", bytes(16)), ("MS-CHAP2-Response", bytes(50)),
)  # fmt: skip

REPEATED = [
    *(Case(f"{name} again", Reject("repeated_attribute"), paid(), Ask(add=((name, value),))) for name, value in AGAIN),
    *(Case(f"{name} twice", Reject("repeated_attribute"), paid(), Ask(add=((name, value),) * 2)) for name, value in TWICE),
    Case("another name added by a browser", Reject("repeated_attribute"), paid(), Ask(add=(("User-Name", "{other}"),))),
    Case("another device added by a browser", Reject("repeated_attribute"), paid(), Ask(add=(("Calling-Station-Id", "{other}"),))),
    Case("another device added before", Reject("repeated_attribute"), paid(), Ask(change=(("Calling-Station-Id", "{other}"),), add=(("Calling-Station-Id", "{mac}"),))),
    Case("repeated by somebody who did not pay", Reject("repeated_attribute"), (), Ask(add=(("NAS-Port", 1),))),
    Case("repeated, what may be", standard(), paid(), Ask(add=(("Class", "a"), ("Class", "b"), ("State", b"s"), ("State", b"t")))),
]  # fmt: skip


# ---- passwords ---------------------------------------------------------------------------------------------------------


def mschap(**more: object) -> Ask:
    """A PPP login by MS-CHAPv2."""
    return Ask(user="{login}", how="ppp", method="mschap2", **more)  # type: ignore[arg-type]


def password(value: str, method: str = "pap") -> Case:
    """A login with an unusual password."""
    ask = Ask(user="{login}", how="ppp", password=value, method=method)
    return Case(
        f"password {value[:12]!r} of {len(value.encode())} octets, {method}",
        standard(mschap=method == "mschap2"),
        account(password=value),
        ask,
    )


UNUSUAL = ("x", "a" * 16, "a" * 17, "a" * 128, "two words", "pässwörd", "q'u\"o\\t%{User-Name}e$;", "0", "пароль")

PASSWORDS = [
    Case("a device with a wrong password", Reject("wrong_password"), paid(), Ask(password="guess")),
    Case("a device with a wrong password, CHAP", Reject("wrong_password"), paid(), Ask(password="guess", method="chap")),
    Case("a device with another router's password", Reject("wrong_password"), paid(), Ask(password=LAKE.mac_password)),
    Case("a device with a wrong password that did not pay", Reject("wrong_password"), (), Ask(password="guess")),
    Case("a device with part of the password", Reject("wrong_password"), paid(), Ask(password=MAC_PASSWORD[:-1])),
    Case("a device with more than the password", Reject("wrong_password"), paid(), Ask(password=MAC_PASSWORD + "!")),
    Case("a device without a password", Reject("no_password"), paid(), Ask(method="none")),
    Case("a device with a blank password", Reject("no_password"), paid(), Ask(password="")),
    Case("a device with PAP and CHAP", Reject("wrong_password"), paid(), Ask(method="both")),
    Case("a CHAP password of 16 octets", Reject("wrong_password"), paid(), Ask(method="none", add=(("CHAP-Password", bytes(16)),))),
    Case("a CHAP password of 18 octets", Reject("wrong_password"), paid(), Ask(method="none", add=(("CHAP-Password", bytes(18)),))),
    Case("a CHAP password of nothing but zeros", Reject("wrong_password"), paid(), Ask(method="none", add=(("CHAP-Password", bytes(17)),))),
    Case("a device whose rows have a password: the router's counts", standard(), paid(password=LOGIN_PASSWORD)),
    Case("a device whose rows have a password: it does not count", Reject("wrong_password"), paid(password="long and random"), Ask(password="long and random")),
    *map(password, UNUSUAL), *(password(each, "chap") for each in UNUSUAL), *(password(each, "mschap2") for each in UNUSUAL),
    Case("PPP, PAP, wrong", Reject("wrong_password", "This login is not known here. Dial *384*35711# to buy."), account(), Ask(user="{login}", how="ppp", password="guess")),
    Case("PPP, CHAP, wrong", Reject("wrong_password"), account(), Ask(user="{login}", how="ppp", method="chap", password="guess")),
    Case("PPP, MS-CHAPv2, wrong", Reject("wrong_password"), account(), mschap(password="guess")),
    Case("PPP, MS-CHAPv2, wrong case", Reject("wrong_password"), account(), mschap(password=LOGIN_PASSWORD.upper())),
    Case("PPP, MS-CHAPv2 without a challenge", Reject("wrong_password"), account(), mschap(drop=("MS-CHAP-Challenge",))),
    Case("PPP, MS-CHAPv2, too short", Reject("wrong_password"), account(), mschap(change=(("MS-CHAP2-Response", bytes(49)),))),
    Case("PPP, MS-CHAPv2 and PAP", Reject("wrong_password"), account(), mschap(add=(("User-Password", LOGIN_PASSWORD),))),
    Case("PPP, MS-CHAPv2, nobody's", Reject("unknown_user"), (), mschap()),
    Case("PPP without a password", Reject("no_password"), account(), Ask(user="{login}", how="ppp", method="none")),
    Case("PPP with the router's password for devices", Reject("wrong_password"), account(), Ask(user="{login}", how="ppp", password=MAC_PASSWORD)),
    Case("a login without a password in its rows", Reject("wrong_password"), account(password=None), LOGIN),
    Case("a login without a password in its rows, and none asked", Reject("no_password"), account(password=None), Ask(user="{login}", how="ppp", method="none")),
    Case("a code with a wrong password", Reject("wrong_password"), code(), Ask(user="{login}", password="guess")),
    Case("an expired login with a wrong password", Reject("wrong_password"), account(expires=-60), Ask(user="{login}", how="ppp", password="guess")),
    Case("a blocked login with a wrong password", Reject("wrong_password"), account(blocked="suspended"), Ask(user="{login}", how="ppp", password="guess")),
]  # fmt: skip


# ---- two ISPs on one installation --------------------------------------------------------------------------------------

LAKE_RATE: tuple[Attribute, ...] = (("Mikrotik-Rate-Limit", "8M/8M"), *STANDARD[1:])
BOTH = (
    Rows(),
    Rows(isp=1, standard=False, reply=(("Mikrotik-Rate-Limit", "8M/8M"), ("Acct-Interim-Interval", "300"), ("Class", "duka:{sub}"))),
)  # fmt: skip
AT_THE_LAKE = Ask(router=LAKE)

REALMS = [
    Case("a customer of the other ISP", standard(), paid(isp=1), AT_THE_LAKE),
    Case("a login of the other ISP", standard(), account(isp=1), Ask(user="{login}", how="ppp", router=LAKE)),
    Case("paid here, asks there", Reject("not_paid", "Kifaa hiki hakina kifurushi. Nunua kifurushi ili uingie mtandaoni."), paid(), AT_THE_LAKE),
    Case("paid there, asks here", Reject("not_paid", NO_PACKAGE), paid(isp=1)),
    Case("paid at both, asks here", standard(), BOTH),
    Case("paid at both, asks there", Accept(LAKE_RATE), BOTH, AT_THE_LAKE),
    Case("a login from here, there", Reject("unknown_user"), account(), Ask(user="{login}", how="ppp", router=LAKE)),
    Case("a realm typed", Reject("unknown_name"), account(isp=1), Ask(user="{login}@lake", how="ppp", password=LOGIN_PASSWORD)),
    Case("a realm typed at home", Reject("unknown_name"), account(isp=1), Ask(user="{login}@lake", how="ppp", router=LAKE, password=LOGIN_PASSWORD)),
    Case("the password of here, there", Reject("wrong_password"), paid(isp=1), Ask(router=LAKE, password=MAC_PASSWORD)),
    Case("the other ISP's customer is out of data", Reject("data_used_up", "Data yako imeisha. Nunua kifurushi ili uingie mtandaoni."), paid(isp=1, metered=True, quota=5, used=5, language="sw"), AT_THE_LAKE),
    Case("a customer of the lake who reads English", Reject("expired", "Your time is over. Buy a package to go online."), paid(isp=1, expires=-5, language="en"), AT_THE_LAKE),
    Case("a customer of the market who reads Swahili", Reject("expired", "Muda wako umeisha. Piga *384*35711# kununua."), paid(expires=-5, language="sw")),
    Case("a language nobody has written texts in", Reject("expired", "Your time is over. Dial *384*35711# to buy."), paid(expires=-5, language="xx")),
    Case("a wrong password at the lake", Reject("wrong_password", "Jina hili halijulikani hapa. Nunua kifurushi ili uingie mtandaoni."), account(isp=1), Ask(user="{login}", how="ppp", router=LAKE, password="guess")),
]  # fmt: skip

CASES = [*KINDS, *NAMES, *REPEATED, *PASSWORDS, *REALMS]
