"""What routers, gateways and devices do to a purchase that is paid, and how the device gets online all the same."""

from __future__ import annotations

import threading
from datetime import timedelta

from core import network, outbox, tenants
from core.ports import Access
from jobs.perform import perform
from jobs.registry import JOBS
from tests.journeys.told import assert_served_once, order, ordered, pay, until_prompted
from tests.town import CALLER, TV, Town

NEW_MAC = "02:00:5E:10:C3:D4"


def test_a_router_whose_api_is_away_lets_the_device_in_by_radius_alone(town: Town) -> None:
    device = ordered(town)
    town.router.faults.unreachable()
    pay(town)
    assert not device.online
    town.pass_time(31)
    assert device.online
    town.router.faults.reachable()
    town.pass_time(120)
    assert_served_once(town)


def test_a_router_without_power_serves_the_payer_when_it_is_back(town: Town) -> None:
    device = ordered(town)
    town.router.power_off(graceful=False)
    pay(town)
    town.pass_time(1800, step_seconds=120)
    assert not device.online
    with town.app.work(town.shop.tenant_id) as uow:
        assert network.find_router(uow, "market").down_since is not None
    town.router.power_on()
    town.pass_time(60)
    assert device.online
    with town.app.work(town.shop.tenant_id) as uow:
        assert network.find_router(uow, "market").down_since is None
    assert_served_once(town)


def test_a_reboot_in_mid_session_brings_the_device_back_by_itself(town: Town) -> None:
    device = ordered(town)
    pay(town)
    assert device.online
    town.router.reboot()
    town.pass_time(60)
    assert device.online
    assert_served_once(town)


def test_a_power_cut_closes_the_session_and_charges_nothing_twice(town: Town) -> None:
    town.package(quota_bytes=1_000_000_000)
    device = town.plug_in(TV)
    town.work_off()
    order(town)
    until_prompted(town)
    pay(town)
    device.move_traffic(0, 300_000_000)
    town.pass_time(600, step_seconds=60)
    town.router.power_cut()
    town.pass_time(60)
    assert device.online
    device.move_traffic(0, 200_000_000)
    town.pass_time(600, step_seconds=60)
    (subscription,) = town.subscriptions()
    assert subscription.used_bytes == 500_000_000
    assert_served_once(town)


def test_a_router_that_refuses_the_login_is_tried_again(town: Town) -> None:
    device = ordered(town)
    town.router.faults.refuse("/ip/hotspot/active/login", "failure: out of memory", times=2)
    pay(town)
    town.pass_time(40, step_seconds=5)
    assert device.online
    assert_served_once(town)


def test_a_router_that_hangs_up_in_mid_sentence_is_tried_again(town: Town) -> None:
    device = ordered(town)
    town.router.faults.drop_mid_sentence()
    pay(town)
    town.router.faults.clear()
    town.pass_time(40, step_seconds=5)
    assert device.online
    assert_served_once(town)


def test_a_router_that_talks_nonsense_changes_nothing_for_the_payer(town: Town) -> None:
    device = ordered(town)
    town.router.faults.talk_nonsense()
    pay(town)
    town.pass_time(31)
    assert device.online
    town.router.faults.clear()
    town.pass_time(120)
    assert_served_once(town)


def test_a_router_with_a_wrong_clock_gives_the_full_time(town: Town) -> None:
    town.router.clock_skew_seconds = -86_400 * 400
    device = ordered(town)
    pay(town)
    assert device.online
    (active,) = town.router.rows("/ip/hotspot/active")
    assert active["session-time-left"].startswith(("2h59m", "3h"))
    assert_served_once(town)


def test_a_device_that_is_away_when_the_money_comes_gets_in_an_hour_later(town: Town) -> None:
    device = ordered(town)
    device.leave()
    pay(town)
    town.pass_time(3600, step_seconds=300)
    assert not device.online
    device.come_back()
    town.settle()
    assert device.online
    assert_served_once(town)


def test_a_device_whose_address_changed_is_moved_in_one_call_and_keeps_its_time(town: Town) -> None:
    device = ordered(town)
    pay(town)
    town.pass_time(600, step_seconds=60)
    device.change_mac(NEW_MAC)
    town.work_off()
    assert not device.online
    screen = town.caller.dial(town.shop.service_code)
    screen = town.caller.answer(choice(screen, "My devices"))
    screen = town.caller.answer(choice(screen, "A1B2"))
    screen = town.caller.answer(choice(screen, "Move"))
    screen = town.caller.answer(choice(screen, "C3D4"))
    town.work_off()
    assert device.online
    assert [row["user"] for row in town.router.rows("/ip/hotspot/active")] == [NEW_MAC]
    (subscription,) = town.subscriptions()
    assert subscription.ends_at - subscription.starts_at == timedelta(hours=3)


def choice(screen: str, words: str) -> str:
    """The key in front of the option with these words."""
    (line,) = [line for line in screen.splitlines() if words in line and line.split()[0].isdigit()]
    return line.split()[0]


def test_an_sms_gateway_that_is_down_delays_only_the_receipt(town: Town) -> None:
    device = ordered(town)
    town.africastalking.go_down()
    pay(town)
    assert device.online
    assert town.caller.sms_inbox == []
    town.africastalking.come_up()
    town.pass_time(120, step_seconds=10)
    assert_served_once(town)


def test_an_empty_sms_account_is_retried_until_it_is_topped_up(town: Town) -> None:
    ordered(town)
    town.africastalking.fail_next(405, times=3)
    pay(town)
    town.pass_time(60, step_seconds=5)
    assert_served_once(town)


def test_two_workers_with_the_same_promise_do_it_once(town: Town) -> None:
    device = ordered(town)
    town.caller.type_pin("1234")
    for _ in range(20):
        town.settle()
        due = town.due()
        if not due:
            break
        for promise_id in due:
            workers = [threading.Thread(target=perform, args=(town.app, JOBS, promise_id)) for _ in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
    town.pass_time(5)
    assert device.online
    assert_served_once(town, receipts=None)  # an SMS cannot be asked whether it went out: at least one


def test_radius_rows_that_were_lost_are_written_again(town: Town) -> None:
    device = ordered(town)
    pay(town)
    town.app.world(town.shop.tenant_id).access.apply([no_access(TV)])
    device.log_out()
    town.pass_time(60)
    assert device.online
    assert_served_once(town)


def no_access(mac: str) -> Access:
    return Access(username=mac, allowed=False)


def test_a_promise_nobody_can_keep_is_parked_and_can_be_taken_up_again(town: Town) -> None:
    ordered(town)
    with town.app.work(town.shop.tenant_id) as uow:
        settings = tenants.settings_of(uow)
        tenants.change_settings(uow, settings.model_copy(update={"daraja": None}))
    pay(town)
    town.pass_time(5)
    (parked,) = [row for row in town.open_promises() if row.parked_at is not None]
    assert parked.kind == "Digest"
    with town.app.work(town.shop.tenant_id) as uow:
        tenants.change_settings(uow, settings)
        row = uow.session.get_one(outbox.Promise, parked.id)
        outbox.unpark(row, uow.now)
    town.pass_time(5)
    assert_served_once(town)
    assert len(town.daraja.prompts_for(CALLER)) == 1
