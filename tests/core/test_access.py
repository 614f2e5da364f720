"""What was bought decides what a router is told: written as rows, read by the policy."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from core import catalog, customers, network, purchases, subscriptions, tenants
from core.config import Settings
from core.outbox import Promise
from core.radius_tables import radcheck, radius_user
from core.rates import Burst, Speed
from core.subscriptions import Subscription
from tests.core.access_kit import DEVICE, DHCP, PPP, ask, buy, package, sync, with_device, with_login
from tests.core.kit import Shop, open_shop

HOUR = 3600


def test_a_device_gets_the_speed_and_the_time_that_were_bought(shop: Shop) -> None:
    with_device(shop)
    number = buy(shop, package(shop, upload_kbps=2000, download_kbps=5000))
    said = ask(shop)
    assert said["Mikrotik-Rate-Limit"] == "2M/5M"
    assert said["Session-Timeout"] == 24 * HOUR
    assert said["Class"] == f"duka:{number}"
    assert "Idle-Timeout" not in said


def test_everything_a_profile_says_reaches_the_router(shop: Shop) -> None:
    password = with_login(
        shop, address="10.20.0.7", routes=("10.9.0.0/24 10.20.0.7 1", "10.9.1.0/24"), prefixes=("2001:db8:1::/64",),
        delegated=("2001:db8:8::/56", "2001:db8:9::/56"),
    )  # fmt: skip
    profile = {
        "burst": Burst(Speed(8000, 16_000), 16, Speed(4000, 8000)), "priority": 3, "guaranteed": Speed(1000, 2000),
        "pool": "home", "ipv6_pool": "six", "delegated_pool": "delegated", "group": "gold", "mark": "gold-mark",
        "filter": "gold.in", "address_lists": ("paid", "gold"), "idle_seconds": 900, "session_seconds": 7200,
    }  # fmt: skip
    buy(shop, package(shop, service="ppp", upload_kbps=5000, download_kbps=10_000, profile=profile))
    said = ask(shop, "home.1", password, PPP)
    assert said["Mikrotik-Rate-Limit"] == "5M/10M 8M/16M 4M/8M 16/16 3 1M/2M"
    assert (said["Idle-Timeout"], said["Session-Timeout"]) == (900, 7200)
    assert said["Mikrotik-Address-List"] == ["paid", "gold"]
    assert (said["Mikrotik-Group"], said["Mikrotik-Mark-Id"], said["Filter-Id"]) == ("gold", "gold-mark", "gold.in")
    assert said["Framed-IP-Address"] == "10.20.0.7"
    assert said["Framed-Route"] == ["10.9.0.0/24 10.20.0.7 1", "10.9.1.0/24"]
    assert "2001:db8:1::/64" in str(said["Framed-IPv6-Prefix"])
    assert len(said["Delegated-IPv6-Prefix"]) == 2
    pools = {"Framed-Pool", "Framed-IPv6-Pool", "Mikrotik-Delegated-IPv6-Pool"}
    assert not pools & said.keys(), "fixed addresses stand instead of pools"


def test_without_fixed_addresses_they_come_from_the_pools(shop: Shop) -> None:
    password = with_login(shop)
    pools = {"pool": "home", "ipv6_pool": "six", "delegated_pool": "delegated"}
    buy(shop, package(shop, service="ppp", profile=pools))
    said = ask(shop, "home.1", password, PPP)
    assert said["Framed-Pool"] == "home"
    assert said["Framed-IPv6-Pool"] == "six"
    assert said["Mikrotik-Delegated-IPv6-Pool"] == "delegated"


def test_a_package_for_one_service_opens_no_other(shop: Shop) -> None:
    with_device(shop)
    password = with_login(shop)
    buy(shop, package(shop, service="ppp"))
    assert isinstance(ask(shop, "home.1", password, PPP), dict)
    assert ask(shop, "home.1", password) == "wrong_service"
    assert ask(shop) == "not_paid"
    buy(shop, package(shop, "3H", hours=3))
    assert ask(shop)["Session-Timeout"] == 3 * HOUR
    assert ask(shop, "home.1", password, PPP)["Session-Timeout"] == 24 * HOUR, (
        "time of one service is not added to the other"
    )


def test_a_login_proves_itself_by_its_own_password_and_leaves_with_its_release(shop: Shop) -> None:
    password = with_login(shop)
    buy(shop, package(shop, service="ppp"))
    assert ask(shop, "home.1", "guess", PPP) == "wrong_password"
    with shop.work() as uow:
        (held,) = customers.logins(uow, 1)
        fresh = customers.reset_login(uow, held).password
    sync(shop)
    assert fresh != password
    assert ask(shop, "home.1", password, PPP) == "wrong_password"
    assert isinstance(ask(shop, "home.1", fresh, PPP), dict)
    with shop.work() as uow:
        customers.release_login(uow, customers.logins(uow, 1)[0])
    sync(shop)
    assert ask(shop, "home.1", fresh, PPP) == "unknown_user"


@pytest.mark.parametrize(("limit", "shares"), [(1, [None, 1]), (2, [1, 1]), (3, [1, 2]), (5, [2, 3])])
def test_sessions_of_a_package_are_shared_out_among_its_logins(
    shop: Shop, limit: int, shares: list[int | None]
) -> None:
    with_login(shop, "older")
    with_login(shop, "newer")
    buy(shop, package(shop, service="ppp", device_limit=limit))
    with shop.app.engine.connect() as connection:
        rows = connection.execute(
            select(radcheck.c.username, radcheck.c.value).where(radcheck.c.attribute == "Simultaneous-Use")
        )
        found = {name: int(value) for name, value in rows}
    assert [found.get("older"), found.get("newer")] == shares


def test_nobody_pays_for_a_line_they_do_not_have(shop: Shop) -> None:
    number = package(shop, service="ppp")
    with shop.work() as uow, pytest.raises(purchases.NoLine):
        purchases.buy(uow, shop.customer(uow), catalog.package(uow, number), key="k")
    with_login(shop)
    with shop.work() as uow:
        assert purchases.buy(uow, shop.customer(uow), catalog.package(uow, number), key="k").way == "prompt"


def test_outside_its_hours_a_package_lets_nobody_in(shop: Shop) -> None:
    with_device(shop)
    buy(shop, package(shop, profile={"hours": "480-1200,6240-7200"}))  # Fr from 08:00; it is Friday 12:00 in Nairobi
    assert ask(shop)["Session-Timeout"] == 12 * HOUR
    shop.later(hours=13)
    assert ask(shop) == "outside_hours"


def test_who_is_stopped_by_hand_is_told_so_until_it_is_undone(shop: Shop) -> None:
    with_device(shop)
    number = buy(shop, package(shop))
    with shop.work() as uow:
        subscriptions.suspend(uow, subscriptions.subscription(uow, number))
    sync(shop)
    assert ask(shop) == "suspended"
    with shop.work() as uow:
        subscriptions.resume(uow, subscriptions.subscription(uow, number))
    sync(shop)
    assert isinstance(ask(shop), dict)


def test_rows_that_missed_that_somebody_was_stopped_are_found(shop: Shop) -> None:
    with_device(shop)
    number = buy(shop, package(shop))
    with shop.work() as uow:
        subscriptions.suspend(uow, subscriptions.subscription(uow, number))
        uow.session.execute(update(Promise).values(done_at=uow.now))  # it was lost
    assert isinstance(ask(shop), dict)
    with shop.app.work(None) as uow:
        assert network.heal(uow, network.drifted(uow)) == 1
    sync(shop)
    assert ask(shop) == "suspended"
    with shop.app.work(None) as uow:
        assert network.heal(uow, network.drifted(uow)) == 0


def test_used_up_data_is_told_as_such_and_topping_up_opens_again(shop: Shop) -> None:
    with_device(shop)
    offer = package(shop, quota_bytes=1000)
    number = buy(shop, offer)
    assert ask(shop)["Mikrotik-Total-Limit"] == 1000
    with shop.work() as uow:
        subscriptions.use(uow, number, 1000)
        assert subscriptions.exhaust(uow, uow.session.get_one(Subscription, number, populate_existing=True))
    sync(shop)
    assert ask(shop) == "data_used_up"
    buy(shop, offer)
    assert ask(shop)["Mikrotik-Total-Limit"] == 1000


def test_the_end_is_remembered_at_the_door_for_a_month(shop: Shop) -> None:
    with_device(shop)
    buy(shop, package(shop))
    shop.later(hours=24)
    with shop.app.work(None) as uow:
        assert subscriptions.close_ended(uow) == 1
    sync(shop)
    assert ask(shop) == "expired"
    shop.later(days=29)
    with shop.app.work(None) as uow:
        assert network.heal(uow, network.drifted(uow)) == 0
    shop.later(days=1)
    with shop.app.work(None) as uow:
        assert network.heal(uow, network.drifted(uow)) == 1
    sync(shop)
    assert ask(shop) == "not_paid"
    with shop.app.work(None) as uow:
        assert network.heal(uow, network.drifted(uow)) == 0


def test_grace_goes_on_to_the_second_and_no_further(shop: Shop) -> None:
    with_device(shop)
    buy(shop, package(shop, profile={"grace_seconds": 7200}))
    assert ask(shop)["Session-Timeout"] == 26 * HOUR
    shop.later(hours=25)
    sync(shop)
    assert ask(shop)["Session-Timeout"] == HOUR
    shop.later(minutes=59, seconds=59)
    assert ask(shop)["Session-Timeout"] == 1
    shop.later(seconds=1)
    assert ask(shop) == "expired"


def test_fair_use_slows_down_instead_of_stopping_and_a_top_up_makes_fast_again(shop: Shop) -> None:
    with_device(shop)
    fast = {"slow": Speed(256, 512), "burst": Burst(Speed(4000, 9000), 10)}
    offer = package(shop, quota_bytes=1000, upload_kbps=2000, download_kbps=5000, profile=fast)
    number = buy(shop, offer)
    said = ask(shop)
    assert said["Mikrotik-Rate-Limit"] == "2M/5M 4M/9M 2M/5M 10/10"
    assert "Mikrotik-Total-Limit" not in said, "no order could take it from a session"
    with shop.work() as uow:
        subscriptions.use(uow, number, 5000)
        assert subscriptions.exhaust(uow, uow.session.get_one(Subscription, number, populate_existing=True))
        assert subscriptions.left(uow, 1).bytes == 0
        assert subscriptions.left(uow, 1).running
    sync(shop)
    assert ask(shop)["Mikrotik-Rate-Limit"] == "256k/512k"
    buy(shop, offer)
    assert ask(shop)["Mikrotik-Rate-Limit"].startswith("2M/5M")
    with shop.work() as uow:
        assert subscriptions.left(uow, 1).bytes == 1000, "what went through slowly is not taken from the top-up"


def test_somebody_slowed_down_who_buys_something_else_has_it_at_once(shop: Shop) -> None:
    with_device(shop)
    slow = package(shop, quota_bytes=1000, upload_kbps=2000, download_kbps=5000, profile={"slow": Speed(256, 512)})
    number = buy(shop, slow)
    with shop.work() as uow:
        subscriptions.use(uow, number, 1000)
        subscriptions.exhaust(uow, uow.session.get_one(Subscription, number, populate_existing=True))
    buy(shop, package(shop, "3H", hours=3, upload_kbps=1000, download_kbps=3000))
    assert ask(shop)["Mikrotik-Rate-Limit"] == "1M/3M"
    shop.later(hours=3)
    with shop.app.work(None) as uow:
        subscriptions.close_ended(uow)
    sync(shop)
    assert ask(shop)["Mikrotik-Rate-Limit"] == "256k/512k", "the rest of the slow time is still there"


def redirecting(shop: Shop, *, on: bool = True) -> None:
    with shop.work() as uow:
        network.change_settings(uow, tenants.settings_of(uow).model_copy(update={"redirects": on}))


def test_with_redirects_who_never_paid_is_led_to_the_pay_page_over_ppp_and_dhcp_only(shop: Shop) -> None:
    redirecting(shop)
    with_device(shop)
    password = with_login(shop)
    sync(shop)
    assert ask(shop, "home.1", password, PPP) == ("walled", "expired")
    assert ask(shop, service=DHCP) == ("walled", "expired")
    assert ask(shop) == "expired"
    number = buy(shop, package(shop, service="ppp", quota_bytes=500))
    assert isinstance(ask(shop, "home.1", password, PPP), dict)
    with shop.work() as uow:
        subscriptions.use(uow, number, 500)
        subscriptions.exhaust(uow, uow.session.get_one(Subscription, number, populate_existing=True))
    sync(shop)
    assert ask(shop, "home.1", password, PPP) == ("walled", "data_used_up")


def test_changing_redirects_reaches_the_rows_of_everybody_it_concerns(shop: Shop) -> None:
    password = with_login(shop)
    sync(shop)
    assert ask(shop, "home.1", password, PPP) == "unknown_user"
    with shop.work() as uow:
        before = len(uow.session.execute(select(radius_user)).all())
    redirecting(shop)
    sync(shop)
    assert ask(shop, "home.1", password, PPP) == ("walled", "expired")
    redirecting(shop, on=False)
    sync(shop)
    with shop.work() as uow:
        assert len(uow.session.execute(select(radius_user)).all()) == before
    assert ask(shop, "home.1", password, PPP) == "unknown_user"


def test_the_same_login_at_two_isps_is_two(shop: Shop, settings: Settings) -> None:
    other = open_shop(settings, "stranger", shop.app)
    ours, theirs = with_login(shop), with_login(other)
    buy(other, package(other, service="ppp"))
    assert isinstance(ask(other, "home.1", theirs, PPP, realm="stranger"), dict)
    assert ask(shop, "home.1", theirs, PPP) == ask(shop, "home.1", ours, PPP) == "unknown_user"


def test_the_rows_speak_the_customers_language(shop: Shop) -> None:
    with_device(shop)
    buy(shop, package(shop))
    with shop.work() as uow:
        customers.set_language(uow, shop.customer(uow), "sw")
        uow.session.flush()
        assert uow.session.scalars(select(Promise.kind).where(Promise.done_at.is_(None))).all() == ["SyncAccess"]
    sync(shop)
    with shop.app.engine.connect() as connection:
        assert connection.scalar(select(radius_user.c.language).where(radius_user.c.username == DEVICE)) == "sw"
