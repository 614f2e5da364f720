"""My devices: add, move in ten seconds, release."""

from __future__ import annotations

from collections.abc import Sequence

from core import customers, network
from core.customers import Customer, Device
from core.errors import Refusal
from ussd.menu import Option, Show, Turn, screen
from ussd.screens.picking import place, short, typed_device

WAITING_SHOWN_MAX = 12


class DeviceGone(Refusal):
    """This device is not yours any more."""


def _held(turn: Turn) -> Sequence[Device]:
    return [] if turn.customer_id is None else customers.devices(turn.uow, turn.customer_id)


def _named(turn: Turn) -> tuple[Customer, Device]:
    """The caller and the device the screen is about. Raises `DeviceGone`."""
    who = turn.recognise()
    held = customers.device(turn.uow, turn.args["device"])
    if held is None or held.customer_id != who.id:
        raise DeviceGone()
    return who, held


@screen("devices")
def devices(turn: Turn) -> Show:
    """What the caller holds, and which of it is online."""
    held = _held(turn)
    add = Option(turn.say("devices.add"), "device_add")
    if not held:
        return Show(turn.say("devices.none"), (add,))
    assert turn.customer_id is not None
    online = network.online_devices(turn.uow, turn.customer_id)
    options = [
        Option(
            turn.say("devices.marked", device=device.short) if device.mac in online else device.short, "device",
            {"device": device.id, "name": device.short},
        )
        for device in held
    ]  # fmt: skip
    return Show(turn.say("devices.list", count=len(held)), (*options, add))


@screen("device", looks=True)
def device(turn: Turn) -> Show:
    """One device."""
    return Show(
        turn.say("devices.one", device=turn.args["name"]),
        (
            Option(turn.say("devices.move"), "device_move", turn.args),
            Option(turn.say("devices.release"), "device_release", turn.args),
        ),
    )


def _pick(turn: Turn, head: str, to: str, typed: str) -> Show:
    waiting = network.waiting_devices(turn.uow, limit=WAITING_SHOWN_MAX)
    picks = [Option(f"{short(mac)} {place(router)}", to, turn.args | {"mac": mac}) for mac, router in waiting]
    text = f"{head} {turn.say('devices.pick' if picks else 'devices.type')}".strip()
    return Show(text, tuple(picks), typed=typed)


@screen("device_add", looks=True)
def device_add(turn: Turn) -> Show:
    """Choose from those that wait at a router, or type."""
    return _pick(turn, "", "device_added", "device_add_typed")


@screen("device_add_typed")
def device_add_typed(turn: Turn) -> Show:
    turn.args = {"mac": typed_device(turn.uow, turn.answer)}
    return device_added(turn)


@screen("device_added")
def device_added(turn: Turn) -> Show:
    """It is the caller's now."""
    added = customers.add_device(turn.uow, turn.recognise(), turn.args["mac"])
    return turn.go("devices", turn.say("devices.added", device=added.short))


@screen("device_move", looks=True)
def device_move(turn: Turn) -> Show:
    """To which device?"""
    return _pick(turn, turn.say("devices.move_from", device=turn.args["name"]), "device_moved", "device_move_typed")


@screen("device_move_typed")
def device_move_typed(turn: Turn) -> Show:
    turn.args = turn.args | {"mac": typed_device(turn.uow, turn.answer)}
    return device_moved(turn)


@screen("device_moved")
def device_moved(turn: Turn) -> Show:
    """The paid time goes on with the new device."""
    who, old = _named(turn)
    new = customers.move_device(turn.uow, who, old, turn.args["mac"])
    return turn.go("devices", turn.say("devices.moved", old=old.short, new=new.short))


@screen("device_release")
def device_release(turn: Turn) -> Show:
    """Let go of it."""
    who, held = _named(turn)
    customers.release_device(turn.uow, who, held)
    return turn.go("devices", turn.say("devices.released", device=held.short))
