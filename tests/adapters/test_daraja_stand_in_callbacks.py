"""Callbacks of the pretend Daraja: lost, doubled, late, wrong, forged, and sent again."""

from __future__ import annotations

import threading

import pytest

from sim.daraja import Daraja
from sim.http import Reply, Request, text_reply
from sim.mobile_money import MobileMoney, Outcome
from tests.adapters.daraja_stand_in_kit import CALLER, Client, callbacks, client, clock, daraja, items, money, pay
from tests.adapters.our_side import OurSide, ours, say

__all__ = ["client", "clock", "daraja", "money", "ours"]


def test_a_lost_callback_never_comes(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.lose_callbacks()
    lost = client.push().json()["CheckoutRequestID"]
    pay(money)
    client.push(Amount=30)
    pay(money)
    (callback,) = callbacks(ours)
    assert daraja.wait_until_idle()
    assert len(ours.received("/cb")) == 1
    assert callback["CheckoutRequestID"] != lost
    assert client.query(lost).json()["ResultCode"] == "0"


def test_doubled_callbacks_are_in_flight_together(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    together = threading.Barrier(3)

    def page(_request: Request) -> Reply:
        together.wait(5)
        return text_reply(200, "")

    ours.pages["/cb"] = page
    daraja.repeat_callbacks(3)
    client.push()
    pay(money)
    first, *others = callbacks(ours, 3)
    assert others == [first, first]
    assert daraja.wait_until_idle()
    assert [delivered.answer.status for delivered in daraja.deliveries] == [200, 200, 200]


def test_late_callbacks_come_in_the_wrong_order(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    daraja.hold_callbacks()
    asked = []
    for amount in (10, 20, 30):
        asked.append(client.push(Amount=amount).json()["CheckoutRequestID"])
        pay(money)
    assert daraja.wait_until_idle()
    assert ours.received("/cb") == []
    assert daraja.release_callbacks(newest_first=True) == 3
    assert [callback["CheckoutRequestID"] for callback in callbacks(ours, 3)] == asked[::-1]


def test_a_callback_can_overtake_the_answer(client: Client, daraja: Daraja, ours: OurSide) -> None:
    daraja.callback_first()
    daraja.end_next(1032)
    heard: list[int] = []
    daraja.after_prompt.append(lambda _checkout: heard.append(len(ours.received("/cb"))))
    daraja.on_prompt.append(lambda _checkout: heard.append(-1))
    client.push()
    assert heard == [-1, 0]
    assert len(callbacks(ours)) == 1


def test_a_callback_waits_for_the_answer_unless_told_otherwise(client: Client, daraja: Daraja, ours: OurSide) -> None:
    daraja.end_next(1032)
    idle: list[bool] = []
    daraja.after_prompt.append(lambda _checkout: idle.append(daraja.wait_until_idle()))
    client.push()
    assert idle == [True]
    assert len(callbacks(ours)) == 1


def test_a_wrong_amount_is_told_while_the_right_one_was_taken(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    daraja.wrong_amount_next(1_00)
    client.push()
    pay(money)
    assert items(callbacks(ours)[0])["Amount"] == 1.0
    assert daraja.total_taken_minor == 20_00


def test_a_stranger_s_callback_looks_perfect_but_moved_no_money(daraja: Daraja, ours: OurSide) -> None:
    ours.pages["/cb"] = say("", 404)
    answer = daraja.stranger_callback(ours.url("/cb"), CALLER, 20_00)
    assert answer.status == 404
    assert items(callbacks(ours)[0])["Amount"] == 20.0
    assert daraja.payments() == []


def test_a_time_out_may_hide_a_payment(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.time_out_but_take_money()
    checkout_id = client.push().json()["CheckoutRequestID"]
    assert pay(money) is Outcome.PAID
    assert callbacks(ours)[0]["ResultCode"] == 1037
    assert client.query(checkout_id).json()["ResultCode"] == "1037"
    assert (len(daraja.paid_receipts()), daraja.total_taken_minor) == (1, 20_00)


def test_a_query_may_deny_a_payment(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    checkout_id = client.push().json()["CheckoutRequestID"]
    pay(money)
    daraja.query_says_failed()
    assert client.query(checkout_id).json()["ResultCode"] == "1032"
    assert client.query(checkout_id).json()["ResultCode"] == "0"
    assert callbacks(ours)[0]["ResultCode"] == 0


def test_a_bad_answer_is_not_retried_unless_told(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    ours.pages["/cb"] = say("", 500)
    client.push()
    pay(money)
    callbacks(ours, 1)
    assert daraja.wait_until_idle()
    daraja.redeliver()
    client.push(Amount=30)
    pay(money)
    callbacks(ours, 5)
    assert daraja.wait_until_idle()
    assert len(ours.received("/cb")) == 5


def test_a_finished_callback_can_be_sent_again(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    client.push()
    (checkout,) = daraja.prompts_for(CALLER)
    with pytest.raises(ValueError, match="open"):
        daraja.send_again(checkout)
    pay(money)
    callbacks(ours)
    assert daraja.send_again(checkout).ok
    first, second = callbacks(ours, 2)
    assert first == second


def test_callbacks_beyond_this_machine_go_nowhere(client: Client, daraja: Daraja, ours: OurSide) -> None:
    daraja.end_next(1032, times=2)
    client.push(CallBackURL="https://isp.example/hooks/secret")
    assert daraja.wait_until_idle()
    assert [delivered.answer.error for delivered in daraja.deliveries] == ["the address is not on this machine"]
    daraja.reach("https://isp.example/hooks/secret", ours.url("/cb"))
    client.push(CallBackURL="https://isp.example/hooks/secret")
    assert len(callbacks(ours)) == 1
