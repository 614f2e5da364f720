"""`duka why`: twelve ways of not being online, each told by its own cause first; and nothing said that was not looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from cli.commands.why import sights
from cli.shop import Shop
from core import catalog, customers, diagnosis, subscriptions, tenants
from core.customers import Customer
from core.diagnosis import Check
from core.phone import BadPhone, Msisdn
from core.radius_tables import radcheck
from core.rates import Speed
from tests.journeys.told import order, ordered, pay, until_prompted
from tests.town import CALLER, NEIGHBOUR, TV, Town

NEW_MAC = "02:00:5E:10:C3:D4"


@pytest.fixture
def town(town: Town) -> Town:
    """A router that is set up as it should be: it resolves names, and phones reach the portal."""
    port = town.portal_base.rpartition(":")[2]
    town.router.run("/ip/dns/set", servers="9.9.9.9", allow_remote_requests="yes")
    town.router.run(
        "/ip/hotspot/walled-garden/ip/add", dst_address="127.0.0.1", protocol="tcp", dst_port=port, action="accept",
        comment=f"duka:garden-portal-127.0.0.1-{port}",
    )  # fmt: skip
    return town


def asked(town: Town, who: str = CALLER) -> list[Check]:
    """What `duka why` finds, routers asked over the wire."""
    with town.app.look(None) as uow:
        tenant = next(each for each in tenants.everyone(uow) if each.id == town.shop.tenant_id)
    here = Shop(town.app, tenant.id, tenant)
    with here.look() as uow:
        case = diagnosis.case_of(uow, who)
    return diagnosis.judge(case, sights(here, case.places))


def cause(town: Town, who: str = CALLER) -> tuple[str, str]:
    """The check that failed first, and what it found."""
    found = diagnosis.cause(asked(town, who))
    assert found is not None and found.advice
    return found.key, found.found


def paid(town: Town, mac: str = TV) -> Customer:
    """Somebody with a device and three hours, written into RADIUS; the device is not there."""
    who = town.customer(CALLER, mac)
    package = town.package()
    with town.app.work(town.shop.tenant_id) as uow:
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1)
    town.work_off()
    return who


def all_data_used(town: Town, **package: object) -> None:
    """Bought by dialling, and used up within ten minutes."""
    town.package(**package)
    device = town.plug_in(TV)
    town.work_off()
    order(town)
    until_prompted(town)
    pay(town)
    device.move_traffic(0, 2_000_000)
    town.pass_time(600, step_seconds=60)


def stranger(town: Town) -> None:
    """Nobody with this number was ever here."""


def never_bought(town: Town) -> None:
    town.customer(CALLER, TV)


def wrong_pin(town: Town) -> None:
    town.package()
    town.plug_in(TV)
    order(town)
    until_prompted(town)
    town.caller.type_pin("9999")
    town.work_off()


def ended(town: Town) -> None:
    paid(town)
    town.pass_time(3 * 3600 + 60, step_seconds=1800)


def used_up(town: Town) -> None:
    all_data_used(town, quota_bytes=1_000_000)


def stopped_by_hand(town: Town) -> None:
    who = paid(town)
    with town.app.work(town.shop.tenant_id) as uow:
        running = subscriptions.running(uow, who.id)
        assert running is not None
        subscriptions.suspend(uow, running)
    town.work_off()


def too_many_devices(town: Town) -> None:
    who = paid(town)
    with town.app.work(town.shop.tenant_id) as uow:
        customers.add_device(uow, who, NEW_MAC)
    town.work_off()


def no_device(town: Town) -> None:
    who = town.customer(CALLER)
    package = town.package()
    with town.app.work(town.shop.tenant_id) as uow:
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1)
    town.work_off()


def rows_are_missing(town: Town) -> None:
    who = town.customer(CALLER, TV)
    package = town.package()
    with town.app.work(town.shop.tenant_id) as uow:
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1)


def outside_hours(town: Town) -> None:
    who = town.customer(CALLER, TV)
    package = town.package(profile=catalog.Profile(hours="0-1"))
    with town.app.work(town.shop.tenant_id) as uow:
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1)
    town.work_off()
    town.plug_in(TV)
    town.work_off()


def router_is_dead(town: Town) -> None:
    paid(town)
    town.router.faults.unreachable()


def hotspot_is_off(town: Town) -> None:
    paid(town)
    town.router.run("/ip/hotspot/set", numbers="hotspot1", disabled="yes")


def away(town: Town) -> None:
    paid(town)


def another_address(town: Town) -> None:
    paid(town)
    town.plug_in(NEW_MAC)


def radius_is_silent(town: Town) -> None:
    town.radius.stop()
    paid(town)
    town.plug_in(TV)
    town.clock.advance(timedelta(minutes=20))


def slow(town: Town) -> None:
    all_data_used(town, quota_bytes=1_000_000, profile=catalog.Profile(slow=Speed(64, 64)))


def wrong_clock(town: Town) -> None:
    ordered(town)
    pay(town)
    town.clock.advance(timedelta(minutes=9))


def radius_is_elsewhere(town: Town) -> None:
    paid(town)
    row = next(iter(town.router.rows("/radius")))
    town.router.run("/radius/set", numbers=row[".id"], address="192.0.2.9")
    town.plug_in(TV)


def blocked_by_hand(town: Town) -> None:
    paid(town)
    town.router.run("/ip/hotspot/ip-binding/add", mac_address=TV, type="blocked")
    town.plug_in(TV)


def years_behind(town: Town) -> None:
    ordered(town)
    pay(town)
    town.router.clock_skew_seconds = -100 * 86400.0


def closed_garden(town: Town) -> None:
    ordered(town)
    pay(town)
    row = next(iter(town.router.rows("/ip/hotspot/walled-garden/ip")))
    town.router.run("/ip/hotspot/walled-garden/ip/remove", numbers=row[".id"])


CAUSES: list[tuple[Callable[[Town], object], str, str]] = [
    (stranger, "known", "nobody with this number was ever here"),
    (never_bought, "paid", "they never bought anything"),
    (wrong_pin, "paid", "they typed a wrong PIN"),
    (ended, "entitled", "ended at"),
    (used_up, "entitled", "the data of 3 hours is used up"),
    (stopped_by_hand, "entitled", "3 hours was stopped by hand"),
    (too_many_devices, "entitled", "A1B2 has no place"),
    (no_device, "entitled", "they hold no device"),
    (rows_are_missing, "rows", "RADIUS has not been told yet"),
    (outside_hours, "answered", "at certain hours only"),
    (radius_is_silent, "answered", "no router has asked RADIUS about it since"),
    (router_is_dead, "reachable", "market: "),
    (hotspot_is_off, "set up", "hotspot server 'hotspot1' is disabled"),
    (away, "seen", "A1B2 is not at market"),
    (another_address, "same device", f"{NEW_MAC} of nobody waits at market"),
    (closed_garden, "garden", "at market phones do not reach 127.0.0.1"),
    (slow, "limits", "it goes on slowly"),
    (wrong_clock, "clock", "the clock of market is 9m behind"),
    (years_behind, "clock", "the clock of market is 100d behind"),
    (radius_is_elsewhere, "active", "not logged in; market differs from what should be on it: /radius"),
    (blocked_by_hand, "seen", "somebody blocked A1B2 by hand at market"),
]


@pytest.mark.parametrize(("trouble", "key", "text"), CAUSES, ids=[each[0].__name__ for each in CAUSES])
def test_the_right_cause_is_named_first(town: Town, trouble: Callable[[Town], object], key: str, text: str) -> None:
    trouble(town)
    who = TV if trouble is too_many_devices else CALLER
    found = cause(town, who)
    assert found[0] == key, found
    assert text in found[1]


def test_somebody_who_is_online_has_no_cause(town: Town) -> None:
    ordered(town)
    pay(town)
    checks = asked(town)
    assert diagnosis.cause(checks) is None
    assert [check.key for check in checks] == [
        "known", "paid", "entitled", "rows", "answered", "reachable", "set up", "seen", "same device", "active", "limits",
        "garden", "clock",
    ]  # fmt: skip
    assert {check.answer for check in checks} == {"yes"}


def test_what_could_not_be_asked_is_unknown_and_not_a_yes(town: Town) -> None:
    router_is_dead(town)
    answers = {check.key: check.answer for check in asked(town)}
    assert answers["reachable"] == "no"
    assert {answers[key] for key in ("set up", "seen", "same device", "active", "garden", "clock")} == {"unknown"}


def test_a_device_can_be_asked_about_by_its_address_in_any_spelling(town: Town) -> None:
    assert cause(town, "02-00-5e-10-a1-b2") == ("known", "this device belongs to nobody")
    town.plug_in(TV)
    town.work_off()
    assert cause(town, TV.lower()) == ("known", "this device belongs to nobody, it waits at market")
    paid(town)
    town.work_off()
    assert diagnosis.cause(asked(town, TV.replace(":", ""))) is None


def test_a_login_can_be_asked_about_by_its_name(town: Town) -> None:
    who = town.customer(NEIGHBOUR)
    assert cause(town, "home-7") == ("known", "there is no login 'home-7'")
    package = town.package(code="HOME", service="ppp")
    with town.app.work(town.shop.tenant_id) as uow:
        customers.add_login(uow, who, "home-7")
    assert cause(town, "Home-7") == ("paid", "they never bought anything")
    with town.app.work(town.shop.tenant_id) as uow:
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1)
    town.work_off()
    assert cause(town, "home-7")[0] == "active"


def test_rows_that_somebody_changed_by_hand_are_noticed(town: Town) -> None:
    paid(town)
    with town.app.work(None) as uow:
        uow.session.execute(update(radcheck).where(radcheck.c.attribute == "Expiration").values(value="1"))
    assert cause(town)[0] == "rows"


def test_an_answer_from_before_the_purchase_proves_nothing(town: Town) -> None:
    town.plug_in(TV)
    town.router.faults.unreachable()
    town.clock.advance(timedelta(seconds=5))
    paid(town)
    answers = {check.key: check.answer for check in asked(town)}
    assert answers["answered"] == "unknown"


def test_another_isps_customer_is_nobody_here(town: Town) -> None:
    paid(town)
    with town.app.work(town.shop.tenant_id) as uow:
        other = customers.by_phone(uow, Msisdn(NEIGHBOUR))
    assert other is None
    assert cause(town, NEIGHBOUR)[0] == "known"


@pytest.mark.parametrize("text", ["", " ", "12", "'; drop table customer; --", "+", "\x00", "0" * 400])
def test_nonsense_is_refused_in_words(town: Town, text: str) -> None:
    with town.app.look(town.shop.tenant_id) as uow:
        try:
            case = diagnosis.case_of(uow, text)
        except BadPhone:
            return
    assert case.customer_id is None


def test_no_phone_number_is_told_in_full(town: Town) -> None:
    paid(town)
    assert all(CALLER not in check.found + check.advice for check in asked(town))
