"""`duka customer login`: names with which customers' routers dial in (PPPoE)."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import console, values
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import customers, network
from core.phone import Msisdn
from core.uow import UnitOfWork

app = typer.Typer(no_args_is_help=True, help="Logins that dial in (PPPoE): add, list, reset, release.")
Phone = Annotated[str, typer.Argument(help="0712 345678 or +254712345678.")]
Name = Annotated[str, typer.Argument(help="The login: letters a-z, digits, dots, dashes, underlines.")]
Address = Annotated[str | None, typer.Option(help="Always this IPv4 address: 10.20.0.7.")]
Routes = Annotated[
    list[str] | None,
    typer.Option("--route", help="A network behind it, '10.9.0.0/24 [gateway [metric]]'; may be repeated."),
]
Prefixes = Annotated[list[str] | None, typer.Option("--prefix", help="IPv6 prefix of the line; may be repeated.")]
Delegated = Annotated[
    list[str] | None, typer.Option("--delegated", help="IPv6 prefix for the customer's own router; may be repeated.")
]


@app.command("add")
def add(
    phone: Phone, name: Name, address: Address = None, route: Routes = None, prefix: Prefixes = None,
    delegated: Delegated = None, tenant: TenantOption = None,
) -> None:  # fmt: skip
    """Make a login for somebody, known or new. Its password is made here and shown this once."""
    extras = addresses(address, route, prefix, delegated)
    with shop(tenant) as here, here.work() as uow:
        number = Msisdn.parse(phone, here.tenant.country)
        who = customers.recognise(uow, number, here.tenant.language)
        made = customers.add_login(uow, who, name, extras)
        console.good(f"login {plain(made.name)} for {number.masked}, password {plain(made.password)}")


@app.command("list")
def list_(
    phone: Phone,
    reveal: Annotated[bool, typer.Option(help="Show passwords; noted in the audit.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Somebody's logins and their addresses."""
    with shop(tenant) as here, here.work() as uow:
        who = known(uow, here, phone)
        held = customers.logins(uow, who.id)
        online = {row["username"] for _, row in network.open_sessions(uow, [each.name for each in held])}
        if reveal:
            uow.record("customer.revealed", who, shown="passwords")
        rows = [
            (plain(each.name), plain(each.password) if reveal else "(secret)", plain(told(each.extras)),
             "yes" if each.name in online else "no")
            for each in held
        ]  # fmt: skip
    if not rows:
        console.say("no logins: `duka customer login add`")
        return
    console.table(("login", "password", "addresses", "online"), rows)


@app.command("reset")
def reset(phone: Phone, name: Name, tenant: TenantOption = None) -> None:
    """A new password, shown this once. What is online stays until it dials again."""
    with shop(tenant) as here, here.work() as uow:
        held = customers.reset_login(uow, _login(uow, here, phone, name))
        console.good(f"login {plain(held.name)} has the password {plain(held.password)}")


@app.command("release")
def release(phone: Phone, name: Name, tenant: TenantOption = None) -> None:
    """Take a login away. Its name stays with its owner."""
    with shop(tenant) as here, here.work() as uow:
        held = _login(uow, here, phone, name)
        customers.release_login(uow, held)
        console.good(f"login {plain(held.name)} is released")


def addresses(
    address: str | None, routes: list[str] | None, prefixes: list[str] | None = None, delegated: list[str] | None = None
) -> customers.Extras | None:
    """What was given, understood; None when nothing was."""
    if not (address or routes or prefixes or delegated):
        return None
    return values.checked(customers.Extras, address=address, routes=routes, prefixes=prefixes, delegated=delegated)


def told(extras: customers.Extras) -> str:
    """Fixed addresses in one line."""
    all_of_them = [extras.address, *extras.routes, *extras.prefixes, *extras.delegated]
    return ", ".join(each for each in all_of_them if each) or "-"


def known(uow: UnitOfWork, here: Shop, phone: str) -> customers.Customer:
    """The customer with this number."""
    number = Msisdn.parse(phone, here.tenant.country)
    found = customers.by_phone(uow, number)
    if found is None:
        raise Failed(f"nobody with the number {number.masked} has been here yet")
    return found


def _login(uow: UnitOfWork, here: Shop, phone: str, name: str) -> customers.Login:
    who, wanted = known(uow, here, phone), customers.normalise_login(name)
    found = next((each for each in customers.logins(uow, who.id) if each.name == wanted), None)
    if found is None:
        has = ", ".join(each.name for each in customers.logins(uow, who.id)) or "none"
        raise Failed(f"this customer has no login {wanted!r}; there is: {has}")
    return found
