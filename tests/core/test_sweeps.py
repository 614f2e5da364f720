"""What time alone changes: reminders, grace, slowing down, renewal from the wallet. Each once, and only for whom it is meant."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlalchemy import select

from core import catalog, customers, ledger, messaging, purchases, subscriptions, tenants
from core.ledger import Code, chart
from core.messaging import Message
from core.outbox import Promise
from core.phone import Msisdn
from core.rates import Speed
from core.subscriptions import Subscription, Suspension
from core.tasks import Renew
from core.tenants import AfricasTalkingAccount
from jobs.registry import JOBS
from jobs.sweeps import SWEEPS
from tests.core.kit import ACCOUNTS, CALLER, NEIGHBOUR, Shop, open_shop, shillings

_NUMBERS = itertools.count(1)
_CODES = itertools.count(1)


def sell(shop: Shop, hours: int, msisdn: str = CALLER, profile: dict[str, Any] | None = None, **facts: Any) -> int:
    """Somebody has paid for a package of so many hours; the subscription's id."""
    with shop.work() as uow:
        made = shop.package(uow, f"P{next(_CODES)}", hours=hours, profile=catalog.Profile(**(profile or {})), **facts)
        who = shop.customer(uow, msisdn)
        return subscriptions.grant(uow, customer_id=who.id, package=made, purchase_id=next(_NUMBERS)).id


def sweep(shop: Shop) -> None:
    """Every sweep that changes subscriptions, as the clock runs them."""
    for every in SWEEPS:
        if every.name in ("expire", "begin", "exhaust", "slow", "renew", "remind"):
            every.sweep(shop.app)


def told(shop: Shop, msisdn: str = CALLER) -> list[str]:
    with shop.work() as uow:
        found = uow.session.scalars(select(Message).where(Message.msisdn == msisdn).order_by(Message.id))
        return [each.template for each in found]


def row(shop: Shop, number: int) -> Subscription:
    with shop.work() as uow:
        return uow.session.get_one(Subscription, number)


def test_every_sweep_of_subscriptions_has_a_heartbeat_of_its_own() -> None:
    assert {"expire", "begin", "exhaust", "slow", "renew", "remind"} <= {every.name for every in SWEEPS}


def test_a_month_is_reminded_of_a_day_before_two_hours_before_and_at_its_end(shop: Shop) -> None:
    sell(shop, 30 * 24)
    heard = []
    for hours in (29 * 24 - 1, 1, 21, 1, 1, 1, 48):
        shop.later(hours=hours)
        sweep(shop)
        sweep(shop)
        heard.append(told(shop))
    day, hours_, end = "reminder_day", "reminder_hours", "ended_time"
    assert heard == [[], [day], [day], [day, hours_], [day, hours_], [day, hours_, end], [day, hours_, end]]


def test_short_packages_are_only_told_their_end(shop: Shop) -> None:
    sell(shop, 3)
    shop.later(hours=1, minutes=30)
    sweep(shop)
    assert told(shop) == []
    shop.later(hours=2)
    sweep(shop)
    assert told(shop) == ["ended_time"]


def test_time_of_another_service_is_no_reason_to_stay_silent(shop: Shop) -> None:
    sell(shop, 3)
    sell(shop, 48, service="ppp")
    shop.later(hours=3)
    sweep(shop)
    assert told(shop) == ["ended_time"]


def test_something_short_and_fast_does_not_hide_that_the_slow_rest_ends(shop: Shop) -> None:
    slow = sell(shop, 48, profile={"slow": Speed(64, 128)}, quota_bytes=1)
    with shop.work() as uow:
        subscriptions.use(uow, slow, 1)
    sweep(shop)
    shop.later(hours=23)
    sell(shop, 3)
    shop.later(hours=2)
    sweep(shop)
    assert told(shop) == ["slowed", "reminder_day"]


def test_who_was_reminded_is_not_looked_at_again(shop: Shop) -> None:
    sell(shop, 48)
    shop.later(hours=25)
    with shop.app.work(None) as uow:
        assert [subscriptions.remind(uow), subscriptions.remind(uow)] == [1, 0]


def test_buying_again_makes_a_new_end_with_new_reminders(shop: Shop) -> None:
    number = sell(shop, 48)
    shop.later(hours=25)
    sweep(shop)
    with shop.work() as uow:
        sold = catalog.package(uow, 1)
        subscriptions.grant(uow, customer_id=1, package=sold, purchase_id=next(_NUMBERS))
    sweep(shop)
    assert told(shop) == ["reminder_day"], "nothing is due for the new end yet"
    shop.later(hours=48)
    sweep(shop)
    assert told(shop) == ["reminder_day", "reminder_day"]
    assert row(shop, number).closed_at is None


def test_who_has_more_waiting_or_wants_to_hear_nothing_is_not_reminded(shop: Shop) -> None:
    sell(shop, 48)
    sell(shop, 24)
    sell(shop, 48, NEIGHBOUR)
    with shop.work() as uow:
        messaging.opt_out(uow, Msisdn(NEIGHBOUR), "STOP")
    shop.later(hours=25)
    sweep(shop)
    assert told(shop) == told(shop, NEIGHBOUR) == []
    shop.later(hours=24)
    sweep(shop)
    assert told(shop, NEIGHBOUR) == ["ended_time"], "that something has ended is no advertisement"
    assert told(shop) == [], "the next one runs"


def test_a_clock_that_stood_still_says_what_is_true_and_says_it_once(shop: Shop) -> None:
    sell(shop, 48)
    shop.later(hours=47)
    sweep(shop)
    assert told(shop) == ["reminder_hours"]
    sell(shop, 48, NEIGHBOUR)
    shop.later(hours=60)
    sweep(shop)
    assert told(shop, NEIGHBOUR) == ["ended_time"]


def test_with_grace_the_end_is_told_twice_and_the_cut_is_logged_once(shop: Shop) -> None:
    number = sell(shop, 24, profile={"grace_seconds": 3600})
    shop.later(hours=22)
    sweep(shop)
    shop.later(hours=2)
    sweep(shop)
    assert told(shop) == ["reminder_hours", "reminder_grace"]
    assert row(shop, number).closed_at is None
    with shop.work() as uow:
        assert subscriptions.running(uow, 1) is not None
        assert subscriptions.left(uow, 1).seconds == 0
    shop.later(minutes=59, seconds=59)
    sweep(shop)
    assert row(shop, number).closed_at is None
    shop.later(seconds=1)
    sweep(shop)
    sweep(shop)
    assert row(shop, number).closed_at is not None
    assert told(shop) == ["reminder_hours", "reminder_grace", "ended_time"]
    with shop.work() as uow:
        assert [each.reason for each in subscriptions.suspensions(uow, 1)] == ["time_limit"]
        assert subscriptions.running(uow, 1) is None


def test_renewing_in_grace_continues_from_the_old_end(shop: Shop) -> None:
    number = sell(shop, 24, profile={"grace_seconds": 6 * 3600})
    ended = row(shop, number).ends_at
    shop.later(hours=28)
    sweep(shop)
    with shop.work() as uow:
        again = subscriptions.grant(uow, customer_id=1, package=catalog.package(uow, 1), purchase_id=next(_NUMBERS))
        assert again.id == number
        assert (again.ends_at - ended).total_seconds() == 24 * 3600
        assert (again.over_at - again.ends_at).total_seconds() == 6 * 3600
    with shop.work() as uow:
        assert subscriptions.left(uow, 1).seconds == 20 * 3600


def test_used_up_data_is_found_by_the_sweep_once_and_fair_use_goes_on_slowly(shop: Shop) -> None:
    stopped = sell(shop, 24, quota_bytes=100)
    slowed = sell(shop, 24, NEIGHBOUR, {"slow": Speed(64, 128)}, quota_bytes=100, upload_kbps=500, download_kbps=500)
    with shop.work() as uow:
        for number in (stopped, slowed):
            subscriptions.use(uow, number, 100)
    for _ in range(2):
        sweep(shop)
    assert row(shop, stopped).suspended_reason == "data_limit"
    assert row(shop, slowed).suspended_at is None
    assert row(shop, slowed).slowed_at is not None
    assert (told(shop), told(shop, NEIGHBOUR)) == (["ended_data"], ["slowed"])
    with shop.work() as uow:
        assert [each.reason for each in uow.session.scalars(select(Suspension))] == ["data_limit"]
        synced = select(Promise.payload).where(Promise.kind == "SyncAccess").order_by(Promise.id.desc()).limit(2)
        assert sorted(each["customer_id"] for each in uow.session.scalars(synced)) == [1, 2]


def test_one_sweep_tells_everybody_in_their_language_what_to_dial_at_their_isp(shop: Shop) -> None:
    other = open_shop(shop.app.settings, "other", shop.app)
    with other.work() as uow:
        theirs = AfricasTalkingAccount(username="other", api_key="k", service_code="*777#")
        tenants.change_settings(uow, ACCOUNTS.model_copy(update={"africastalking": theirs}))
    sell(shop, 3)
    sell(shop, 3, NEIGHBOUR)
    sell(other, 3)
    with shop.work() as uow:
        customers.set_language(uow, shop.customer(uow, NEIGHBOUR), "sw")
    shop.later(hours=3)
    with shop.app.work(None) as uow:
        assert subscriptions.close_ended(uow) == 3
        found = uow.session.scalars(select(Message).order_by(Message.tenant_id, Message.msisdn)).all()
        owed = uow.session.scalars(select(Promise).where(Promise.kind == "SendMessage")).all()
    assert [(each.tenant_id, each.msisdn, each.text) for each in found] == [
        (shop.tenant_id, CALLER, "Your time is over. To go on, dial *384*35711# and press 1."),
        (shop.tenant_id, NEIGHBOUR, "Muda wako umekwisha. Kuendelea, piga *384*35711# ubonyeze 1."),
        (other.tenant_id, CALLER, "Your time is over. To go on, dial *777# and press 1."),
    ]
    assert {(each.tenant_id, each.payload["message_id"]) for each in owed} == {
        (each.tenant_id, each.id) for each in found
    }


def fill_wallet(shop: Shop, amount: int) -> None:
    with shop.work() as uow:
        ledger.transfer(
            uow, key=f"fill:{next(_NUMBERS)}", code=Code.DEPOSIT, debit=chart.gateway("daraja"),
            credit=chart.wallet(1), amount=shillings(amount),
        )  # fmt: skip


def keep_renewals(shop: Shop) -> int:
    """Do what the worker does with promised renewals; how many there were."""
    with shop.work() as uow:
        owed = uow.session.scalars(select(Promise).where(Promise.kind == "Renew", Promise.done_at.is_(None))).all()
        for promise in owed:
            assert isinstance(promise.task, Renew)
            assert JOBS[Renew].read(uow, promise.task) is None
            promise.done_at = uow.now
        return len(owed)


def wants_renewal(shop: Shop) -> None:
    with shop.work() as uow:
        subscriptions.renew_by_itself(uow, shop.customer(uow), wanted=True)


def test_what_ends_is_bought_again_from_the_wallet_in_time_and_once(shop: Shop) -> None:
    wants_renewal(shop)
    number = sell(shop, 24, price=20)
    fill_wallet(shop, 50)
    shop.later(hours=23, minutes=54)
    sweep(shop)
    assert keep_renewals(shop) == 0
    shop.later(minutes=1)
    sweep(shop)
    sweep(shop)
    assert keep_renewals(shop) == 1
    with shop.work() as uow:
        assert subscriptions.left(uow, 1).seconds == 24 * 3600 + 300
        assert ledger.balance(uow, chart.wallet(1), "KES") == shillings(30)
        assert sum(ledger.totals(uow).values()) == 0
        assert purchases.renew(uow, number) is not None, "another end, were it due"
    assert "bought_no_device" in told(shop)


def test_a_renewal_that_is_repeated_buys_nothing_more(shop: Shop) -> None:
    wants_renewal(shop)
    number = sell(shop, 24, price=20)
    fill_wallet(shop, 100)
    shop.later(hours=23, minutes=56)
    with shop.work() as uow:
        before = uow.session.get_one(Subscription, number).ends_at
        first = purchases.renew(uow, number)
        assert first is not None
    with shop.work() as uow:
        uow.session.get_one(Subscription, number).ends_at = before  # as if this worker had not seen the first
        again = purchases.renew(uow, number)
        assert again is not None and again.id == first.id
        assert ledger.balance(uow, chart.wallet(1), "KES") == shillings(80)


@pytest.mark.parametrize(("wallet", "withdrawn", "said"), [(19, False, "renewal_short"), (100, True, "renewal_gone")])
def test_who_cannot_be_served_is_told_so_once_and_keeps_the_money(
    shop: Shop, wallet: int, withdrawn: bool, said: str
) -> None:
    wants_renewal(shop)
    sell(shop, 24, price=20)
    fill_wallet(shop, wallet)
    if withdrawn:
        with shop.work() as uow:
            catalog.withdraw(uow, catalog.package(uow, 1))
    shop.later(hours=23, minutes=56)
    sweep(shop)
    keep_renewals(shop)
    sweep(shop)
    assert keep_renewals(shop) == 0
    assert told(shop)[-1] == said
    with shop.work() as uow:
        assert ledger.balance(uow, chart.wallet(1), "KES") == shillings(wallet)


def test_nobody_renews_who_did_not_ask_for_it_or_asked_to_stop(shop: Shop) -> None:
    sell(shop, 24)
    fill_wallet(shop, 100)
    shop.later(hours=23)
    wants_renewal(shop)
    with shop.work() as uow:
        assert customers.customer(uow, 1).auto_renews
        subscriptions.renew_by_itself(uow, customers.customer(uow, 1), wanted=False)
    shop.later(minutes=57)
    sweep(shop)
    assert keep_renewals(shop) == 0


def test_who_stops_it_at_the_last_moment_buys_nothing(shop: Shop) -> None:
    wants_renewal(shop)
    sell(shop, 24)
    fill_wallet(shop, 100)
    shop.later(hours=23, minutes=57)
    sweep(shop)
    with shop.work() as uow:
        subscriptions.renew_by_itself(uow, shop.customer(uow), wanted=False)
    assert keep_renewals(shop) == 1
    with shop.work() as uow:
        assert ledger.balance(uow, chart.wallet(1), "KES") == shillings(100)
