"""Packets of routers as values, and what the tables say after they were told."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from core import customers, network, subscriptions
from core.config import Settings
from core.network import AccountingEvent, Traffic
from core.phone import Msisdn
from core.radius_tables import radacct, usage_day
from tests.core.kit import Shop

MARKET, LAKE = "10.9.0.2", "10.9.0.3"
GB = 10**9
NUMBERS = count(1)


def add_router(shop: Shop, address: str) -> None:
    with shop.work() as uow:
        network.add_router(
            uow, name=f"router {address}", host=address, username="duka", password="x", nas_address=address
        )


def sell(shop: Shop, quota_bytes: int | None = 10 * GB, **extras: Any) -> int:
    """Somebody has a package; its subscription."""
    number = next(NUMBERS)
    with shop.work() as uow:
        who = customers.recognise(uow, Msisdn(f"+2547{number:08}"), "en")
        package = shop.package(uow, code=f"P{number}", hours=24 * 30, quota_bytes=quota_bytes, **extras)
        return subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=number).id


def event(shop: Shop, kind: str, session: str, subscription: int = 0, total: int = 0, **more: Any) -> AccountingEvent:
    """A packet of a device that is called after its session; half of the total in each direction."""
    mac = more.pop("mac", f"device {session}")
    traffic = Traffic(total // 2, total - total // 2, more.pop("seconds", 0))
    klass = f"duka:{subscription}" if subscription else ""
    made = AccountingEvent(kind, 1, MARKET, shop.clock.now(), session, mac, mac, traffic=traffic, klass=klass)
    return made._replace(**more)


def tell(shop: Shop, *events: AccountingEvent) -> None:
    with shop.app.work(None) as uow:
        network.account_many(uow, events)


def used(shop: Shop, subscription: int) -> int:
    with shop.work() as uow:
        return subscriptions.subscription(uow, subscription).used_bytes


def sessions(shop: Shop) -> list[Any]:
    with shop.app.engine.connect() as connection:
        return list(connection.execute(select(radacct).order_by(radacct.c.acctstarttime, radacct.c.acctsessionid)))


def days(shop: Shop) -> list[Any]:
    with shop.app.engine.connect() as connection:
        return list(connection.execute(select(usage_day).order_by(usage_day.c.day, usage_day.c.username)))


def count_of(shop: Shop, what: Any) -> int:
    with shop.app.engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(what)) or 0)


def settings_of(shop: Shop) -> Settings:
    return shop.app.settings


@pytest.fixture
def market(shop: Shop) -> Shop:
    add_router(shop, MARKET)
    return shop
