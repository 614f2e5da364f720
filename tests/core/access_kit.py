"""From a purchase to the router's answer, without a router: rows are written, and the embedded server's policy reads them."""

from __future__ import annotations

import itertools
from typing import Any

from sqlalchemy import text, update

from core import catalog, customers, network, subscriptions
from core.adapters.radius_rows import RadiusRows
from core.customers import Customer
from core.network import NasClient
from core.outbox import Promise
from radius.policy import Accept, decide
from radius.requests import DHCP, HOTSPOT, PPP, AccessRequest
from tests.core.kit import Shop

DEVICE = "02:00:5E:10:A1:B2"
ROUTER_PASSWORD = "only-the-router-knows"
_NUMBERS = itertools.count(1)
ROUTER = "10.8.0.2"
__all__ = ["DEVICE", "DHCP", "HOTSPOT", "PPP", "ask", "ask_function", "buy", "package", "sync"]


def package(shop: Shop, code: str = "DAY", hours: int = 24, profile: dict[str, Any] | None = None, **facts: Any) -> int:
    """A package on sale; its id."""
    with shop.work() as uow:
        return shop.package(uow, code, hours=hours, profile=catalog.Profile(**(profile or {})), **facts).id


def buy(shop: Shop, package_id: int, msisdn: str = "+254712345678") -> int:
    """Somebody has paid for it; the subscription's id. Rows are written."""
    with shop.work() as uow:
        who = shop.customer(uow, msisdn)
        sold = catalog.package(uow, package_id)
        row = subscriptions.grant(uow, customer_id=who.id, package=sold, purchase_id=next(_NUMBERS))
        number, customer_id = row.id, who.id
    sync(shop, customer_id)
    return number


def sync(shop: Shop, customer_id: int = 1) -> None:
    """What the worker does with the promise."""
    with shop.work() as uow:
        plan = network.desired_access(uow, customer_id)
    RadiusRows(shop.app.engine).apply(plan.accesses)
    with shop.work() as uow:
        network.synced(uow, customer_id, plan)
        uow.session.execute(update(Promise).where(Promise.kind == "SyncAccess").values(done_at=uow.now))


def with_device(shop: Shop, mac: str = DEVICE) -> None:
    """The caller holds a device."""
    with shop.work() as uow:
        customers.add_device(uow, shop.customer(uow), mac)


def with_login(shop: Shop, name: str = "home.1", **extras: Any) -> str:
    """The caller has a login; its password."""
    with shop.work() as uow:
        who: Customer = shop.customer(uow)
        made = customers.add_login(uow, who, name, customers.Extras(**extras) if extras else None)
        return made.password


def ask(
    shop: Shop, user: str = DEVICE, password: str = ROUTER_PASSWORD, service: str = HOTSPOT, realm: str = ""
) -> Any:
    """What a router would be told: a dict of attributes (lists where there are several), or the reason why not.

    Who is led to the pay page gets `("walled", reason)`.
    """
    calling = user if ":" in user else DEVICE
    if service == DHCP:
        calling = "1:" + ":".join(f"{int(group, 16):x}" for group in user.split(":"))
    request = AccessRequest(username=user, calling_station=calling, password=password.encode(), service=service)
    client = NasClient(ROUTER, "secret", shop.tenant_id, 7, realm, ROUTER_PASSWORD, False)
    with shop.app.look(shop.tenant_id) as uow:
        found = decide(
            request, client, lambda name: network.entitlements(uow, {name: shop.tenant_id}).get(name), uow.now
        )
    if not isinstance(found, Accept):
        return found.reason.value
    if found.redirected is not None:
        return "walled", found.redirected.value
    said: dict[str, Any] = {}
    for name, value in found.attributes:
        said[name] = (
            [*said[name], value] if isinstance(said.get(name), list) else [said[name], value] if name in said else value
        )
    return said


def ask_function(shop: Shop, user: str = DEVICE) -> int | str:
    """What FreeRADIUS is given for a device at this moment (core/data/duka_authorize.sql): for how many seconds, or why not.

    PostgreSQL only; the router of `with_router` asks.
    """
    with shop.app.engine.connect() as connection:
        found = connection.execute(
            text("SELECT attribute, value FROM duka_authorize(:router, :user, :asked, :user, :moment)"),
            {"router": ROUTER, "user": user, "asked": HOTSPOT, "moment": int(shop.clock.now().timestamp())},
        )
        said = {row.attribute: row.value for row in found}
    verdict = said["Duka-Card"].split()[0]
    return int(said["Session-Timeout"]) if verdict == "open" else verdict


def with_router(shop: Shop) -> None:
    """The ISP has a router."""
    with shop.work() as uow:
        network.add_router(
            uow, name="market", host=ROUTER, username="duka", password="x", nas_address=ROUTER,
            radius_secret="secret", mac_auth_password=ROUTER_PASSWORD,
        )  # fmt: skip
