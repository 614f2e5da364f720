"""My devices, vouchers, balance, language and help by USSD."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import insert

from core import catalog, vouchers
from core.config import Settings
from core.customers.actions import DEVICES_MAX
from core.radius_tables import radacct
from core.vouchers.actions import TRIES_MAX
from tests.doors.ussd_kit import CALLER, HELP_LINE, LAPTOP, NEIGHBOUR, PAYBILL, TV, Stand, running_stand


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


def voucher(stand: Stand, *, expires_in: timedelta | None = None, code: str = "3H") -> str:
    with stand.app.work(stand.tenant_id) as uow:
        package = catalog.by_code(uow, code)
        assert package is not None
        return vouchers.issue(uow, package, expires_at=uow.now + expires_in if expires_in else None)


# ---- devices


def test_a_waiting_device_is_added_with_two_keys(stand: Stand) -> None:
    stand.knock(stand.router("Market"), TV)
    call = stand.dial()
    assert call.choose("My devices").startswith("You have no device yet.")
    assert call.choose("Add a device") == (
        "Choose, or type the last 4 signs of its Wi-Fi address.\n1 A1B2 Market\n0 Back"
    )
    assert call.answer("1") == "Device A1B2 is yours.\nYour devices: 1\n1 A1B2\n2 Add a device\n0 Back"
    assert stand.macs() == [TV]


@pytest.mark.parametrize("typed", ["a1b2", "A1:B2", "A1 B2", "02:00:5E:10:A1:B2", "02005e10a1b2", "02-00-5E-10-A1-B2"])
def test_a_device_is_typed_by_its_last_signs_or_all(stand: Stand, typed: str) -> None:
    stand.knock(stand.router(), TV, LAPTOP)
    call = stand.dial()
    call.choose("My devices")
    call.choose("Add a device")
    assert call.answer(typed).startswith("Device A1B2 is yours.")


def test_signs_that_nobody_has_are_explained(stand: Stand) -> None:
    stand.knock(stand.router(), TV)
    call = stand.dial()
    call.choose("My devices")
    call.choose("Add a device")
    assert call.answer("FFFF").startswith("No device FFFF is waiting. Join the Wi-Fi with it first.\n")
    assert not stand.macs()


def test_two_devices_with_the_same_ending_need_all_signs(stand: Stand) -> None:
    stand.knock(stand.router(), TV, "02:11:22:33:A1:B2")
    call = stand.dial()
    call.choose("My devices")
    call.choose("Add a device")
    assert call.answer("A1B2").startswith("Several devices end in A1B2. Type all 12 signs.\n")
    call.answer(TV)
    assert stand.macs() == [TV]


def test_an_old_sighting_is_not_offered(stand: Stand) -> None:
    stand.knock(stand.router(), TV)
    stand.pass_time(601)
    call = stand.dial()
    call.choose("My devices")
    assert "A1B2" not in call.choose("Add a device")


def test_a_device_is_moved_and_the_paid_time_kept(stand: Stand) -> None:
    stand.customer(mac=TV)
    stand.bought(stand.package())
    stand.knock(stand.router(), LAPTOP)
    call = stand.dial()
    call.choose("My devices")
    assert call.choose("A1B2") == "Device A1B2\n1 Move to another device\n2 Remove\n0 Back"
    assert call.choose("Move").startswith("From A1B2 to: Choose, or type")
    assert call.choose("C3D4").startswith("Moved from A1B2 to C3D4.\nYour devices: 1\n1 C3D4\n")
    assert stand.macs() == [LAPTOP]
    assert "3h left" in call.answer("00")


def test_a_move_can_be_typed(stand: Stand) -> None:
    stand.customer(mac=TV)
    call = stand.dial()
    call.choose("My devices")
    call.choose("A1B2")
    call.choose("Move")
    assert call.answer(LAPTOP).startswith("Moved from A1B2 to C3D4.")


def test_a_device_is_released(stand: Stand) -> None:
    stand.customer(mac=TV)
    call = stand.dial()
    call.choose("My devices")
    call.choose("A1B2")
    assert call.choose("Remove").startswith("Device A1B2 removed.\nYou have no device yet.")
    assert stand.macs() == []


def test_a_device_that_is_gone_meanwhile_cannot_be_released_twice(stand: Stand) -> None:
    stand.customer(mac=TV)
    call, other = stand.dial(), stand.dial()
    for session in (call, other):
        session.choose("My devices")
        session.choose("A1B2")
    call.choose("Remove")
    assert other.choose("Remove").startswith("This device is not yours any more.\nDevice A1B2\n")


def test_somebody_elses_device_is_refused(stand: Stand) -> None:
    stand.customer(NEIGHBOUR, mac=TV)
    call = stand.dial()
    call.choose("My devices")
    call.choose("Add a device")
    assert call.answer(TV).startswith("Device A1B2 belongs to another customer.\n")
    assert stand.macs(NEIGHBOUR) == [TV]


def test_the_limit_of_devices_is_told_kindly(stand: Stand) -> None:
    for number in range(DEVICES_MAX):
        stand.customer(mac=f"02:00:00:00:00:{number:02X}")
    call = stand.dial()
    call.choose("My devices")
    call.choose("Add a device")
    assert call.answer(TV).startswith("You have 6 devices, more are not possible. Move or remove one.\n")


def test_the_list_says_which_device_is_online(stand: Stand) -> None:
    stand.customer(mac=TV)
    stand.router()
    with stand.app.work(stand.tenant_id) as uow:
        uow.session.execute(
            insert(radacct).values(
                acctsessionid="1", acctuniqueid="1", username=TV, nasipaddress="10.9.0.1", acctstarttime=uow.now
            )
        )
    stand.customer(mac=LAPTOP)
    assert stand.dial().choose("My devices").startswith("Your devices: 2\n1 A1B2 online\n2 C3D4\n")


# ---- vouchers


@pytest.mark.parametrize("dress", [str, str.lower, lambda code: f" {code[:4]}-{code[4:7]} {code[7:]} "])
def test_a_voucher_is_typed_as_people_type(stand: Stand, dress: object) -> None:
    stand.package()
    stand.customer(mac=TV)
    call = stand.dial()
    call.choose("Voucher")
    said = call.answer(dress(voucher(stand)))  # type: ignore[operator]
    assert not call.open
    assert said == "Voucher accepted, good until 20.11. 15:00. Your devices come online by themselves."
    assert stand.told() == ["bought"]


def test_a_voucher_connects_a_waiting_device_too(stand: Stand) -> None:
    stand.package()
    stand.knock(stand.router(), TV)
    call = stand.dial()
    call.choose("Voucher")
    said = call.answer(voucher(stand))
    assert said.startswith("Voucher accepted, good until 20.11. 15:00. Which device is yours?\n1 A1B2 Market")
    assert call.answer("1") == "Device A1B2 is yours and comes online by itself."
    assert stand.macs() == [TV]


def test_a_voucher_without_any_device_says_how_to_connect_one(stand: Stand) -> None:
    stand.package()
    call = stand.dial()
    call.choose("Voucher")
    assert call.answer(voucher(stand)).endswith("Then join the Wi-Fi and dial: My devices.")


def test_a_used_or_expired_voucher_is_told_apart(stand: Stand) -> None:
    stand.package()
    used, late = voucher(stand), voucher(stand, expires_in=timedelta(minutes=5))
    call = stand.dial(NEIGHBOUR)
    call.choose("Voucher")
    call.answer(used)
    stand.pass_time(600)
    call = stand.dial()
    call.choose("Voucher")
    assert call.answer(used).startswith("This voucher has been used.\n")
    assert call.answer(late) == f"This voucher is no longer valid. Help: {HELP_LINE}."


def test_guessing_codes_ends_and_the_tries_are_kept(stand: Stand) -> None:
    stand.package()
    good = voucher(stand)
    for _ in range(TRIES_MAX // 2):
        call = stand.dial()
        call.choose("Voucher")
        call.answer("1234567890", "ABCDEFGHJK")
        assert not call.open
    call = stand.dial()
    call.choose("Voucher")
    assert call.answer(good) == f"Too many wrong codes. Try again in an hour. Help: {HELP_LINE}."
    stand.pass_time(3601)
    call = stand.dial()
    call.choose("Voucher")
    assert call.answer(good).startswith("Voucher accepted")


# ---- balance, language, help


def test_the_balance_has_time_money_and_the_paybill(stand: Stand) -> None:
    stand.bought(stand.package("GB", "100", 24, quota_bytes=500_000_000))
    stand.pay_in("30.50")
    account = stand.who().account_code  # type: ignore[union-attr]
    assert stand.dial().choose("Balance") == (
        f"1d and 500MB left, until 21.11. 12:00\nAccount: KES 30.50\nPaybill {PAYBILL}, account {account}\n0 Back"
    )


def test_a_new_callers_balance_gives_the_account_for_paying_by_hand(stand: Stand) -> None:
    said = stand.dial().choose("Balance")
    account = stand.who().account_code  # type: ignore[union-attr]
    assert said == f"You have no package now.\nAccount: KES 0\nPaybill {PAYBILL}, account {account}\n0 Back"


def test_the_language_is_kept(stand: Stand) -> None:
    stand.package()
    call = stand.dial()
    call.choose("Language")
    assert call.choose("Kiswahili").startswith("Kiosk Net: chagua kifurushi\n1 3 hours KES 20\n2 Vifaa vyangu")
    assert stand.who().language == "sw"  # type: ignore[union-attr]
    assert stand.dial(CALLER).screen.startswith("Kiosk Net: chagua kifurushi")
    call = stand.dial()
    call.choose("Lugha")
    assert call.choose("English").startswith("Kiosk Net: choose a package")


def test_help_names_the_company_and_a_contact(stand: Stand) -> None:
    call = stand.dial()
    assert call.choose("Help").startswith(f"Kiosk Net. Help: {HELP_LINE}.")
    assert call.open
