"""Paying with a printed code."""

from __future__ import annotations

from core import customers, network, subscriptions, vouchers
from ussd import words
from ussd.menu import Option, Show, Turn, screen
from ussd.screens.picking import place, short

WAITING_SHOWN_MAX = 6


@screen("voucher", looks=True)
def voucher(turn: Turn) -> Show:
    """Type it as it is printed, dashes or not."""
    return Show(turn.say("voucher.type"), typed="voucher_typed")


@screen("voucher_typed")
def voucher_typed(turn: Turn) -> Show:
    """Good until when; a caller without a device is offered the ones that wait."""
    who = turn.recognise()
    vouchers.redeem(turn.uow, who, turn.answer)
    ends_at = subscriptions.left(turn.uow, who.id).ends_at or turn.uow.now
    text = turn.say("voucher.accepted", until=words.when(ends_at, turn.shop.zone))
    if customers.devices(turn.uow, who.id):
        return turn.end(f"{text} {turn.say('voucher.online')}")
    waiting = network.waiting_devices(turn.uow, limit=WAITING_SHOWN_MAX)
    if not waiting:
        return turn.end(f"{text} {turn.say('buy.device_later')}")
    picks = [Option(f"{short(mac)} {place(router)}", "voucher_device", {"mac": mac}) for mac, router in waiting]
    return Show(f"{text} {turn.say('voucher.which_device')}", tuple(picks), screen="voucher")


@screen("voucher_device")
def voucher_device(turn: Turn) -> Show:
    """Connect it."""
    added = customers.add_device(turn.uow, turn.recognise(), turn.args["mac"])
    return turn.end(turn.say("voucher.connected", device=added.short))
