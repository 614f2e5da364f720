"""`duka customer`: what is known about one person, and what they get beyond their package."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli import console
from cli.commands import login
from cli.commands.login import Address, Phone, Routes, addresses, told
from cli.commands.login import known as known_customer
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import catalog, customers, ledger, messaging, network, purchases, subscriptions, tenants
from core.catalog import MAC, SERVICES
from core.ledger import chart
from core.phone import Msisdn
from core.texts import duration, volume
from core.uow import UnitOfWork

MESSAGES_SHOWN = 5
Service = Annotated[str, typer.Option(help=f"Kind of access: {' or '.join(SERVICES)}.")]

app = typer.Typer(no_args_is_help=True, help="What is known about one customer.")


app.add_typer(login.app, name="login")


@app.callback()
def _group() -> None:
    """What is known about one customer."""


@app.command("show")
def show(
    phone: Phone,
    reveal: Annotated[bool, typer.Option(help="Show number and texts in full; noted in the audit.")] = False,
    tenant: TenantOption = None,
) -> None:
    """What they have left, their devices, whether they are online, and what they were told lately."""
    with shop(tenant) as here, here.work() as uow:
        known = known_customer(uow, here, phone)
        number = known.phone
        assert number is not None, "it was found by it"
        if reveal:
            uow.record("customer.revealed", known)
        console.table(("", ""), _facts(uow, here, known, number if reveal else number.masked))
        _devices(uow, known.id)
        _messages(uow, number, tenants.zone(here.tenant), reveal=reveal)


@app.command("device")
def device(
    phone: Phone,
    mac: Annotated[str, typer.Argument(help="Address of the device: AA:BB:CC:DD:EE:FF.")],
    address: Address = None,
    route: Routes = None,
    plainly: Annotated[bool, typer.Option("--no-address", help="No addresses of its own any more.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Give somebody a device, or a device of theirs an address that is always the same (DHCP, hotspot)."""
    extras = customers.Extras() if plainly else addresses(address, route)
    with shop(tenant) as here, here.work() as uow:
        who = known_customer(uow, here, phone)
        held = customers.add_device(uow, who, mac)
        if extras is not None:
            customers.give_addresses(uow, held, extras)
        console.good(f"device {plain(held.mac)}: {plain(told(held.extras))}")


@app.command("auto-renew")
def auto_renew(
    phone: Phone,
    wanted: Annotated[bool, typer.Option("--on/--off", help="Buy again what ends, from the wallet.")],
    tenant: TenantOption = None,
) -> None:
    """Whether what ends is bought again by itself. Only what the wallet covers is ever bought."""
    with shop(tenant) as here, here.work() as uow:
        subscriptions.renew_by_itself(uow, known_customer(uow, here, phone), wanted=wanted)
    console.good("what ends is bought again from the wallet" if wanted else "nothing is bought by itself")


@app.command("change")
def change(
    phone: Phone,
    code: Annotated[str, typer.Argument(help="Code of the package, as in `duka package list`.")],
    tenant: TenantOption = None,
) -> None:
    """Run what is left of their time on the terms of another package, from now on. No money moves."""
    with shop(tenant) as here, here.work() as uow:
        package = catalog.by_code(uow, code)
        if package is None:
            raise Failed(f"no package with the code {plain(code)} is on sale; `duka package list` shows them")
        running = _latest(uow, known_customer(uow, here, phone), package.service)
        subscriptions.change_package(uow, running, package)
        console.good(f"{plain(package.name)} from now on, until {at(running.ends_at, tenants.zone(here.tenant))}")


@app.command("suspend")
def suspend(
    phone: Phone,
    service: Service = MAC,
    resume: Annotated[bool, typer.Option("--undo", help="Let them on again.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Cut somebody off by hand; their time goes on running. `--undo` lets them on again."""
    with shop(tenant) as here, here.work() as uow:
        running = _latest(uow, known_customer(uow, here, phone), service)
        (subscriptions.resume if resume else subscriptions.suspend)(uow, running)
    console.good("they may go on" if resume else "cut off")


def _latest(uow: UnitOfWork, who: customers.Customer, service: str) -> subscriptions.Subscription:
    """What runs now, cut off or not."""
    for row in subscriptions.live(uow, who.id, lock=True):
        if row.service == service and row.starts_at <= uow.now:
            return row
    raise Failed("nothing of this kind runs for them now; `duka customer show` tells what they have")


@app.command("log")
def log(
    whom: Annotated[str, typer.Argument(help="A phone number, a login, or the address of a device.")],
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many lines.")] = 20,
    before: Annotated[int | None, typer.Option(help="Go on before this line.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Who was let in, who was not and why, and when somebody was cut off; newest first."""
    with shop(tenant) as here, here.look() as uow:
        zone, users, who = tenants.zone(here.tenant), *_whom(uow, here, whom)
        answers = network.answers_to(uow, users, limit=limit, before_id=before)
        cuts = subscriptions.suspensions(uow, who.id, limit) if who and before is None else []
    console.table(
        ("line", "at", "user", "device", "asked at", "answer", "why"),
        [
            (each.id, f"{each.at.astimezone(zone):%Y-%m-%d %H:%M:%S}", plain(each.user), plain(each.device),
             plain(each.place), each.verdict, each.reason)
            for each in answers
        ],
    )  # fmt: skip
    if len(answers) == limit:
        console.hint(f"older ones: --before {answers[-1].id}")
    if cuts:
        console.table(("cut off at", "why"), [(at(each.at, zone), each.reason) for each in cuts])


def _whom(uow: UnitOfWork, here: Shop, whom: str) -> tuple[list[str], customers.Customer | None]:
    """Names in RADIUS, and the customer when one was named."""
    if not whom.strip().isdecimal():  # a number without signs is a phone's
        try:
            return [customers.normalise_mac(whom)], None
        except customers.BadMac:
            pass
    try:
        name = customers.normalise_login(whom)
    except customers.BadLogin:
        name = ""
    if customers.login_named(uow, name) is not None:
        return [name], None
    who = known_customer(uow, here, whom)
    return network.users_of(uow, who.id), who


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
        ("device", "kind of address", "addresses"),
        [(plain(each.mac), "private" if each.randomised else "fixed", plain(told(each.extras))) for each in held],
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
