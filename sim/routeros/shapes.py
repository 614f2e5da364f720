"""What the router makes of a row beyond what was written: derived properties, keys it invents, policies spelled out."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sim.routeros.checks import CATEGORY_BAD_VALUE, Trap
from sim.routeros.machine import Machine
from sim.routeros.policies import known_policies, spelled
from sim.routeros.tables import Table

RUNS_SCRIPTS = frozenset({"/system/script", "/system/scheduler"})
FORBIDDEN = "failure: not allowed by device-mode"
GUARDED = {"/system/scheduler": "scheduler", "/ip/hotspot": "hotspot"}
"""Menus nobody may add to when the device mode forbids their feature."""


def public_key_of(private_key: str) -> str:
    """The public half of a WireGuard key, both in base64."""
    own = X25519PrivateKey.from_private_bytes(base64.b64decode(private_key))
    return base64.b64encode(own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def new_private_key() -> str:
    raw = X25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return base64.b64encode(raw).decode()


def shape(
    machine: Machine, table: Table, values: Mapping[str, str], number: int | None, policies: frozenset[str]
) -> dict[str, str]:
    """The values to store for a row that is added (`number` None) or changed, by somebody with these policies."""
    menu, shaped = table.menu, dict(values)
    if number is None and menu in GUARDED and not machine.allows(GUARDED[menu]):
        raise Trap(FORBIDDEN)
    if menu == "/ip/address":
        _address(table, shaped, number)
    elif menu == "/interface/wireguard":
        _wireguard(shaped, number)
    elif menu == "/user/group" and "policy" in shaped:
        words = frozenset(word for word in shaped["policy"].split(",") if word and not word.startswith("!"))
        if unknown := words - known_policies(machine.schema.is_six):
            raise Trap(f"input does not match any value of policy ({min(unknown)})", CATEGORY_BAD_VALUE)
        shaped["policy"] = spelled(words, machine.schema.is_six)
    elif menu in RUNS_SCRIPTS:
        _script_policies(table, shaped, number, policies)
    return shaped


def _address(table: Table, shaped: dict[str, str], number: int | None) -> None:
    if "address" in shaped:
        own = ipaddress.ip_interface(shaped["address"])
        shaped.setdefault("network", str(own.network.network_address))
    if "interface" in shaped or number is None:
        shaped["actual-interface"] = shaped.get("interface") or table.get(number or 0, "interface")


def _wireguard(shaped: dict[str, str], number: int | None) -> None:
    if number is None and not shaped.get("private-key"):
        shaped["private-key"] = new_private_key()
    if shaped.get("private-key"):
        shaped["public-key"] = public_key_of(shaped["private-key"])
    if number is None:
        shaped["running"] = "true"


def _script_policies(table: Table, shaped: dict[str, str], number: int | None, policies: frozenset[str]) -> None:
    """Nobody writes a script that may do more than he may himself."""
    if "policy" in shaped:
        words = [word for word in shaped["policy"].split(",") if word and not word.startswith("!")]
        if not policies.issuperset(words):
            raise Trap("not enough permissions (9)")
        shaped["policy"] = ",".join(words)
    elif number is None:
        shaped["policy"] = ",".join(word for word in table.default("policy").split(",") if word in policies)
    if number is None:
        shaped.setdefault("owner", "duka")
        shaped["run-count"] = "0"
