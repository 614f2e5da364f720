"""What payment companies do to callbacks, and what a till must make of it."""

from __future__ import annotations

import threading

import pytest
import requests

from tests.journeys.told import (
    assert_nothing_owed,
    assert_served_once,
    hours,
    only_payment,
    order,
    ordered,
    pay,
    until_prompted,
    waiting_device,
)
from tests.town import CALLER, NEIGHBOUR, STRANGER, Town


def test_a_lost_callback_is_made_good_by_asking(town: Town) -> None:
    device = ordered(town)
    town.daraja.lose_callbacks()
    pay(town)
    assert not device.online
    town.pass_time(95)
    assert device.online
    assert_served_once(town)


def test_a_callback_a_hundred_times_at_once_is_one_payment(town: Town) -> None:
    device = ordered(town)
    town.daraja.repeat_callbacks(100)
    pay(town)
    assert device.online
    assert_served_once(town)


def test_callback_and_confirmation_in_either_order_are_one_payment(town: Town) -> None:
    device = waiting_device(town)
    town.register_urls()
    order(town)
    until_prompted(town)
    town.daraja.hold_callbacks()
    pay(town)
    town.daraja.release_callbacks(newest_first=True)
    town.work_off()
    assert device.online
    assert_served_once(town)


def test_a_confirmation_makes_good_a_callback_that_is_lost(town: Town) -> None:
    device = waiting_device(town)
    town.register_urls()
    order(town)
    until_prompted(town)
    town.daraja.lose_callbacks()
    pay(town)
    assert device.online
    assert_served_once(town)


def test_a_receipt_that_comes_after_the_status_query_is_the_same_money(town: Town) -> None:
    device = ordered(town)
    town.daraja.hold_callbacks()
    pay(town)
    town.pass_time(95)
    assert device.online
    town.daraja.release_callbacks()
    town.work_off()
    assert_served_once(town)


def test_a_callback_two_days_late_still_brings_the_device_online(town: Town) -> None:
    device = ordered(town)
    town.daraja.hold_callbacks()
    town.daraja.query_says_failed(100)
    pay(town)
    town.pass_time(hours(48), step_seconds=6 * 3600)
    assert not device.online
    assert town.totals() == {}
    town.daraja.release_callbacks()
    town.work_off()
    assert device.online
    assert_served_once(town)


def test_a_callback_with_another_amount_is_believed_by_nobody(town: Town) -> None:
    device = ordered(town)
    town.daraja.wrong_amount_next(500_00)
    pay(town)
    assert not device.online
    assert town.totals() == {}
    town.pass_time(95)
    assert device.online
    assert_served_once(town)


def test_a_callback_from_a_stranger_goes_to_suspense(town: Town) -> None:
    device = ordered(town)
    town.daraja.stranger_callback(town.shop.hooks_url, STRANGER, 77_00)
    town.work_off()
    assert not device.online
    assert town.totals()["suspense"] == 77_00
    pay(town)
    assert_served_once(town, suspense_minor=77_00)


def test_a_stranger_naming_our_caller_brings_nobody_online(town: Town) -> None:
    device = ordered(town)
    town.daraja.stranger_callback(town.shop.hooks_url, CALLER, 20_00)
    town.work_off()
    assert not device.online
    assert town.totals()["suspense"] == 20_00


def test_a_prompt_that_timed_out_although_the_money_was_taken_is_honoured(town: Town) -> None:
    device = waiting_device(town)
    town.register_urls()
    town.daraja.time_out_but_take_money()
    order(town)
    until_prompted(town)
    town.daraja.hold_callbacks()
    pay(town)
    town.daraja.release_callbacks()
    town.work_off()
    assert device.online
    assert_served_once(town)


@pytest.mark.parametrize("result_code", [1032, 1037, 2001, 1, 17])
def test_a_no_tells_the_caller_what_to_do_and_closes_nothing(town: Town, result_code: int) -> None:
    device = waiting_device(town)
    town.register_urls()
    town.daraja.end_next(result_code)
    order(town)
    town.pass_time(5, step_seconds=5)
    town.work_off()
    texts = [sms.text for sms in town.caller.sms_inbox]
    assert len([text for text in texts if town.shop.paybill in text]) == 1
    assert not device.online
    town.caller.pay_by_hand(town.shop.paybill, only_payment(town).code.lower(), 20_00)
    town.work_off()
    assert device.online
    assert_served_once(town)


def test_a_company_that_is_down_is_asked_when_it_is_back(town: Town) -> None:
    device = waiting_device(town)
    town.daraja.go_down()
    order(town)
    town.pass_time(20, step_seconds=5)
    assert town.daraja.prompts_for(CALLER) == []
    town.daraja.come_up()
    town.pass_time(60, step_seconds=5)
    pay(town)
    assert device.online
    assert_served_once(town)


def test_a_company_that_answers_html_may_have_asked_and_is_not_asked_twice(town: Town) -> None:
    device = waiting_device(town)
    town.daraja.html_error_page(times=1, path="/mpesa/stkpush")
    order(town)
    town.pass_time(3)
    town.pass_time(95)
    assert len(town.daraja.prompts_for(CALLER)) <= 1
    town.pass_time(5)
    until_prompted(town)
    pay(town)
    assert device.online
    assert_served_once(town)


def test_a_company_that_asks_but_never_answers_us_prompts_once(town: Town) -> None:
    device = waiting_device(town)
    town.daraja.fall_silent(times=1, path="/mpesa/stkpush", after_acting=True)
    order(town)
    until_prompted(town)
    pay(town)
    assert device.online
    assert_served_once(town)


def test_two_payments_for_one_order_leave_the_second_in_the_wallet(town: Town) -> None:
    device = ordered(town)
    town.register_urls()
    pay(town)
    town.caller.pay_by_hand(town.shop.paybill, only_payment(town).code, 20_00)
    town.work_off()
    assert device.online
    assert_served_once(town, wallet_minor=20_00)


def test_money_nobody_knows_waits_in_suspense_until_it_is_claimed(town: Town) -> None:
    device = waiting_device(town)
    town.register_urls()
    neighbour = town.phone(NEIGHBOUR)
    receipt = neighbour.pay_by_hand(town.shop.paybill, "no such account", 20_00)
    town.work_off()
    assert town.totals()["suspense"] == 20_00
    order(town, NEIGHBOUR)
    neighbour.text(town.shop.short_code, f"paid {receipt.lower()}")
    town.work_off()
    assert device.online
    assert town.totals()["suspense"] == 0


def test_the_same_bytes_from_a_hundred_threads_are_stored_once(town: Town) -> None:
    ordered(town)
    town.daraja.hold_callbacks()
    pay(town)
    body = b'{"Body": {"stkCallback": {"MerchantRequestID": "x", "CheckoutRequestID": "y", "ResultCode": 1032, "ResultDesc": "z"}}}'
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(requests.post(town.shop.hooks_url, data=body, timeout=10).status_code)
        )
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    town.daraja.release_callbacks()
    town.work_off()
    assert_served_once(town)


def test_nothing_is_owed_after_a_cancelled_order(town: Town) -> None:
    ordered(town)
    town.caller.cancel_prompt()
    town.work_off()
    town.pass_time(hours(30), step_seconds=3 * 3600)
    assert_nothing_owed(town)
    assert town.totals() == {}
