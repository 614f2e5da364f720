"""Which device is meant: by the last four signs of its address, or all twelve."""

from __future__ import annotations

import re

from core import network
from core.customers import BadMac, normalise_mac
from core.errors import Refusal
from core.texts import clip, plain
from core.uow import UnitOfWork

WAITING_MAX = 200
PLACE_SEPTETS_MAX = 16
SHORT_SIGNS, WHOLE_SIGNS = 4, 12


class NoSuchDevice(Refusal):
    """No device with these signs is waiting."""


class SeveralDevices(Refusal):
    """Several waiting devices end like this."""


def short(mac: str) -> str:
    """How a device is called in front of people: `A1B2`."""
    return mac[-5:].replace(":", "")


def place(router: str) -> str:
    """A router's name, short enough for a line."""
    return clip(plain(router), PLACE_SEPTETS_MAX)


def typed_device(uow: UnitOfWork, typed: str) -> str:
    """The MAC that somebody typed. Four signs name a waiting device, twelve any. Raises `NoSuchDevice`, `SeveralDevices`, `BadMac`."""
    signs = re.sub(r"[\s:.\-*]", "", typed).upper().translate(str.maketrans("OI", "01"))
    if len(signs) == WHOLE_SIGNS:
        return normalise_mac(signs)
    if not re.fullmatch(rf"[0-9A-F]{{{SHORT_SIGNS}}}", signs, re.ASCII):
        raise BadMac()
    found = [mac for mac, _ in network.waiting_devices(uow, limit=WAITING_MAX) if short(mac) == signs]
    if not found:
        raise NoSuchDevice(signs=signs)
    if len(found) > 1:
        raise SeveralDevices(signs=signs)
    return found[0]
