"""The purchase with real processes, killed with SIGKILL at every step. However it dies: paid once, served once, told once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from sim.africastalking.messaging import Hook, Refusal
from sim.daraja.company import PUSH_PATH
from sim.daraja.delivery import Delivered
from sim.routeros.checks import Trap
from tests.journeys.harm import Strike, strike
from tests.journeys.running import STORY_SECONDS_MAX, Payer, RunningTown
from tests.services import eventually

LOGIN, HOST = "/ip/hotspot/active/login", "/ip/hotspot/host/print"


@pytest.fixture
def town(running_town: RunningTown) -> RunningTown:
    return running_town


def test_a_purchase_with_real_processes(town: RunningTown) -> None:
    payer = town.ordered()
    town.pay(payer)
    town.assert_served_once(payer)


# ---- steps 1 to 4: the menu ------------------------------------------------------------------------------------------------


def test_the_menu_dies_between_two_steps_and_is_taken_up_again(town: RunningTown) -> None:
    payer = town.newcomer()
    payer.phone.dial(town.shop.service_code)
    pay_key = town.key_of(payer.phone.answer("1"), payer)
    town.kill("ussd")
    assert "problem" in payer.phone.answer(pay_key)
    pay_after_redialling(town, payer)


def test_the_menu_dies_while_it_takes_the_order(town: RunningTown) -> None:
    payer = town.newcomer()
    payer.phone.dial(town.shop.service_code)
    pay_key = town.key_of(payer.phone.answer("1"), payer)
    with town.snag("payment", "INSERT") as spot, ThreadPoolExecutor(1) as hand:
        screen = hand.submit(payer.phone.answer, pay_key)
        town.killed_at(spot, "ussd")
        assert "problem" in screen.result()
    assert town.payments(payer) == []
    pay_after_redialling(town, payer)


def pay_after_redialling(town: RunningTown, payer: Payer) -> None:
    town.wait_until_open()
    payer.phone.dial(town.shop.service_code)
    screen = payer.phone.answer("1")
    assert "3 hours" in screen
    assert "PIN" in payer.phone.answer(town.key_of(screen, payer))
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)


def test_the_gateway_repeats_the_last_step_to_another_process(town: RunningTown) -> None:
    payer = town.newcomer()
    town.order(payer)
    town.kill("ussd")
    town.wait_until_open()
    assert payer.phone.session is not None
    assert "PIN" in town.africastalking.switch.step(payer.phone.session)
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)


# ---- steps 5 to 8: the prompt ----------------------------------------------------------------------------------------------


def test_the_relay_dies_while_it_leases(town: RunningTown) -> None:
    payer = town.newcomer()
    with town.snag("promise", "UPDATE OF due_at", "NEW.kind = 'PromptPayment'") as spot:
        town.order(payer)
        town.killed_at(spot, "relay")
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)


def test_the_worker_dies_before_it_took_the_prompt(town: RunningTown) -> None:
    payer = town.newcomer()
    with town.snag("payment", "UPDATE OF prompted_at", "NEW.prompted_at IS NOT NULL") as spot:
        town.order(payer)
        lost = town.worker_killed_at(spot, "PromptPayment")
    town.end_leases(lost)
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)


def test_the_worker_dies_asking_and_nobody_heard_it(town: RunningTown) -> None:
    payer = town.newcomer()
    town.daraja.fall_silent(path=PUSH_PATH)
    town.order(payer)
    eventually(lambda: asked_about(town, payer), STORY_SECONDS_MAX, "the worker asks")
    lost = town.kill_at_work("PromptPayment")
    town.daraja.recover()
    town.end_leases(lost)
    eventually(lambda: not town.promises("PromptPayment"), STORY_SECONDS_MAX, "the taken prompt is not taken again")
    assert town.daraja.prompts_for(payer.msisdn) == []
    town.check_now()
    eventually(lambda: len(town.payments(payer)) == 2, STORY_SECONDS_MAX, "the check asks once more")
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)


def asked_about(town: RunningTown, payer: Payer) -> bool:
    digits = payer.msisdn.lstrip("+").encode()
    return any(digits in call.body for call in town.daraja.requests_seen if call.path == PUSH_PATH)


def test_the_worker_dies_asking_before_the_phone_rings(town: RunningTown) -> None:
    payer = town.newcomer()
    with strike(town.daraja.on_prompt, payer.is_asked, lambda: town.kill_at_work("PromptPayment")) as blow:
        town.order(payer)
        town.end_leases(blow.wait())
    paid_without_a_request_id(town, payer)


def test_the_worker_dies_when_the_phone_rings_and_never_learns_it(town: RunningTown) -> None:
    payer = town.newcomer()
    with strike(town.daraja.after_prompt, payer.is_asked, lambda: town.kill_at_work("PromptPayment")) as blow:
        town.order(payer)
        town.end_leases(blow.wait())
    paid_without_a_request_id(town, payer)


def test_the_worker_dies_writing_down_the_request_id(town: RunningTown) -> None:
    payer = town.newcomer()
    with town.snag("payment", "UPDATE OF request_id", "NEW.request_id IS NOT NULL") as spot:
        town.order(payer)
        lost = town.worker_killed_at(spot, "PromptPayment")
    town.end_leases(lost)
    paid_without_a_request_id(town, payer)


def paid_without_a_request_id(town: RunningTown, payer: Payer) -> None:
    payer.phone.wait_for_prompt(STORY_SECONDS_MAX)
    eventually(lambda: not town.promises("PromptPayment"), STORY_SECONDS_MAX, "the promise is settled")
    assert town.payments(payer)[0].request_id is None
    town.pay(payer)
    town.assert_served_once(payer)


# ---- steps 9 and 10: the money ---------------------------------------------------------------------------------------------


def test_the_portal_dies_while_the_callback_is_written_down(town: RunningTown) -> None:
    payer = town.ordered()
    eventually(lambda: town.payments(payer)[0].request_id, STORY_SECONDS_MAX, "the request id is known")
    with town.snag("inbound", "INSERT") as spot:
        town.pay(payer)
        town.killed_at(spot, "portal")
        assert town.daraja.wait_until_idle()
    assert not any(delivery.answer.ok for delivery in deliveries_for(town, payer)), "nobody will tell us again"
    town.check_now()
    town.assert_served_once(payer)


def deliveries_for(town: RunningTown, payer: Payer) -> list[Delivered]:
    digits = payer.msisdn.lstrip("+")
    return [each for each in town.daraja.deliveries if digits in str(each.parcel.body)]


@pytest.mark.parametrize(
    ("table", "event", "when"),
    [
        ("deposit", "INSERT", "1 = 1"),
        ("purchase", "UPDATE OF completed_at", "NEW.completed_at IS NOT NULL"),
        ("promise", "INSERT", "NEW.kind = 'SendMessage'"),
    ],
    ids=["booking", "handing-over", "promising-the-receipt"],
)
def test_the_worker_dies_where_everything_becomes_true(town: RunningTown, table: str, event: str, when: str) -> None:
    payer = town.ordered()
    lost = killed_at(town, payer, "Digest", table, event, when)
    assert town.revenue() + 20_00 == town.daraja.total_taken_minor, "paid, and nothing of it is in the books"
    town.end_leases(lost)
    town.assert_served_once(payer)


@pytest.mark.first_database
def test_nobody_needs_to_help_when_a_worker_dies(town: RunningTown) -> None:
    payer = town.ordered()
    killed_at(town, payer, "Digest", "purchase", "UPDATE OF completed_at", "NEW.completed_at IS NOT NULL")
    eventually(lambda: payer.device.online, 75, "the lease of the dead ends, and others serve the payer")
    town.assert_served_once(payer)


def killed_at(town: RunningTown, payer: Payer, kind: str, table: str, event: str, when: str = "1 = 1") -> list[int]:
    """The payer pays, and the worker that comes by this spot keeping a promise of this kind dies there; what it held."""
    with town.snag(table, event, when) as spot:
        town.pay(payer)
        lost = town.worker_killed_at(spot, kind)
    assert set(lost) & {row.id for row in town.promises()}, "it died before its work was done"
    return lost


# ---- steps 11 and 12: access -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "event", "when"),
    [("radcheck", "INSERT", "1 = 1"), ("promise", "INSERT", "NEW.kind = 'LogIn'")],
    ids=["writing-the-rows", "after-the-rows"],
)
def test_the_worker_dies_between_the_money_and_the_router(town: RunningTown, table: str, event: str, when: str) -> None:
    payer = town.ordered()
    lost = killed_at(town, payer, "SyncAccess", table, event, when)
    assert not payer.device.online
    town.end_leases(lost)
    town.assert_served_once(payer)


@pytest.mark.parametrize("command", [HOST, LOGIN])
def test_the_worker_dies_talking_to_the_router(town: RunningTown, command: str) -> None:
    payer = town.ordered()

    def wanted(path: str, arguments: dict[str, str]) -> bool:
        return path == command and arguments.get("mac-address", payer.mac) == payer.mac

    def kill() -> list[int]:
        return town.kill_at_work("LogIn")

    with strike(town.router.on_command, wanted, kill, then=Trap("interrupted")) as blow:
        town.pay(payer)
        lost = blow.wait()
    assert not payer.device.online
    town.free_lanes()
    town.end_leases(lost)
    town.assert_served_once(payer)


def test_the_worker_dies_when_the_device_is_in_and_nobody_knows(town: RunningTown) -> None:
    payer = town.ordered()
    lost = killed_at(town, payer, "LogIn", "audit_entry", "INSERT", "NEW.event = 'device.let_in'")
    assert payer.device.online
    town.free_lanes()
    town.end_leases(lost)
    town.assert_served_once(payer)


def test_radius_dies_in_the_middle_of_the_login(town: RunningTown) -> None:
    payer = town.ordered()
    with strike(town.router.on_command, lambda path, _: path == LOGIN, lambda: town.kill("radius")) as blow:
        town.pay(payer)
        blow.wait()
    town.assert_served_once(payer)


def test_radius_dies_while_the_device_waits(town: RunningTown) -> None:
    payer = town.ordered()
    town.kill("radius")
    town.pay(payer)
    town.assert_served_once(payer)


# ---- step 13: the receipt --------------------------------------------------------------------------------------------------


def test_the_worker_dies_before_the_receipt_is_out(town: RunningTown) -> None:
    payer = town.ordered()
    with receipt_strike(town, town.africastalking.on_send, payer, then=Refusal(503, "")) as blow:
        town.pay(payer)
        town.end_leases(blow.wait())
    town.assert_served_once(payer)


def test_the_worker_dies_when_the_receipt_is_out_and_it_goes_out_again(town: RunningTown) -> None:
    payer = town.ordered()
    with receipt_strike(town, town.africastalking.after_send, payer) as blow:
        town.pay(payer)
        town.end_leases(blow.wait())
    town.assert_served_once(payer, receipts=[2])


def receipt_strike(
    town: RunningTown, hooks: list[Hook], payer: Payer, then: Exception | None = None
) -> AbstractContextManager[Strike]:
    return strike(hooks, payer.is_told, lambda: town.kill_at_work("SendMessage"), then)


def test_the_worker_dies_writing_down_that_the_receipt_is_out(town: RunningTown) -> None:
    payer = town.ordered()
    lost = killed_at(town, payer, "SendMessage", "message", "UPDATE OF handed_over_at")
    town.end_leases(lost)
    town.assert_served_once(payer, receipts=[2])


def test_the_menu_dies_while_a_delivery_report_comes_in(town: RunningTown) -> None:
    payer = town.ordered()
    town.africastalking.reports.withhold()
    town.pay(payer)
    town.until_served(payer)
    with town.snag("message", "UPDATE OF state", "NEW.state IN ('sent', 'delivered')") as spot:
        town.africastalking.reports.release()
        town.killed_at(spot, "ussd")
    town.assert_served_once(payer)
