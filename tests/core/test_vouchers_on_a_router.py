"""Vouchers typed on a router's own login page: claimed by a device, redeemed by a promise, guessed by nobody."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import catalog, customers, ledger, network, subscriptions, vouchers
from core.catalog import PPP
from core.messaging import Message
from core.outbox import Promise
from core.purchases import Purchase
from core.roles import SYSTEM
from core.uow import UnitOfWork
from core.vouchers import CLAIM_WINDOW, ROUTER_GUESSES_MAX, Guess, Voucher
from core.vouchers.actions import TRIES_MAX, TRIES_WINDOW
from jobs.perform import perform
from jobs.registry import JOBS
from tests.core.kit import NEIGHBOUR, Shop

MAC, OTHER = "02:00:5E:10:A1:B2", "02:00:5E:10:A1:B3"
MARKET, LAKE = 1, 2


def issued(shop: Shop, price: int = 20, **more: object) -> str:
    with shop.work() as uow:
        return vouchers.issue(uow, shop.package(uow, f"P{price}", price), **more)  # type: ignore[arg-type]


def typed(shop: Shop, code: str, mac: str = MAC, router_id: int = MARKET) -> str:
    with shop.work() as uow:
        return vouchers.claim(uow, code, mac, router_id)


def redeemed(shop: Shop, *, times: int = 1) -> None:
    """The promises of all claims are kept."""
    with shop.app.work(None, SYSTEM) as uow:
        ids = [row.id for row in uow.session.query(Promise) if row.kind == "RedeemClaim"]
    for promise_id in ids * times:
        perform(shop.app, JOBS, promise_id)


def the_only(uow: UnitOfWork) -> Voucher:
    return uow.session.scalars(select(Voucher)).one()


def holder(uow: UnitOfWork, mac: str = MAC) -> customers.Customer:
    device = customers.owner_of(uow, mac)
    assert device is not None
    return customers.customer(uow, device.customer_id)


def assert_sold_once(shop: Shop, mac: str = MAC, minor: int = 20_00) -> None:
    with shop.work() as uow:
        who = holder(uow, mac)
        (order,) = uow.session.query(Purchase)
        (bought,) = uow.session.query(subscriptions.Subscription)
        assert (order.customer_id, bought.customer_id) == (who.id, who.id)
        assert order.completed_at is not None and the_only(uow).redeemed_by == who.id
        totals = ledger.totals(uow)
        assert (totals["revenue"], totals["vouchers"], sum(totals.values())) == (minor, -minor, 0)


def test_a_voucher_becomes_the_devices_and_then_what_it_sells(shop: Shop) -> None:
    code = issued(shop)
    assert typed(shop, f" {code[:5].lower()}-{code[5:]} ".replace("0", "o").replace("1", "l")) == "claimed"
    with shop.work() as uow:
        assert (the_only(uow).claimed_by, the_only(uow).redeemed_at) == (MAC, None)
    redeemed(shop)
    assert_sold_once(shop)
    with shop.work() as uow:
        who = holder(uow)
        assert (who.msisdn, who.phone, who.language) == (None, None, "en")
        assert [each.mac for each in customers.devices(uow, who.id)] == [MAC]


def test_typed_again_and_promised_again_it_is_sold_once(shop: Shop) -> None:
    code = issued(shop)
    assert [typed(shop, code) for _ in range(3)] == ["claimed"] * 3
    redeemed(shop, times=3)
    assert typed(shop, code) == "own"
    assert_sold_once(shop)
    with shop.work() as uow:
        assert uow.session.query(Promise).filter_by(kind="RedeemClaim").count() == 1


def test_two_phones_at_the_same_moment_and_one_of_them_has_it(shop: Shop) -> None:
    code, said, together = issued(shop), {}, threading.Barrier(2)

    def type_it(mac: str) -> None:
        together.wait()
        said[mac] = typed(shop, code, mac)

    phones = [threading.Thread(target=type_it, args=(mac,)) for mac in (MAC, OTHER)]
    for phone in phones:
        phone.start()
    for phone in phones:
        phone.join()
    assert sorted(said.values()) == ["claimed", "voucher_used"]
    redeemed(shop)
    assert_sold_once(shop, next(mac for mac, verdict in said.items() if verdict == "claimed"))


def test_it_goes_to_whoever_holds_the_device(shop: Shop) -> None:
    code = issued(shop)
    with shop.work() as uow:
        owner = shop.customer(uow)
        customers.add_device(uow, owner, MAC)
    typed(shop, code)
    redeemed(shop)
    assert_sold_once(shop)
    with shop.work() as uow:
        assert holder(uow).id == owner.id


def test_the_device_in_the_hand_is_one_of_those_that_may_enter(shop: Shop) -> None:
    code = issued(shop)
    with shop.work() as uow:
        owner = shop.customer(uow)
        customers.add_device(uow, owner, MAC)
        customers.add_device(uow, owner, OTHER)
    typed(shop, code)
    redeemed(shop)
    with shop.work() as uow:
        plan = network.desired_access(uow, owner.id)
        assert [access.username for access in plan.accesses if access.allowed] == [MAC]


def test_nobody_else_can_use_or_void_what_is_claimed(shop: Shop) -> None:
    code = issued(shop)
    typed(shop, code)
    with shop.work() as uow, pytest.raises(vouchers.VoucherUsed):
        vouchers.redeem(uow, shop.customer(uow, NEIGHBOUR), code)
    with shop.work() as uow, pytest.raises(vouchers.VoucherUsed):
        vouchers.void(uow, the_only(uow))
    redeemed(shop)
    assert_sold_once(shop)


def test_what_another_door_redeemed_is_used(shop: Shop) -> None:
    code = issued(shop)
    with shop.work() as uow:
        vouchers.redeem(uow, shop.customer(uow), code)
    assert typed(shop, code) == "voucher_used"


def test_expired_voided_and_of_another_kind(shop: Shop) -> None:
    with shop.work() as uow:
        expired = vouchers.issue(uow, shop.package(uow, "A"), expires_at=uow.now)
        voided = vouchers.issue(uow, shop.package(uow, "B"))
        vouchers.void(uow, uow.session.scalars(select(Voucher).order_by(Voucher.id.desc())).first())  # type: ignore[arg-type]
        line = vouchers.issue(uow, shop.package(uow, "C", service=PPP))
    assert typed(shop, expired) == typed(shop, voided) == "voucher_expired"
    assert typed(shop, line) == "wrong_service"
    with shop.work() as uow:
        assert uow.session.query(Promise).filter_by(kind="RedeemClaim").count() == 0


def test_a_package_that_is_no_longer_sold_is_still_owed(shop: Shop) -> None:
    code = issued(shop)
    typed(shop, code)
    with shop.work() as uow:
        catalog.withdraw(uow, catalog.package(uow, the_only(uow).package_id))
    redeemed(shop)
    assert_sold_once(shop)


def test_a_claim_that_nobody_redeems_lets_in_for_a_quarter_of_an_hour_only(shop: Shop) -> None:
    code = issued(shop)
    typed(shop, code)
    shop.later(seconds=CLAIM_WINDOW.total_seconds() - 1)
    assert typed(shop, code) == "claimed"
    shop.later(seconds=1)
    assert typed(shop, code) == "voucher_stuck"
    redeemed(shop)
    assert typed(shop, code) == "own"
    assert_sold_once(shop)


def test_guessing_ends_for_a_device_and_begins_anew_an_hour_later(shop: Shop) -> None:
    code = issued(shop)
    said = [typed(shop, "AAAAAAAAAA") for _ in range(20)]
    assert said == ["unknown_voucher"] * TRIES_MAX + ["too_many_codes"] * (20 - TRIES_MAX)
    assert typed(shop, code) == "too_many_codes"
    assert typed(shop, "AAAAAAAAAA", OTHER) == "unknown_voucher"
    shop.later(seconds=TRIES_WINDOW.total_seconds() + 1)
    assert typed(shop, code) == "claimed"


def test_guessing_under_many_names_ends_at_a_router_and_at_no_other(shop: Shop) -> None:
    code = issued(shop)
    with shop.work() as uow:
        for number in range(ROUTER_GUESSES_MAX):
            uow.add(Guess(router_id=MARKET, mac=f"02:00:00:00:00:{number:02X}"[:17], at=uow.now))
    assert typed(shop, code) == "too_many_codes"
    assert typed(shop, code, MAC, LAKE) == "claimed"


def test_old_guesses_are_forgotten(shop: Shop) -> None:
    typed(shop, "AAAAAAAAAA")
    shop.later(hours=2)
    typed(shop, "AAAAAAAAAA")
    with shop.app.work(None) as uow:
        assert vouchers.forget_guesses(uow) == 1
    with shop.work() as uow:
        assert uow.session.query(Guess).count() == 1


def test_when_all_is_used_up_the_device_is_free_for_its_owners_own_number(shop: Shop) -> None:
    code = issued(shop)
    typed(shop, code)
    redeemed(shop)
    with shop.work() as uow:
        nameless = holder(uow)
        plan = network.desired_access(uow, nameless.id)
        network.synced(uow, nameless.id, plan)
    with shop.work() as uow:
        assert holder(uow).id == nameless.id
        with pytest.raises(customers.DeviceTaken):
            customers.add_device(uow, shop.customer(uow), MAC)
    shop.later(hours=3, seconds=1)
    with shop.work() as uow:
        network.synced(uow, nameless.id, network.desired_access(uow, nameless.id))
        assert customers.owner_of(uow, MAC) is None
        assert customers.add_device(uow, shop.customer(uow), MAC).mac == MAC


def test_nobody_without_a_number_is_reminded_of_anything(shop: Shop) -> None:
    code = issued(shop)
    typed(shop, code)
    redeemed(shop)
    shop.later(hours=2, minutes=50)
    with shop.app.work(None) as uow:
        subscriptions.remind(uow)
    shop.clock.advance(timedelta(hours=1))
    with shop.app.work(None) as uow:
        assert subscriptions.close_ended(uow) == 1
    with shop.work() as uow:
        assert uow.session.query(Message).count() == 0
