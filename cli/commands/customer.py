"""`duka customer`: what is known about one person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli import console
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import customers, ledger, messaging, network, purchases, subscriptions, tenants
from core.ledger import chart
from core.phone import Msisdn
from core.texts import duration, volume
from core.uow import UnitOfWork

MESSAGES_SHOWN = 5

app = typer.Typer(no_args_is_help=True, help="What is known about one customer.")


@app.callback()
def _group() -> None:
    """What is known about one customer."""


@app.command("show")
def show(
    phone: Annotated[str, typer.Argument(help="0712 345678 or +254712345678.")],
    reveal: Annotated[bool, typer.Option(help="Show number and texts in full; noted in the audit.")] = False,
    tenant: TenantOption = None,
) -> None:
    """What they have left, their devices, whether they are online, and what they were told lately."""
    with shop(tenant) as here, here.work() as uow:
        number = Msisdn.parse(phone, here.tenant.country)
        known = customers.by_phone(uow, number)
        if known is None:
            raise Failed(f"nobody with the number {number.masked} has been here yet")
        if reveal:
            uow.record("customer.revealed", known)
        console.table(("", ""), _facts(uow, here, known, number if reveal else number.masked))
        _devices(uow, known.id)
        _messages(uow, number, tenants.zone(here.tenant), reveal=reveal)


def _facts(uow: UnitOfWork, here: Shop, known: customers.Customer, number: str) -> list[tuple[str, object]]:
    zone = tenants.zone(here.tenant)
    has = subscriptions.left(uow, known.id)
    last = purchases.last_completed(uow, known.id)
    wallet = ledger.balance(uow, chart.wallet(known.id), here.tenant.currency)
    if has.ends_at is None:
        left = "nothing"
    else:
        left = f"{duration(has.seconds)}{'' if has.bytes is None else f', {volume(has.bytes)}'}, until {at(has.ends_at, zone)}"
    return [
        ("number", plain(number)),
        ("account", plain(known.account_code)),
        ("language", plain(known.language)),
        ("customer since", at(known.created_at, zone)),
        ("in the wallet", wallet),
        ("last bought", f"{last.price} at {at(last.completed_at, zone)}" if last and last.completed_at else "never"),
        ("has left", left),
        ("online", "yes" if network.online_devices(uow, known.id) else "no"),
    ]


def _devices(uow: UnitOfWork, customer_id: int) -> None:
    held = customers.devices(uow, customer_id)
    if not held:
        console.say("no devices")
        return
    console.table(
        ("device", "kind of address"), [(plain(each.mac), "private" if each.randomised else "fixed") for each in held]
    )


def _messages(uow: UnitOfWork, number: Msisdn, zone: ZoneInfo, *, reveal: bool) -> None:
    rows = [
        (at(each.created_at, zone), each.template, each.state, plain(each.text) if reveal else "")
        for each in messaging.history(uow, number, limit=MESSAGES_SHOWN)
    ]
    if rows:
        console.table(("told at", "about", "state", "words"), rows)


def at(moment: datetime, zone: ZoneInfo) -> str:
    """An instant on the ISP's own clock."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
