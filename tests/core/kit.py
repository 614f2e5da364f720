"""An ISP for tests of verbs: an app on a test's database, one tenant, a clock that is moved."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta

from core import catalog, customers, tenants
from core.app import App, open_app
from core.clock import FrozenClock
from core.config import Settings
from core.customers import Customer
from core.money import Money
from core.phone import Msisdn
from core.roles import SYSTEM, Actor
from core.tenants import AfricasTalkingAccount, DarajaAccount, TenantSettings
from core.uow import UnitOfWork

CALLER, NEIGHBOUR = "+254712345678", "+254722000111"
ACCOUNTS = TenantSettings(
    africastalking=AfricasTalkingAccount(username="kiosk", api_key="k", service_code="*384*35711#"),
    daraja=DarajaAccount(consumer_key="ck", consumer_secret="cs", short_code="600123", passkey="pk"),
)


def shillings(amount: int) -> Money:
    return Money(amount * 100, "KES")


@dataclass
class Shop:
    """One ISP and the verbs a test needs all the time."""

    app: App
    clock: FrozenClock
    tenant_id: int

    def work(self, actor: Actor = SYSTEM) -> AbstractContextManager[UnitOfWork]:
        return self.app.work(self.tenant_id, actor)

    def later(self, **delta: float) -> None:
        self.clock.advance(timedelta(**delta))

    def customer(self, uow: UnitOfWork, msisdn: str = CALLER) -> Customer:
        return customers.recognise(uow, Msisdn(msisdn), "en", "63902")

    def package(
        self, uow: UnitOfWork, code: str = "3H", price: int = 20, hours: int = 3, **extras: object
    ) -> catalog.Package:
        return catalog.publish(
            uow, code=code, name=f"{hours} hours", price=shillings(price), duration_seconds=hours * 3600, **extras  # type: ignore[arg-type]
        )  # fmt: skip


def open_shop(settings: Settings, slug: str = "kiosk", app: App | None = None) -> Shop:
    """Open an ISP called `slug`, in a fresh app unless one is given."""
    clock = app.clock if app is not None else FrozenClock()
    assert isinstance(clock, FrozenClock)
    app = app or open_app(settings, clock=clock)
    with app.work(None) as uow:
        tenant = tenants.open_tenant(
            uow, slug=slug, name=slug.title(), country="KE", currency="KES", timezone="Africa/Nairobi"
        )
    shop = Shop(app, clock, tenant.id)
    with shop.work() as uow:
        tenants.change_settings(uow, ACCOUNTS)
    return shop
