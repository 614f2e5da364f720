"""The portal is away, and a voucher is typed on the router's own page: online with what it sells, sold once, or told why not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest

from core import customers, ledger, vouchers
from core.purchases import Purchase
from core.subscriptions import Subscription
from sim.routeros.phones import Phone
from tests.journeys.login_form import give_wifi, issue, join, told_by, type_code
from tests.journeys.running import STORY_SECONDS_MAX, RunningTown
from tests.journeys.told import order, pay, until_prompted
from tests.services import eventually
from tests.town import TV, Town

SECOND = "02:00:5E:10:A1:B3"
ONLINE, USED = "You are online.", "This code has been used already."
UNKNOWN = "This code is not known. Look at it again and type it once more."
_MACS = (f"02:00:5E:77:00:{number:02X}" for number in count(1))


@pytest.fixture
def wifi(town: Town) -> Town:
    """A shop with a package, and a router with our pages and addresses for phones."""
    town.package()
    give_wifi(town.router, town.app, town.shop.tenant_id)
    return town


def voucher(town: Town) -> str:
    return issue(town.app, town.shop.tenant_id)


def active(town: Town) -> dict[str, str]:
    (row,) = town.router.rows("/ip/hotspot/active")
    return row


def assert_sold_once(town: Town, mac: str = TV) -> None:
    """One purchase, one subscription, balanced books, nothing owed; the device is online as long as was sold."""
    town.work_off()
    with town.app.work(town.shop.tenant_id) as uow:
        device = customers.owner_of(uow, mac)
        assert device is not None
        (bought,) = uow.session.query(Subscription)
        (sold,) = uow.session.query(Purchase)
        assert bought.customer_id == sold.customer_id == device.customer_id
        totals = ledger.totals(uow)
    assert (totals["revenue"], totals["vouchers"], sum(totals.values())) == (2000, -2000, 0)
    assert [row.kind for row in town.open_promises()] == []
    row = active(town)
    assert (row["user"], row["mac-address"]) == (mac, mac)
    assert row["session-time-left"].startswith(("2h59m", "3h"))
    (queue,) = town.router.rows("/queue/simple")
    assert queue["max-limit"] == "2000000/5000000"


def test_a_voucher_typed_on_the_routers_page_is_online_with_what_it_sells(wifi: Town) -> None:
    phone = join(wifi.router, TV)
    page = type_code(phone, voucher(wifi).lower())
    assert phone.online and told_by(page) == ONLINE
    assert active(wifi)["session-time-left"].startswith(("1m", "2m"))
    assert_sold_once(wifi)


def test_it_stays_so_when_the_first_moment_is_over(wifi: Town) -> None:
    phone = join(wifi.router, TV)
    type_code(phone, voucher(wifi))
    wifi.pass_time(10 * 60)
    assert phone.online
    wifi.pass_time(3 * 3600, step_seconds=600)
    assert not phone.online
    assert {row.kind for row in wifi.open_promises()} <= {"Probe"}


def test_typed_twice_it_is_sold_once(wifi: Town) -> None:
    phone, code = join(wifi.router, TV), voucher(wifi)
    for _ in range(2):
        type_code(phone, code)
        phone.post("http://10.20.0.1/logout", {})
        phone.get("http://10.20.0.1/logout")
        assert not phone.online
    type_code(phone, code)
    assert_sold_once(wifi)
    phone.get("http://10.20.0.1/logout")
    wifi.settle()
    type_code(phone, code)
    assert phone.online
    assert_sold_once(wifi)


def test_two_phones_at_once_and_one_is_online(wifi: Town) -> None:
    phones, code = [join(wifi.router, mac) for mac in (TV, SECOND)], voucher(wifi)
    with ThreadPoolExecutor(2) as people:
        pages = list(people.map(lambda phone: type_code(phone, code), phones))
    assert sorted(told_by(page) for page in pages) == [USED, ONLINE]
    (served,) = [phone for phone in phones if phone.online]
    assert_sold_once(wifi, served.mac)


def test_wrong_codes_are_said_kindly_and_come_to_an_end(wifi: Town) -> None:
    phone, code = join(wifi.router, TV), voucher(wifi)
    page = type_code(phone, "wrong code")
    said = [told_by(page)]
    for _ in range(19):
        page = type_code(phone, "wrong code", page)
        said.append(told_by(page))
    assert said == [UNKNOWN] * 10 + ["Too many wrong codes. Try again in an hour."] * 10
    assert 'http-equiv="refresh"' not in page.text and "<script>" not in page.text
    type_code(phone, code, page)
    assert not phone.online
    wifi.pass_time(3601, step_seconds=600)
    type_code(phone, code)
    assert_sold_once(wifi)


@pytest.mark.parametrize("typed", ["", "<script>alert(1)</script>", "' OR 1=1 --", "$(username)", "x" * 300, "\0\1"])
def test_nonsense_is_no_code_and_never_comes_back_as_html(wifi: Town, typed: str) -> None:
    phone = join(wifi.router, TV)
    page = type_code(phone, typed)
    assert not phone.online and told_by(page).startswith("This login is not known here.")
    assert "alert(1)" not in page.text and "OR 1=1" not in page.text


def test_a_customer_whose_time_is_over_types_a_voucher(wifi: Town) -> None:
    phone = join(wifi.router, TV)
    wifi.work_off()
    order(wifi)
    until_prompted(wifi)
    pay(wifi)
    assert phone.online
    wifi.pass_time(3 * 3600 + 60, step_seconds=600)
    assert not phone.online
    assert told_by(type_code(phone, voucher(wifi))) == ONLINE
    wifi.work_off()
    assert len(wifi.subscriptions()) == 2
    assert active(wifi)["session-time-left"].startswith(("2h59m", "3h"))


def test_who_typed_a_voucher_can_buy_under_their_number_when_it_is_used_up(wifi: Town) -> None:
    phone = join(wifi.router, TV)
    type_code(phone, voucher(wifi))
    wifi.work_off()
    wifi.pass_time(3 * 3600 + 120, step_seconds=600)
    assert not phone.online
    order(wifi)
    until_prompted(wifi)
    pay(wifi)
    wifi.pass_time(31)
    assert phone.online
    assert len(wifi.subscriptions()) == 1


def test_a_worker_that_does_not_come_keeps_nobody_online_for_ever(wifi: Town) -> None:
    phone, code = join(wifi.router, TV), voucher(wifi)
    type_code(phone, code)
    for _ in range(8):  # nobody keeps promises meanwhile
        wifi.router_clock.advance(121)
        wifi.router.settle()
        assert not phone.online
        wifi.clock.advance(timedelta(seconds=121))
        page = type_code(phone, code)
    assert told_by(page).startswith("Your code is right")
    assert not phone.online
    wifi.work_off()
    wifi.pass_time(61)
    assert phone.online
    with wifi.app.work(wifi.shop.tenant_id) as uow:
        assert uow.session.query(Subscription).count() == 1


# ---- real processes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def counter(running_town: RunningTown) -> RunningTown:
    if not running_town.router.rows("/ip/dhcp-server"):
        give_wifi(running_town.router, running_town.app, running_town.shop.tenant_id)
    return running_town


def served(town: RunningTown, phone: Phone) -> bool:
    rows = {row["mac-address"]: row for row in town.router.rows("/ip/hotspot/active")}
    left = rows.get(phone.mac, {}).get("session-time-left", "")
    return left.startswith(("2h5", "3h")) and not town.owed()


def typed_until_online(phone: Phone, code: str) -> None:
    """As people do while a busy shop is slow to answer."""

    def tried() -> bool:
        if not phone.online:
            type_code(phone, code)
        return phone.online

    eventually(tried, STORY_SECONDS_MAX, "the code lets in")


def assert_redeemed_once(town: RunningTown, phone: Phone) -> None:
    eventually(lambda: served(town, phone), STORY_SECONDS_MAX, "online with what was sold")
    with town.app.work(town.shop.tenant_id) as uow:
        device = customers.owner_of(uow, phone.mac)
        assert device is not None
        assert uow.session.query(Subscription).filter_by(customer_id=device.customer_id).count() == 1
        assert uow.session.query(vouchers.Voucher).filter_by(claimed_by=phone.mac).count() == 1
    town.vouchers_redeemed += 1
    town.assert_books()


def test_the_portal_is_dead_and_a_voucher_works(counter: RunningTown) -> None:
    counter.wait_until_open()
    phone, code = join(counter.router, next(_MACS)), issue(counter.app, counter.shop.tenant_id)
    with counter.frozen("portal"):
        typed_until_online(phone, code)
        assert_redeemed_once(counter, phone)


def test_the_worker_dies_redeeming_and_it_completes_by_itself(counter: RunningTown) -> None:
    counter.wait_until_open()
    phone, code = join(counter.router, next(_MACS)), issue(counter.app, counter.shop.tenant_id)
    with counter.snag("voucher", "UPDATE OF redeemed_at", "NEW.redeemed_at IS NOT NULL") as spot:
        type_code(phone, code)
        lost = counter.worker_killed_at(spot, "RedeemClaim")
    counter.end_leases(lost)
    assert_redeemed_once(counter, phone)


def test_radius_dies_claiming_and_the_code_is_still_good(counter: RunningTown) -> None:
    counter.wait_until_open()
    phone, code = join(counter.router, next(_MACS)), issue(counter.app, counter.shop.tenant_id)
    with ThreadPoolExecutor(1) as one:
        with counter.snag("voucher", "UPDATE OF claimed_at", "NEW.claimed_at IS NOT NULL") as spot:
            page = one.submit(type_code, phone, code)
            counter.killed_at(spot, "radius")
        page.result()
    counter.wait_until_open()
    typed_until_online(phone, code)
    assert_redeemed_once(counter, phone)
