"""The main job: a dialled code ends with a device online, however often any of its steps is repeated."""

from __future__ import annotations

from sim.africastalking import Repeat
from tests.journeys.told import assert_served_once, order, ordered, pay, until_prompted, waiting_device
from tests.town import PIN, TV, Town


def test_a_dialled_code_ends_with_a_device_online(town: Town) -> None:
    device = ordered(town)
    assert not device.online
    pay(town)
    assert device.online
    assert_served_once(town)


def test_a_repeated_ussd_step_buys_once(town: Town) -> None:
    waiting_device(town)
    town.africastalking.repeat_next(3, Repeat.AT_ONCE)
    order(town)
    until_prompted(town)
    pay(town)
    assert_served_once(town)


def test_dialling_twice_in_a_row_is_one_wish(town: Town) -> None:
    waiting_device(town)
    order(town)
    town.phone(town.caller.msisdn).dial(town.shop.service_code)
    town.caller.answer("1")
    town.caller.answer("1")
    until_prompted(town)
    pay(town)
    assert_served_once(town)


def test_a_known_caller_renews_in_one_key_press_and_keeps_what_is_left(town: Town) -> None:
    device = ordered(town)
    pay(town)
    town.pass_time(3600, step_seconds=600)
    assert "2h" in town.caller.dial(town.shop.service_code)
    assert "PIN" in town.caller.answer("1")
    until_prompted(town)
    pay(town)
    (subscription,) = town.subscriptions()
    assert abs((subscription.ends_at - subscription.starts_at).total_seconds() - 6 * 3600) < 5
    assert device.online
    (active,) = town.router.rows("/ip/hotspot/active")
    assert active["session-time-left"].startswith(("4h59m", "5h"))


def test_a_wallet_that_suffices_pays_without_a_prompt(town: Town) -> None:
    town.package()
    town.customer(mac=TV)
    device = town.plug_in(TV)
    who = town.customer()
    town.register_urls()
    town.caller.pay_by_hand(town.shop.paybill, who.account_code, 20_00)
    town.work_off()
    assert town.totals()["wallets"] == 20_00
    town.caller.dial(town.shop.service_code)
    town.caller.answer("1")
    town.caller.answer("1")
    town.work_off()
    assert device.online
    assert_served_once(town, prompts=0)


def test_time_that_is_over_takes_the_device_off_and_says_so_once(town: Town) -> None:
    device = ordered(town)
    pay(town)
    town.pass_time(3 * 3600 + 60, step_seconds=600)
    assert not device.online
    texts = [sms.text for sms in town.caller.sms_inbox]
    assert len([text for text in texts if text.startswith("Your time is over")]) == 1
    assert PIN not in " ".join(texts)


def test_data_that_is_used_up_takes_the_device_off_and_says_so_once(town: Town) -> None:
    town.package(quota_bytes=5_000_000_000)
    device = town.plug_in(TV)
    town.work_off()
    order(town)
    until_prompted(town)
    pay(town)
    device.move_traffic(1_000_000_000, 3_999_000_000)
    town.pass_time(600, step_seconds=60)
    assert device.online
    device.move_traffic(0, 2_000_000)
    town.pass_time(600, step_seconds=60)
    assert not device.online
    texts = [sms.text for sms in town.caller.sms_inbox]
    assert len([text for text in texts if text.startswith("Your data is used up")]) == 1
    (subscription,) = town.subscriptions()
    assert subscription.suspended_reason == "data_limit"
    assert subscription.used_bytes >= 5_000_000_000
