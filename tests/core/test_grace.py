"""Minutes to pay in: once per device and day, slow, at nobody's cost, and never in the way of what was paid for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import customers, network, subscriptions, tenants
from core.app import App
from core.audit import AuditEntry
from core.clock import FrozenClock
from core.config import Settings
from core.customers import BadMac
from core.errors import Refusal
from core.network import (
    PAGE,
    GraceCrowded,
    GraceNotHere,
    GraceNotNeeded,
    GraceOff,
    GraceSession,
    GraceUsed,
    grace_is_offered,
)
from core.network import grace as inside
from core.outbox import Promise
from core.roles import CUSTOMER
from core.tenants import TenantSettings
from jobs.perform import perform
from jobs.registry import JOBS
from tests.core.access_kit import DEVICE, ask, buy, package, with_device
from tests.core.kit import ACCOUNTS, Shop, open_shop

OTHER = "02:00:5E:10:00:0B"


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    shop = open_shop(settings)
    with shop.work() as uow:
        tenants.change_settings(uow, ACCOUNTS.model_copy(update={"grace_minutes": 8, "grace_page": True}))
        for name, slug in (("market", "market"), ("lake", "lake")):
            site = tenants.add_site(uow, slug, slug.title())
            address = "10.8.0.2" if name == "market" else "10.8.0.3"
            network.add_router(
                uow, name=name, host=address, username="duka", password="x", nas_address=address, site_id=site.id
            )
    yield shop
    shop.app.close()


def knock(shop: Shop, mac: str = DEVICE, router: str = "market") -> None:
    with shop.work() as uow:
        network.seen(uow, network.find_router(uow, router).id, mac)


def lend(shop: Shop, mac: str = DEVICE, **how: str) -> GraceSession:
    """Asked for and carried out."""
    with shop.app.work(shop.tenant_id, CUSTOMER) as uow:
        made = network.lend_grace(uow, mac, **how)
    carry_out(shop)
    return made


def carry_out(shop: Shop) -> None:
    """Rows are written, as a worker does; routers are left alone."""
    for _ in range(10):
        with shop.app.work(None) as uow:
            open_ = uow.session.query(Promise).filter(Promise.done_at.is_(None), Promise.due_at <= uow.now)
            due = [row.id for row in open_ if row.kind in ("LendGrace", "SyncAccess")]
        for number in due:
            perform(shop.app, JOBS, number)
        if not due:
            return
    raise AssertionError("promises breed promises")


def refused(shop: Shop, kind: type[Refusal], mac: str = DEVICE, **how: str) -> None:
    with pytest.raises(kind), shop.app.work(shop.tenant_id, CUSTOMER) as uow:
        network.lend_grace(uow, mac, **how)


def events(shop: Shop) -> list[str]:
    with shop.app.look(shop.tenant_id) as uow:
        return [row.event for row in uow.session.query(AuditEntry).order_by(AuditEntry.id) if "grace." in row.event]


# ---- what it is --------------------------------------------------------------------------------------------------------


def test_a_device_that_waits_is_let_in_slowly_for_some_minutes_at_nobodys_cost(shop: Shop) -> None:
    knock(shop)
    assert ask(shop) == "not_paid"
    made = lend(shop, slug="market", entrance=PAGE)
    assert made.ends_at - made.began_at == timedelta(minutes=8)
    answer = ask(shop)
    assert (answer["Mikrotik-Rate-Limit"], answer["Session-Timeout"]) == ("512k/512k", 480)
    assert answer["Class"] == "duka:0"
    assert ask(shop, password=DEVICE) == "wrong_password"
    shop.later(minutes=5)
    assert ask(shop)["Session-Timeout"] == 180
    assert events(shop) == ["grace.lent"]


def test_its_rows_end_by_themselves_even_if_nobody_takes_them_away(shop: Shop) -> None:
    knock(shop)
    lend(shop)
    shop.later(minutes=8)
    assert ask(shop) == "expired"
    carry_out(shop)
    assert ask(shop) == "not_paid"
    assert events(shop) == ["grace.lent", "grace.over"]


# ---- once a day --------------------------------------------------------------------------------------------------------


def test_the_second_time_on_the_same_local_day_is_refused_and_the_next_day_is_another(shop: Shop) -> None:
    knock(shop)
    lend(shop)
    refused(shop, GraceUsed)
    shop.later(minutes=20)
    knock(shop)
    refused(shop, GraceUsed)
    refused(shop, GraceUsed, DEVICE.lower().replace(":", "-"))
    knock(shop, OTHER)
    lend(shop, OTHER)
    zone = tenants.zone(_tenant(shop))
    local = shop.clock.now().astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    shop.clock.advance(midnight - local - timedelta(seconds=1))
    knock(shop)
    refused(shop, GraceUsed)
    shop.later(seconds=1)
    lend(shop)
    assert ask(shop)["Session-Timeout"] == 480


def test_two_days_do_not_stack_at_midnight_and_the_old_end_does_not_end_the_new_one(shop: Shop) -> None:
    zone = tenants.zone(_tenant(shop))
    local = shop.clock.now().astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    shop.clock.advance(midnight - local - timedelta(minutes=2))
    knock(shop)
    lend(shop)
    shop.later(minutes=3)
    refused(shop, GraceUsed)
    shop.later(minutes=5)
    with shop.app.work(shop.tenant_id, CUSTOMER) as uow:  # the promise of the first one's end is not kept yet
        network.lend_grace(uow, DEVICE)
    carry_out(shop)
    assert ask(shop)["Session-Timeout"] == 480


def test_two_wishes_at_once_are_one(shop: Shop) -> None:
    knock(shop)
    with shop.work() as uow:
        network.lend_grace(uow, DEVICE)
        with pytest.raises(GraceUsed):
            network.lend_grace(uow, DEVICE)
    with shop.app.look(shop.tenant_id) as uow:
        assert uow.session.query(GraceSession).count() == 1


# ---- who gets none -----------------------------------------------------------------------------------------------------


def test_only_a_device_that_a_router_of_that_place_has_refused_lately_is_lent_anything(shop: Shop) -> None:
    refused(shop, GraceNotHere)
    knock(shop)
    refused(shop, GraceNotHere, slug="lake")
    shop.later(minutes=11)
    refused(shop, GraceNotHere)
    refused(shop, BadMac, "not a device")
    refused(shop, BadMac, "")
    other = open_shop_beside(shop)
    knock(shop)
    with other.work() as uow:
        tenants.change_settings(uow, ACCOUNTS.model_copy(update={"grace_minutes": 8}))
    refused(other, GraceNotHere)


def open_shop_beside(shop: Shop) -> Shop:
    app, clock = shop.app, shop.clock
    assert isinstance(app, App) and isinstance(clock, FrozenClock)
    with app.work(None) as uow:
        made = tenants.open_tenant(
            uow, slug="shore", name="Shore", country="KE", currency="KES", timezone="Africa/Nairobi"
        )
    return Shop(app, clock, made.id)


def test_it_is_off_until_the_isp_switches_it_on_and_the_page_only_where_it_is_needed(shop: Shop) -> None:
    knock(shop)
    for changed, by_page, by_staff in (
        ({}, GraceOff, GraceOff),
        ({"grace_page": True}, GraceOff, GraceOff),
        ({"grace_minutes": 5}, GraceOff, None),
    ):
        with shop.work() as uow:
            tenants.change_settings(uow, ACCOUNTS.model_copy(update=changed))
        refused(shop, by_page, entrance=PAGE)
        if by_staff is not None:
            refused(shop, by_staff)
    assert lend(shop).ends_at == shop.clock.now() + timedelta(minutes=5)


def test_a_company_whose_pages_lead_to_any_bank_makes_the_page_offer_it() -> None:
    class WithCards(TenantSettings):
        @property
        def companies(self) -> tuple[str, ...]:
            return ("daraja", "stripe")

    assert grace_is_offered(WithCards(grace_minutes=5))
    assert not grace_is_offered(WithCards())
    assert not grace_is_offered(TenantSettings(grace_minutes=5))


def test_whoever_has_paid_or_was_cut_off_by_hand_is_lent_nothing(shop: Shop) -> None:
    with_device(shop)
    knock(shop)
    number = buy(shop, package(shop))
    refused(shop, GraceNotNeeded)
    with shop.work() as uow:
        subscriptions.suspend(uow, subscriptions.subscription(uow, number))
    refused(shop, GraceNotNeeded)


def test_made_up_addresses_do_not_get_the_whole_line(shop: Shop) -> None:
    for number in range(inside.AT_ONCE_MAX):
        mac = f"02:00:00:00:01:{number:02X}"
        knock(shop, mac)
        with shop.work() as uow:
            network.lend_grace(uow, mac)
    knock(shop)
    refused(shop, GraceCrowded)
    shop.later(minutes=9)
    knock(shop)
    lend(shop)


# ---- beside what is paid for -------------------------------------------------------------------------------------------


def test_somebody_whose_package_is_over_gets_them_and_paying_takes_their_place_at_once(shop: Shop) -> None:
    with_device(shop)
    sold = package(shop, hours=1)
    buy(shop, sold)
    shop.later(hours=2)
    with shop.work() as uow:
        subscriptions.close_ended(uow)
    carry_out(shop)
    assert ask(shop) == "expired"
    knock(shop)
    lend(shop)
    assert ask(shop)["Session-Timeout"] == 480
    number = buy(shop, sold)
    answer = ask(shop)
    assert (answer["Class"], answer["Session-Timeout"]) == (f"duka:{number}", 3600)
    assert events(shop) == ["grace.lent", "grace.paid"]
    shop.later(minutes=9)
    carry_out(shop)
    assert ask(shop)["Class"] == f"duka:{number}", "the end of the minutes takes nothing from what was paid for"
    assert events(shop) == ["grace.lent", "grace.paid"]


def test_a_device_that_is_claimed_while_it_pays_stays_on_and_is_out_when_nobody_paid(shop: Shop) -> None:
    knock(shop)
    lend(shop)
    with_device(shop)
    carry_out(shop)
    assert ask(shop)["Session-Timeout"] == 480
    with shop.work() as uow:
        held = customers.owner_of(uow, DEVICE)
        assert held is not None
        customers.release_device(uow, customers.customer(uow, held.customer_id), held)
    carry_out(shop)
    assert ask(shop)["Session-Timeout"] == 480, "given back, its minutes go on"
    shop.later(minutes=8)
    carry_out(shop)
    assert ask(shop) == "not_paid"


def test_what_was_lent_is_forgotten_after_a_while_and_with_its_router(shop: Shop) -> None:
    knock(shop)
    lend(shop)
    with shop.app.work(None) as uow:
        assert network.forget_graces(uow, uow.now) == 0
    shop.later(days=2)
    with shop.app.work(None) as uow:
        assert network.forget_graces(uow, uow.now - timedelta(days=1)) == 1
    knock(shop)
    lend(shop)
    with shop.work() as uow:
        network.remove_router(uow, network.find_router(uow, "market"))
    carry_out(shop)


def _tenant(shop: Shop) -> tenants.Tenant:
    with shop.work() as uow:
        return tenants.current(uow)
