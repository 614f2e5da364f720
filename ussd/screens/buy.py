"""Choosing, confirming and paying."""

from __future__ import annotations

from dataclasses import replace

from core import catalog, customers, messaging, network, purchases, subscriptions
from core.catalog import NotOnSale, PriceChanged
from core.customers import Customer
from core.money import Money
from core.texts import plain
from ussd import words
from ussd.menu import ORDERED, Option, Show, Turn, screen
from ussd.screens.picking import place, short, typed_device
from ussd.shop import Offer

WAITING_SHOWN_MAX = 12


def price_list(turn: Turn, head: str, others: list[Option]) -> Show:
    """Every package with its price as it is now; whoever chooses one may buy it at that price."""
    offers = [
        Option(f"{offer.name} {offer.price}", "confirm", {"package": offer.package_id, "shown": offer.price.minor})
        for offer in turn.shop.offers_for(turn.uow, turn.customer_id)
    ]
    return Show(head if offers else turn.say("buy.nothing_on_sale", shop=turn.shop.name), (*offers, *others))


@screen("packages", looks=True)
def packages(turn: Turn) -> Show:
    """The price list on its own."""
    return price_list(turn, turn.say("buy.choose"), [])


@screen("confirm", looks=True)
def confirm(turn: Turn) -> Show:
    """The package, its price, and for which device: the one that waits, one of several, or none yet."""
    package_id, shown = turn.args["package"], turn.args["shown"]
    offer = turn.shop.offer(package_id) or Offer.of(catalog.package(turn.uow, package_id))
    price = Money(shown, offer.price.currency)
    what = {"package": package_id, "shown": shown}
    head = turn.say("buy.confirm", package=offer.name, price=price, contents=words.contents(turn.language, offer))
    waiting = [] if _has_device(turn) else network.waiting_devices(turn.uow, limit=WAITING_SHOWN_MAX)
    if not waiting:
        return Show(head, (Option(turn.say("buy.pay"), "pay", what),))
    later = Option(turn.say("buy.pay_later_device"), "pay", what)
    if len(waiting) == 1:
        mac, router = waiting[0]
        return Show(
            turn.say("buy.for_device", head=head, device=short(mac), router=place(router)),
            (
                Option(turn.say("buy.pay"), "pay", what | {"mac": mac}),
                Option(turn.say("buy.other_device"), "pay_other", what),
                later,
            ),
        )
    picks = [Option(f"{short(mac)} {place(router)}", "pay", what | {"mac": mac}) for mac, router in waiting]
    return Show(turn.say("buy.which_device", package=offer.name, price=price), (*picks, later))


def _has_device(turn: Turn) -> bool:
    return turn.customer_id is not None and customers.has_device(turn.uow, turn.customer_id)


@screen("pay_other", looks=True)
def pay_other(turn: Turn) -> Show:
    """Type the device that the package is for."""
    return Show(turn.say("devices.type"), typed="pay_typed")


@screen("pay_typed")
def pay_typed(turn: Turn) -> Show:
    """Pay, for the device that was typed."""
    turn.args = turn.args | {"mac": typed_device(turn.uow, turn.answer)}
    return pay(turn)


@screen("renew")
def renew(turn: Turn) -> Show:
    """The same again, in one key press; somebody without a device is shown the ones that wait."""
    if not _has_device(turn) and network.waiting_devices(turn.uow, limit=1):
        return turn.go("confirm", **turn.args)
    return pay(turn)


@screen("pay")
def pay(turn: Turn) -> Show:
    """Order it, at the price that was shown, for the device that was chosen; and say what happens next."""
    shown = turn.args
    who = turn.recognise()
    package = catalog.package(turn.uow, shown["package"])
    if "mac" in shown:
        customers.add_device(turn.uow, who, shown["mac"])
    try:
        order = purchases.buy(
            turn.uow, who, package, key=f"ussd:{turn.session_id}", shown=Money(shown["shown"], package.currency),
            network=turn.network,
        )  # fmt: skip
    except PriceChanged as refusal:
        note = words.refused(turn.language, refusal)
        return turn.go("confirm", note, package=package.id, shown=package.price_minor)
    except NotOnSale as refusal:
        return turn.go("packages", words.refused(turn.language, refusal))
    return replace(_ordered(turn, who, package, order), outcome=ORDERED)


def _ordered(turn: Turn, who: Customer, package: catalog.Package, order: purchases.Order) -> Show:
    """The last word about an order, by the way it is paid."""
    name = plain(package.name)
    if order.way == "wallet":
        ends_at = subscriptions.left(turn.uow, who.id).ends_at or turn.uow.now
        text = turn.say("buy.paid", package=name, price=order.purchase.price, until=words.when(ends_at, turn.shop.zone))
    elif order.way == "prompt":
        text = turn.say("buy.prompt", amount=order.due, paybill=order.paybill, account=order.account)
    else:
        text = turn.say("buy.paybill", package=name, amount=order.due, paybill=order.paybill, account=order.account)
        messaging.notify(
            turn.uow, f"paybill:{order.purchase.id}", turn.msisdn, turn.language, "paybill", package=name,
            amount=order.due, paybill=order.paybill, account=order.account,
        )  # fmt: skip
    if not customers.has_device(turn.uow, who.id):
        text = f"{text} {turn.say('buy.device_later')}"
    return turn.end(text)
