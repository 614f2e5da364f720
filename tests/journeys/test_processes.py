"""The purchase with real processes, killed with SIGKILL at every step. However it dies: paid once, served once, told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sim.africastalking.messaging import Hook, Refusal, SendRequest
from sim.daraja.company import PUSH_PATH
from sim.daraja.delivery import Delivered
from sim.daraja.stk import Checkout
from sim.routeros.checks import Trap
from tests.journeys.harm import Snag, strike
from tests.journeys.running import STORY_SECONDS_MAX, Payer, RunningTown
from tests.journeys.service import open_running_town
from tests.services import eventually

LOGIN, HOST = "/ip/hotspot/active/login", "/ip/hotspot/host/print"
PAYERS, STORM_SEED = 20, 1963


@pytest.fixture(scope="module")
def service(database_kind: str, secrets_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTown]:
    """One running service for all stories on one kind of database."""
    with open_running_town(database_kind, tmp_path_factory.mktemp("service"), secrets_key) as town:
        yield town


@pytest.fixture
def town(service: RunningTown) -> Iterator[RunningTown]:
    """The service at the beginning of a story; what it said is shown when the story fails."""
    service.begin_story()
    service.lines.clear()
    yield service
    print(service.last_words())


def snag(town: RunningTown, table: str, event: str, when: str = "1 = 1") -> AbstractContextManager[Snag]:
    return Snag(town.app.settings.database.url, table, event, when).laid()


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
    with snag(town, "payment", "INSERT") as spot, ThreadPoolExecutor(1) as hand:
        screen = hand.submit(payer.phone.answer, pay_key)
        spot.wait_until_caught()
        town.kill("ussd")
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
    with snag(town, "promise", "UPDATE OF due_at", "NEW.kind = 'PromptPayment'") as spot:
        town.order(payer)
        spot.wait_until_caught()
        town.kill("relay")
    town.prompted(payer)
    town.pay(payer)
    town.assert_served_once(payer)


def test_the_worker_dies_before_it_took_the_prompt(town: RunningTown) -> None:
    payer = town.newcomer()
    with snag(town, "payment", "UPDATE OF prompted_at", "NEW.prompted_at IS NOT NULL") as spot:
        town.order(payer)
        spot.wait_until_caught()
        lost = town.kill_at_work("PromptPayment")
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


def is_for(payer: Payer) -> Callable[[Checkout], bool]:
    return lambda asked: asked.msisdn == payer.msisdn


def test_the_worker_dies_asking_before_the_phone_rings(town: RunningTown) -> None:
    payer = town.newcomer()
    with strike(town.daraja.on_prompt, is_for(payer), lambda: town.kill_at_work("PromptPayment")) as blow:
        town.order(payer)
        town.end_leases(blow.wait())
    paid_without_a_request_id(town, payer)


def test_the_worker_dies_when_the_phone_rings_and_never_learns_it(town: RunningTown) -> None:
    payer = town.newcomer()
    with strike(town.daraja.after_prompt, is_for(payer), lambda: town.kill_at_work("PromptPayment")) as blow:
        town.order(payer)
        town.end_leases(blow.wait())
    paid_without_a_request_id(town, payer)


def test_the_worker_dies_writing_down_the_request_id(town: RunningTown) -> None:
    payer = town.newcomer()
    with snag(town, "payment", "UPDATE OF request_id", "NEW.request_id IS NOT NULL") as spot:
        town.order(payer)
        spot.wait_until_caught()
        lost = town.kill_at_work("PromptPayment")
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
    with snag(town, "inbound", "INSERT") as spot:
        town.pay(payer)
        spot.wait_until_caught()
        town.kill("portal")
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


def test_nobody_needs_to_help_when_a_worker_dies(town: RunningTown) -> None:
    payer = town.ordered()
    killed_at(town, payer, "Digest", "purchase", "UPDATE OF completed_at", "NEW.completed_at IS NOT NULL")
    eventually(lambda: payer.device.online, 75, "the lease of the dead ends, and others serve the payer")
    town.assert_served_once(payer)


def killed_at(town: RunningTown, payer: Payer, kind: str, table: str, event: str, when: str = "1 = 1") -> list[int]:
    """The payer pays, and the worker that comes by this spot keeping a promise of this kind dies there; what it held."""
    with snag(town, table, event, when) as spot:
        town.pay(payer)
        spot.wait_until_caught()
        lost = town.kill_at_work(kind)
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
    town.assert_served_once(payer, receipts=2)


def receipt_strike(
    town: RunningTown, hooks: list[Hook], payer: Payer, then: Exception | None = None
) -> AbstractContextManager[Strike]:
    def wanted(call: SendRequest) -> bool:
        return payer.msisdn in call.recipients

    return strike(hooks, wanted, lambda: town.kill_at_work("SendMessage"), then)


def test_the_worker_dies_writing_down_that_the_receipt_is_out(town: RunningTown) -> None:
    payer = town.ordered()
    lost = killed_at(town, payer, "SendMessage", "message", "UPDATE OF handed_over_at")
    town.end_leases(lost)
    town.assert_served_once(payer, receipts=2)


def test_the_menu_dies_while_a_delivery_report_comes_in(town: RunningTown) -> None:
    payer = town.ordered()
    town.africastalking.reports.withhold()
    town.pay(payer)
    town.until_served(payer)
    with snag(town, "message", "UPDATE OF state", "NEW.state IN ('sent', 'delivered')") as spot:
        town.africastalking.reports.release()
        spot.wait_until_caught()
        town.kill("ussd")
    town.assert_served_once(payer)


# ---- what carries the work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relay", "clock"])
def test_what_carries_the_work_dies_at_every_step(town: RunningTown, name: str) -> None:
    payer = town.newcomer()
    town.order(payer)
    town.kill(name)
    town.prompted(payer)
    eventually(lambda: town.pids(name), STORY_SECONDS_MAX, "it is back")
    town.kill(name)
    town.pay(payer)
    eventually(lambda: town.promises("Digest") or payer.device.online, STORY_SECONDS_MAX, "the callback is stored")
    eventually(lambda: town.pids(name), STORY_SECONDS_MAX, "it is back")
    town.kill(name)
    town.assert_served_once(payer)


def test_redis_forgets_everything_at_every_step(town: RunningTown) -> None:
    payer = town.newcomer()
    town.order(payer)
    town.redis.flush()
    with strike(town.daraja.on_prompt, is_for(payer), town.redis.flush) as asked:
        town.prompted(payer)
        asked.wait()
    with (
        strike(town.router.on_command, lambda path, _: path == LOGIN, town.redis.flush) as let_in,
        strike(town.africastalking.on_send, lambda call: payer.msisdn in call.recipients, town.redis.flush) as told,
    ):
        town.pay(payer)
        until_struck(town, let_in, told)
    town.end_leases()
    town.assert_served_once(payer)


def until_struck(town: RunningTown, *blows: Strike) -> None:
    """One blow may have swept away the promise that leads to the next: then its lease ends."""

    def struck() -> bool:
        town.end_old_leases()
        return all(blow.done.is_set() for blow in blows)

    eventually(struck, STORY_SECONDS_MAX, "everything was struck")
    for blow in blows:
        blow.wait()


def test_redis_forgets_what_lies_in_the_queue(town: RunningTown) -> None:
    payer = town.ordered()
    with town.frozen("worker"):
        town.pay(payer)
        eventually(lambda: town.queued() and town.daraja.wait_until_idle(), STORY_SECONDS_MAX, "the callback is queued")
        town.redis.flush()
    town.end_leases()
    town.assert_served_once(payer)


def test_redis_is_away_while_the_callback_comes(town: RunningTown) -> None:
    payer = town.ordered()
    town.redis.stop()
    town.pay(payer)
    eventually(lambda: town.promises("Digest"), STORY_SECONDS_MAX, "the callback is stored without Redis")
    assert not payer.device.online
    town.redis.start()
    town.assert_served_once(payer)


def test_redis_restarts_at_every_step(town: RunningTown) -> None:
    payer = town.newcomer()
    for step in (town.order, town.prompted, town.pay):
        town.redis.stop()
        town.redis.start()
        step(payer)
    town.assert_served_once(payer)


# ---- the database ----------------------------------------------------------------------------------------------------------


def test_the_database_dies_while_the_prompt_is_on_the_phone(town: RunningTown) -> None:
    payer = town.ordered()
    town.database_dies()
    town.daraja.hold_callbacks()
    town.pay(payer)
    town.wait_until_open()
    town.daraja.release_callbacks()
    town.assert_served_once(payer)


def test_the_database_dies_where_everything_becomes_true(town: RunningTown) -> None:
    payer = town.ordered()
    with snag(town, "purchase", "UPDATE OF completed_at", "NEW.completed_at IS NOT NULL") as spot:
        town.pay(payer)
        spot.wait_until_caught()
        town.database_dies()
    town.wait_until_open()
    town.end_leases()
    town.assert_served_once(payer)


def test_the_database_dies_while_the_device_is_let_in(town: RunningTown) -> None:
    payer = town.ordered()
    with strike(town.router.on_command, lambda path, _: path == LOGIN, town.database_dies) as blow:
        town.pay(payer)
        blow.wait()
    town.wait_until_open()
    town.free_lanes()
    town.end_leases()
    town.assert_served_once(payer)


# ---- everything at once ----------------------------------------------------------------------------------------------------


def test_twenty_purchases_in_a_storm(town: RunningTown) -> None:
    payers = [town.newcomer() for _ in range(PAYERS)]
    for payer in payers:
        town.register(payer)
    blows = [
        *(lambda name=name: town.kill_if_alive(name) for name in ["worker.1", "worker.2", "relay"] * 3),
        lambda: (town.redis.stop(), town.redis.start()),
    ]
    storm = Storm(Random(STORM_SEED), blows, among=6 * PAYERS)
    at, daraja, router = town.africastalking, town.daraja, town.router
    daraja.repeat_callbacks(2)
    daraja.auto_approve(0.2)
    with storm.over_hooks(daraja.on_prompt, daraja.after_prompt, router.on_command, at.on_send, at.after_send):
        with ThreadPoolExecutor(4) as hands:
            list(hands.map(town.order, payers))
        eventually(lambda: town.healed() and all(map(town.is_served, payers)), 110, "all twenty are served")
    daraja.auto_approve(None)
    daraja.repeat_callbacks(1)
    assert storm.over and storm.errors == []
    town.served += payers
    for payer in payers:
        town.assert_bought_once(payer)
        assert len(town.payments(payer)) <= 2, "asked again at most once, after a worker died asking"
    online = {row["user"] for row in town.router.rows("/ip/hotspot/active")}
    assert online >= {payer.mac for payer in payers}
    town.assert_books()
