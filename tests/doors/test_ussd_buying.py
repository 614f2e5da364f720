"""Buying by USSD: from the dial to the last word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import catalog, customers
from core.catalog.actions import QUOTE_HONOURED_SECONDS
from core.config import Settings
from core.money import Money
from core.phone import Msisdn
from tests.doors.ussd_kit import AIRTEL, CALLER, LAPTOP, NEIGHBOUR, PAYBILL, TV, Stand, open_stand, running_stand


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


def test_a_new_caller_sees_prices_at_once_and_pays_in_three_screens(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.package("DAY", "50", 24)
    call = stand.dial()
    assert call.screen.startswith("Kiosk Net: choose a package\n1 3 hours KES 20\n2 24 hours KES 50\n")
    assert call.answer("2") == "24 hours, KES 50: 1d, unlimited, 1 device\n1 Pay\n0 Back"
    who_before = stand.who()
    said = call.answer("1")
    assert not call.open
    account = stand.who().account_code  # type: ignore[union-attr]
    assert said == (
        f"Enter your M-Pesa PIN on the next prompt to pay KES 50. No prompt? Paybill {PAYBILL}, account {account}. "
        "Then join the Wi-Fi and dial: My devices."
    )
    assert who_before is None, "looking at prices makes nobody a customer"
    (order,) = stand.purchases()
    assert order.price == Money(5000, "KES")
    assert order.key == f"ussd:{call.session_id}"
    assert len(stand.owed("PromptPayment")) == 1


def test_packages_for_a_line_are_offered_to_those_who_have_one(stand: Stand) -> None:
    stand.package("HOME", "1500", 24 * 30, name="Home", service="ppp")
    stand.package("3H", "20", 3)
    assert stand.dial().screen.startswith("Kiosk Net: choose a package\n1 3 hours KES 20\n")
    stand.customer(NEIGHBOUR)
    with stand.app.work(stand.tenant_id) as uow:
        who = customers.by_phone(uow, Msisdn(NEIGHBOUR))
        assert who is not None
        customers.add_login(uow, who, "home.1")
    assert "\n1 Home KES 1,500\n2 3 hours KES 20\n" in stand.dial(NEIGHBOUR).screen


def test_a_known_caller_renews_with_one_key(stand: Stand) -> None:
    package = stand.package("3H", "20", 3)
    stand.customer(mac=TV)
    stand.bought(package)
    call = stand.dial()
    assert call.screen == (
        "Kiosk Net\n3h left, until 20.11. 15:00\n1 Renew 3 hours KES 20\n2 Packages\n3 My devices\n4 Voucher\n5 Balance\n"
        "6 Language/Lugha\n98 More"
    )
    call.answer("1")
    assert not call.open
    assert call.screen.startswith("Enter your M-Pesa PIN on the next prompt to pay KES 20.")
    assert "My devices" not in call.screen, "there is a device already"
    assert len(stand.purchases()) == 2
    assert len(stand.owed("PromptPayment")) == 1


def test_whoever_bought_before_can_renew_after_the_time_is_over(stand: Stand) -> None:
    stand.bought(stand.package("3H", "20", 3))
    stand.pass_time(4 * 3600)
    call = stand.dial()
    assert call.screen.startswith("Kiosk Net\nYou have no package now.\n1 Renew 3 hours KES 20\n")


def test_data_that_is_left_is_shown(stand: Stand) -> None:
    stand.bought(stand.package("GB", "100", 24, name="1 day 1GB", quota_bytes=1_500_000_000))
    assert stand.dial().screen.startswith(
        "Kiosk Net\n1d and 1.5GB left, until 21.11. 12:00\n1 Renew 1 day 1GB KES 100\n"
    )


def test_a_withdrawn_package_cannot_be_renewed(stand: Stand) -> None:
    package = stand.package("OLD", "20", 3, name="Old one")
    stand.bought(package)
    with stand.app.work(stand.tenant_id) as uow:
        catalog.withdraw(uow, catalog.package(uow, package.id))
    stand.pass_time(3)
    assert "Renew" not in stand.dial().screen


def test_enough_money_in_the_account_pays_at_once(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.pay_in("25")
    call = stand.dial()
    call.choose("3 hours")
    said = call.choose("Pay")
    assert said == (
        "Paid KES 20 from your account: 3 hours, good until 20.11. 15:00. Then join the Wi-Fi and dial: My devices."
    )
    assert stand.purchases()[0].completed_at is not None
    assert stand.owed("PromptPayment") == []
    assert stand.told() == ["bought_no_device"]


def test_what_is_missing_in_the_account_is_asked_for(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.pay_in("5")
    call = stand.dial()
    call.choose("3 hours")
    assert call.choose("Pay").startswith("Enter your M-Pesa PIN on the next prompt to pay KES 15.")


def test_another_network_gets_the_paybill_on_the_screen_and_by_sms(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    call = stand.dial(network=AIRTEL)
    call.choose("3 hours")
    said = call.choose("Pay")
    account = stand.who().account_code  # type: ignore[union-attr]
    assert said.startswith(f"3 hours: pay KES 20 to Paybill {PAYBILL}, account {account}.")
    (message,) = stand.messages()
    assert message.template == "paybill"
    assert PAYBILL in message.text
    assert account in message.text
    assert stand.owed("PromptPayment") == []


def test_an_isp_that_cannot_take_money_says_so(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.configure(daraja=None)
    call = stand.dial()
    call.choose("3 hours")
    said = call.choose("Pay")
    assert not call.open
    assert said == "We cannot take payments yet. Help: 0700 000 000."


def test_the_one_device_that_waits_is_offered_and_connected_with_the_payment(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.knock(stand.router("Market"), TV)
    call = stand.dial()
    assert call.choose("3 hours") == (
        "3 hours, KES 20: 3h, unlimited, 1 device\nFor device A1B2 at Market\n1 Pay\n2 Other device\n"
        "3 Pay, add device later\n0 Back"
    )
    said = call.answer("1")
    assert not call.open
    assert "My devices" not in said
    assert stand.macs() == [TV]


def test_one_of_several_waiting_devices_is_picked_by_its_last_signs(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    router = stand.router("Market")
    stand.knock(router, TV)
    stand.pass_time(1)
    stand.knock(router, LAPTOP)
    call = stand.dial()
    assert call.choose("3 hours") == (
        "3 hours KES 20: pay, for which device?\n1 C3D4 Market\n2 A1B2 Market\n3 Pay, add device later\n0 Back"
    )
    call.choose("A1B2")
    assert not call.open
    assert stand.macs() == [TV]
    assert len(call.typed) <= 3, "at most four screens to pay"


def test_another_device_can_be_typed_before_paying(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.knock(stand.router(), TV)
    call = stand.dial()
    call.choose("3 hours")
    call.choose("Other device")
    assert "device address" in call.answer("XYZ")
    call.answer("02-00-5e-10-c3-d4")
    assert not call.open
    assert stand.macs() == [LAPTOP]
    assert len(stand.owed("PromptPayment")) == 1


def test_a_device_can_be_added_later(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.knock(stand.router(), TV)
    call = stand.dial()
    call.choose("3 hours")
    said = call.choose("Pay, add")
    assert "My devices" in said
    assert stand.macs() == []


def test_renewing_without_a_device_shows_the_ones_that_wait(stand: Stand) -> None:
    stand.bought(stand.package("3H", "20", 3))
    stand.knock(stand.router(), TV)
    call = stand.dial()
    assert "For device A1B2 at Market" in call.answer("1")
    assert len(stand.purchases()) == 1, "nothing is ordered yet"
    call.answer("1")
    assert len(stand.purchases()) == 2
    assert stand.macs() == [TV]


def test_a_device_taken_meanwhile_stops_the_payment_and_says_why(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.knock(stand.router(), TV)
    call = stand.dial()
    call.choose("3 hours")
    stand.customer(NEIGHBOUR, mac=TV)
    said = call.answer("1")
    assert call.open
    assert said.startswith("Device A1B2 belongs to another customer.\n")
    assert stand.purchases() == []


def test_the_price_on_the_screen_is_honoured(stand: Stand) -> None:
    package = stand.package("3H", "20", 3)
    call = stand.dial()
    call.choose("3 hours")
    with stand.app.work(stand.tenant_id) as uow:
        catalog.reprice(uow, catalog.package(uow, package.id), Money(3000, "KES"))
    stand.pass_time(100)
    assert "to pay KES 20." in call.choose("Pay")
    assert stand.purchases()[0].price == Money(2000, "KES")


def test_a_price_that_changed_long_ago_is_shown_again_before_anything_is_bought(stand: Stand) -> None:
    package = stand.package("3H", "20", 3)
    call = stand.dial()
    call.choose("3 hours")
    with stand.app.work(stand.tenant_id) as uow:
        catalog.reprice(uow, catalog.package(uow, package.id), Money(3000, "KES"))
    stand.pass_time(QUOTE_HONOURED_SECONDS + 1)
    said = call.choose("Pay")
    assert said.startswith("New price for 3 hours: KES 30.\n3 hours, KES 30: ")
    assert stand.purchases() == []
    assert "to pay KES 30." in call.choose("Pay")


def test_a_package_withdrawn_long_ago_is_not_sold(stand: Stand) -> None:
    package = stand.package("3H", "20", 3)
    stand.package("DAY", "50", 24)
    call = stand.dial()
    call.choose("3 hours")
    with stand.app.work(stand.tenant_id) as uow:
        catalog.withdraw(uow, catalog.package(uow, package.id))
    stand.pass_time(QUOTE_HONOURED_SECONDS + 1)
    said = call.choose("Pay")
    assert said.startswith("3 hours is not on sale any more.\nChoose a package\n1 24 hours KES 50")
    assert stand.purchases() == []


def test_what_a_number_means_does_not_change_while_somebody_reads(stand: Stand) -> None:
    first = stand.package("3H", "20", 3)
    stand.package("DAY", "50", 24)
    call = stand.dial()
    with stand.app.work(stand.tenant_id) as uow:
        catalog.withdraw(uow, catalog.package(uow, first.id))
    stand.pass_time(3)
    assert call.answer("1").startswith("3 hours, KES 20")


def test_nothing_on_sale_is_said_in_words(stand: Stand) -> None:
    assert stand.dial().screen.startswith("Kiosk Net: nothing is on sale right now.\n1 My devices\n")


def test_two_orders_in_two_sessions_within_a_minute_are_one_wish(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    for _ in range(2):
        call = stand.dial()
        call.choose("3 hours")
        call.choose("Pay")
    assert len(stand.purchases()) == 1
    assert len(stand.owed("PromptPayment")) == 1


def test_the_network_of_the_call_is_remembered_for_later(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.customer(CALLER)
    call = stand.dial(network=AIRTEL)
    call.choose("3 hours")
    call.choose("Pay")
    assert stand.who().last_network == AIRTEL  # type: ignore[union-attr]


def test_devices_of_other_isps_are_never_offered(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    other = open_stand(stand.app, stand.clock, stand.web, "other")
    other.knock(other.router("Elsewhere", 2), TV)
    call = stand.dial()
    assert "A1B2" not in call.choose("3 hours")
