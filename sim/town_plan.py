"""`sim/town.toml`, understood: who lives in the town and which ports it uses."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.routeros.board import BOARD_DEFAULT

OWN_FILE = Path(__file__).with_name("town.toml")


class BadPlan(ValueError):
    """The file cannot be used; the message names what is wrong in it."""


@dataclass(frozen=True)
class AfricasTalkingPlan:
    port: int
    username: str
    api_key: str
    service_code: str
    short_code: str
    balance: int


@dataclass(frozen=True)
class DarajaPlan:
    port: int
    consumer_key: str
    consumer_secret: str
    short_code: str
    passkey: str
    name: str


@dataclass(frozen=True)
class RouterPlan:
    name: str
    version: str
    host: str
    api_port: int
    coa_port: int
    username: str
    password: str
    hotspot: str
    board: str = BOARD_DEFAULT


@dataclass(frozen=True)
class PhonePlan:
    label: str
    msisdn: str
    network: str
    pin: str
    balance: int


@dataclass(frozen=True)
class DevicePlan:
    label: str
    router: str
    mac: str
    hostname: str
    present: bool


@dataclass(frozen=True)
class Plan:
    """The whole town on paper. Prices are in whole shillings, ports of 0 are chosen by the system."""

    page_port: int
    prompt_seconds: float
    callback_seconds: float
    africastalking: AfricasTalkingPlan
    daraja: DarajaPlan
    routers: tuple[RouterPlan, ...]
    phones: tuple[PhonePlan, ...]
    devices: tuple[DevicePlan, ...]

    def on_ports(self, ports: Mapping[str, int]) -> Plan:
        """The same town with other ports: `page`, `africastalking`, `daraja`, `api` and `coa` (of the first router)."""
        known = {"page", "africastalking", "daraja", "api", "coa"}
        if unknown := set(ports) - known:
            raise BadPlan(
                f"the town has no port called {', '.join(sorted(unknown))}; it knows {', '.join(sorted(known))}"
            )
        first, *others = self.routers
        first = replace(first, api_port=ports.get("api", first.api_port), coa_port=ports.get("coa", first.coa_port))
        return replace(
            self,
            page_port=ports.get("page", self.page_port),
            africastalking=replace(self.africastalking, port=ports.get("africastalking", self.africastalking.port)),
            daraja=replace(self.daraja, port=ports.get("daraja", self.daraja.port)),
            routers=(first, *others),
        )


def load(path: Path | None = None) -> Plan:
    """Read the plan from `path`, else from the file that `SIM_TOWN` names, else our own. Raises `BadPlan`."""
    path = path or Path(os.environ.get("SIM_TOWN", OWN_FILE))
    try:
        with path.open("rb") as file:
            return _plan(tomllib.load(file))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BadPlan(f"{path}: {type(error).__name__} {error}") from error


def ports_from(text: str) -> dict[str, int]:
    """`page=8000 api=8728` as it stands in `SIM_PORTS` → {"page": 8000, "api": 8728}. Raises `BadPlan`."""
    try:
        pairs = [word.split("=", 1) for word in text.split()]
        ports = {name: int(number) for name, number in pairs}
    except ValueError as error:
        raise BadPlan(f"SIM_PORTS is written like `page=8000 api=8728`, not {text!r}") from error
    if not all(0 <= port <= 65535 for port in ports.values()):
        raise BadPlan("a port is a number from 0 to 65535")
    return ports


def _plan(tree: dict[str, Any]) -> Plan:
    routers = tuple(RouterPlan(**router) for router in tree["routers"])
    if not routers:
        raise BadPlan("a town needs a router")
    return Plan(
        page_port=tree["page"]["port"],
        prompt_seconds=tree["pace"]["prompt_seconds"],
        callback_seconds=tree["pace"]["callback_seconds"],
        africastalking=AfricasTalkingPlan(**tree["africastalking"]),
        daraja=DarajaPlan(**tree["daraja"]),
        routers=routers,
        phones=tuple(PhonePlan(**phone) for phone in tree["phones"]),
        devices=tuple(DevicePlan(**device) for device in tree["devices"]),
    )
