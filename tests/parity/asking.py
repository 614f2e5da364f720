"""From a line of the table to the bytes a router would send."""

from __future__ import annotations

import hashlib
import os
from itertools import count

from tests.parity import mschap, wire
from tests.parity.table import LOGIN_PASSWORD, Ask, Case
from tests.parity.wire import Attribute, Value

_NUMBERS = count(1)
CHALLENGE = b"sixteen bytes..!"
PEER_CHALLENGE = bytes(range(50, 66))

HOTSPOT: tuple[Attribute, ...] = (
    ("NAS-Port-Type", 19), ("NAS-Port", 2_151_677_953), ("NAS-Port-Id", "bridge"), ("Acct-Session-Id", "80400001"),
    ("Calling-Station-Id", "{mac}"), ("Called-Station-Id", "{key}"), ("Framed-IP-Address", "10.5.50.9"),
    ("Mikrotik-Host-IP", "10.5.50.9"),
)  # fmt: skip
DHCP: tuple[Attribute, ...] = (
    ("NAS-Port-Type", 15), ("NAS-Port", 2_151_677_954), ("NAS-Port-Id", "ether2"), ("Calling-Station-Id", "{client}"),
    ("Called-Station-Id", "{key}"),
)  # fmt: skip
PPP: tuple[Attribute, ...] = (
    ("Service-Type", 2), ("Framed-Protocol", 1), ("NAS-Port-Type", 15), ("NAS-Port", 15_728_641), ("NAS-Port-Id", "ether3"),
    ("Acct-Session-Id", "81600001"), ("Calling-Station-Id", "{mac}"), ("Called-Station-Id", "{key}"),
)  # fmt: skip
KINDS = {"hotspot": HOTSPOT, "dhcp": DHCP, "ppp": PPP}


def packet_for(
    case: Case, ask: Ask, authenticator: bytes | None = None, identifier: int | None = None
) -> tuple[bytes, bytes]:
    """The request, and the secret by which its answer is verified. Each is new: its own number and authenticator."""
    secret = (ask.secret or ask.router.secret).encode()
    start = authenticator or os.urandom(16)
    number = next(_NUMBERS) % 256 if identifier is None else identifier
    if ask.how == "status":
        return wire.request(
            wire.STATUS_SERVER, (), secret, signed=ask.signed, identifier=number, authenticator=start
        ), secret
    attributes = [(name, case.fill(value)) for name, value in _attributes(case, ask, start)]
    raw = wire.request(
        wire.ACCESS_REQUEST, attributes, secret, signed=ask.signed, identifier=number, authenticator=start
    )
    return raw, secret


def _attributes(case: Case, ask: Ask, authenticator: bytes) -> list[Attribute]:
    attributes: list[Attribute] = [("NAS-Identifier", ask.router.name), ("NAS-IP-Address", ask.router.address)]
    if ask.user is not None:
        attributes.insert(0, ("User-Name", ask.user))
    attributes += [*KINDS[ask.how], *_password(case, ask, authenticator)]
    changed: dict[str, Value] = dict(ask.change)
    known = {name for name, _ in attributes}
    attributes = [(name, changed.get(name, value)) for name, value in attributes if name not in ask.drop]
    return [*attributes, *((name, value) for name, value in ask.change if name not in known), *ask.add]


def right_password(case: Case, ask: Ask) -> str:
    """Of the router for a device, of the rows for a login."""
    if "{login" not in (ask.user or ""):
        return ask.router.mac_password
    return next((rows.password for rows in case.rows if rows.password is not None), LOGIN_PASSWORD)


def _password(case: Case, ask: Ask, authenticator: bytes) -> list[Attribute]:
    given = ask.password if ask.password is not None else right_password(case, ask)
    text = given if isinstance(given, bytes) else str(case.fill(given)).encode()
    pap: list[Attribute] = [("User-Password", text)]
    challenge = authenticator if ask.method == "chap-bare" else CHALLENGE
    chap: list[Attribute] = [("CHAP-Password", b"\7" + hashlib.md5(b"\7" + text + challenge).digest())]
    if ask.method != "chap-bare":
        chap.append(("CHAP-Challenge", CHALLENGE))
    if ask.method == "mschap2":
        name = str(case.fill(ask.user or ""))
        answer = mschap.nt_response(CHALLENGE, PEER_CHALLENGE, name, text.decode())
        response = b"\7\0" + PEER_CHALLENGE + bytes(8) + answer
        return [("MS-CHAP-Challenge", CHALLENGE), ("MS-CHAP2-Response", response)]
    return {"pap": pap, "chap": chap, "chap-bare": chap, "both": [*pap, *chap], "none": []}[ask.method]


def mschap_success(case: Case) -> bytes:
    """What a server that knows the password says at the end of MS-CHAPv2: the round's number and the proof."""
    name = str(case.fill(case.ask.user or ""))
    given = case.ask.password if case.ask.password is not None else right_password(case, case.ask)
    return b"\7" + mschap.success(CHALLENGE, PEER_CHALLENGE, name, str(case.fill(given))).encode()
