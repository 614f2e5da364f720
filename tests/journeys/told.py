"""How stories are told: the ordinary beginning, and what every purchase must end with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count

from core import messaging, purchases, subscriptions
from core.catalog import Package
from core.money import Money
from core.payments import Payment
from core.subscriptions import Subscription
from core.tasks import SyncAccess
from core.uow import UnitOfWork
from sim.routeros import Device
from tests.town import CALLER, PIN, TV, Town

CHECKS_MAX = 8


def order(town: Town, msisdn: str = CALLER) -> None:
    """The caller dials, picks the first package for the device that waits, and hangs up: the prompt is three seconds away."""
    phone = town.phone(msisdn)
    phone.dial(town.shop.service_code)
    phone.answer("1")
    assert "PIN" in phone.answer("1")


def until_prompted(town: Town, msisdn: str = CALLER) -> None:
    """Three seconds later the prompt is on the phone."""
    town.pass_time(3)
    town.phone(msisdn).wait_for_prompt()


def waiting_device(town: Town, mac: str = TV) -> Device:
    """A package is on sale and a device waits on the Wi-Fi."""
    town.package()
    device = town.plug_in(mac)
    town.work_off()
    assert not device.online
    return device


def ordered(town: Town) -> Device:
    """Up to the prompt on the phone."""
    device = waiting_device(town)
    order(town)
    until_prompted(town)
    return device


def pay(town: Town, msisdn: str = CALLER) -> None:
    """The PIN is typed; whatever follows from it happens."""
    town.phone(msisdn).type_pin(PIN)
    town.work_off()


_purchases = count(1)


def buy(town: Town, package: Package, msisdn: str = CALLER) -> None:
    """Somebody has paid for this package at the counter; whatever follows from it happens."""
    who = town.customer(msisdn)
    with town.app.work(town.shop.tenant_id) as uow:
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=next(_purchases))
    town.work_off()


def change(town: Town, work: Callable[[UnitOfWork, Subscription], object]) -> None:
    """Something happens to the only subscription that runs; whatever follows from it happens."""
    with town.app.work(town.shop.tenant_id) as uow:
        row = uow.session.query(Subscription).filter(Subscription.closed_at.is_(None)).one()
        work(uow, row)
        if not uow.promised_now:
            uow.later(SyncAccess(row.customer_id))
    town.work_off()


def only_payment(town: Town) -> Payment:
    with town.app.work(town.shop.tenant_id) as uow:
        return uow.session.query(Payment).one()


def assert_served_once(
    town: Town,
    *,
    prompts: int = 1,
    receipts: int | None = 1,
    wallet_minor: int = 0,
    suspense_minor: int = 0,
    msisdn: str = CALLER,
) -> None:
    """Books at zero, revenue exact, one subscription, one purchase, one prompt, device online, nothing owed or parked."""
    totals = town.totals()
    assert sum(totals.values()) == 0
    assert totals["revenue"] == Money.parse("20", "KES").minor
    assert totals["wallets"] == wallet_minor
    assert totals.get("suspense", 0) == suspense_minor
    assert len(town.subscriptions(msisdn)) == 1
    with town.app.work(town.shop.tenant_id) as uow:
        completed = [row for row in uow.session.query(purchases.Purchase) if row.completed_at is not None]
        told = [m for m in uow.session.query(messaging.Message) if m.key.startswith("receipt:")]
    assert len(completed) == 1
    assert len(told) == 1
    assert len(town.daraja.prompts_for(msisdn)) == prompts
    arrived = [sms for sms in town.africastalking.inbox(msisdn) if sms.text.startswith("Paid")]
    assert len(arrived) == receipts if receipts is not None else arrived
    assert [row["user"] for row in town.router.rows("/ip/hotspot/active")] == [TV]
    assert_nothing_owed(town)


def assert_nothing_owed(town: Town) -> None:
    """Once the checks that are still to come have had their say, every promise is kept."""
    for _ in range(CHECKS_MAX):
        owed = [row for row in town.open_promises() if row.kind != "Probe"]
        assert [(row.kind, row.last_error) for row in owed if row.parked_at] == []
        if not owed:
            return
        until = max((row.due_at - town.clock.now()).total_seconds() for row in owed)
        town.pass_time(max(until, 1) + 1, step_seconds=max(until, 100))
    raise AssertionError(f"still owed: {[(row.kind, row.last_error) for row in town.open_promises()]}")


def hours(count: float) -> float:
    return timedelta(hours=count).total_seconds()
