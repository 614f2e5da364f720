"""`duka` for packages with everything, logins, fixed addresses, renewal and the log."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from core import catalog, customers, subscriptions, tenants
from core.phone import Msisdn
from core.radius_tables import radpostauth
from core.rates import Burst, Speed
from tests.doors.cli_kit import CALLER, OPEN, Box, make_box

DEVICE = "02:00:5E:10:A1:B2"


@pytest.fixture
def shop(tmp_path: Path, bare_database_url: str, redis_url: str, secrets_key: Path) -> Box:
    """An ISP that is open."""
    box = make_box(tmp_path, bare_database_url, redis_url, secrets_key)
    box.does("init", *OPEN)
    return box


def test_a_package_is_published_with_everything_and_told_back(shop: Box) -> None:
    shop.does(
        "package", "add", "home", "Home 10M", "1500", "--time", "30d", "--data", "100GB", "--speed", "5M/10M",
        "--service", "ppp", "--burst", "8M/16M", "--burst-below", "4M/8M", "--burst-seconds", "16", "--priority", "3",
        "--guaranteed", "1M/2M", "--slow", "512k/1M", "--hours", "Mo-Fr 08:00-20:00, Sa 9-13", "--grace", "3d",
        "--idle", "15m", "--session", "12h", "--pool", "home", "--ipv6-pool", "six", "--delegated-pool", "delegated",
        "--group", "gold", "--mark", "gold-mark", "--filter", "gold.in", "--list", "paid", "--list", "gold",
    )  # fmt: skip
    with shop.work(1) as uow:
        made = catalog.by_code(uow, "HOME")
        assert made is not None
        assert made.service == "ppp"
        assert made.profile == catalog.Profile(
            burst=Burst(Speed(8000, 16_000), 16, Speed(4000, 8000)), priority=3, guaranteed=Speed(1000, 2000),
            slow=Speed(512, 1000), hours=catalog.parse_hours("Mo-Fr 08:00-20:00, Sa 09:00-13:00"),
            grace_seconds=3 * 86_400, idle_seconds=900, session_seconds=43_200, pool="home", ipv6_pool="six",
            delegated_pool="delegated", group="gold", mark="gold-mark", filter="gold.in", address_lists=("paid", "gold"),
        )  # fmt: skip
    said = shop.does("package", "show", "home")
    for words in ("a login that dials in", "100GB", "8M/16M while below 4M/8M over 16 s", "512k/1M", "3d", "15m", "12h",
                  "Mo-Fr 08:00-20:00, Sa 09:00-13:00", "paid, gold", "delegated", "gold.in"):  # fmt: skip
        assert words in said


def test_a_plain_package_shows_only_what_it_has(shop: Box) -> None:
    shop.does("package", "add", "3H", "3 hours", "20", "--time", "3h")
    said = shop.does("package", "show", "3h")
    assert "hotspot" in said
    assert "pool" not in said
    assert "grace" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--hours", "someday 8-9"], "neither a day nor a time"),
        (["--hours", "Mo"], "there is no time for Mo"),
        (["--pool", "a b\tc"], "--pool"),
        (["--idle", "x"], "no span of time"),
        (["--burst", "2M/6M"], "need a speed"),
        (["--service", "modem"], "one of mac, ppp"),
        (["--slow", "1M/1M"], "data can be used up"),
        (["--grace", "2d"], "half as long"),
    ],
)
def test_what_does_not_make_sense_is_said_in_words(shop: Box, options: list[str], words: str) -> None:
    assert words in shop.fails("package", "add", "DAY", "1 day", "50", "--time", "1d", *options)


def test_a_login_is_made_for_somebody_new_and_its_password_shown_once(shop: Box) -> None:
    said = shop.does("customer", "login", "add", CALLER, "Home.1", "--address", "10.20.0.7", "--route", "10.9.0.0/24")
    found = re.search(r"login home\.1 for .* password (\S{16,})", said)
    assert found is not None, said
    listed = shop.does("customer", "login", "list", CALLER)
    assert "10.20.0.7, 10.9.0.0/24" in listed
    assert found[1] not in listed
    assert found[1] in shop.does("customer", "login", "list", CALLER, "--reveal")
    again = shop.does("customer", "login", "reset", CALLER, "home.1")
    assert found[1] not in again
    shop.does("customer", "login", "release", CALLER, "home.1")
    assert "no logins" in shop.does("customer", "login", "list", CALLER)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", CALLER, "aa:bb:cc:dd:ee:ff"], "letters a-z"),
        (["add", CALLER, "aabbccddeeff"], "address of a device"),
        (["add", CALLER, "home.2", "--address", "10.20.0"], "--address"),
        (["add", CALLER, "home.2", "--route", "10.0.0.1/24"], "--routes"),
        (["reset", CALLER, "home.9"], "there is: home.1"),
        (["add", "0722000111", "home.1"], "already"),
        (["list", "0722000111"], "nobody with the number"),
    ],
)
def test_mistakes_with_logins_are_said_in_words(shop: Box, words: list[str], said: str) -> None:
    shop.does("customer", "login", "add", CALLER, "home.1")
    assert said in shop.fails("customer", "login", *words)


def test_a_device_is_given_an_address_and_loses_it_again(shop: Box) -> None:
    with shop.work(1) as uow:
        customers.recognise(uow, Msisdn(CALLER), "en")
    assert "10.0.0.8" in shop.does("customer", "device", CALLER, DEVICE, "--address", "10.0.0.8")
    assert "10.0.0.8" in shop.does("customer", "show", CALLER)
    assert "10.0.0.8" in shop.does("customer", "device", CALLER, DEVICE), "nothing given, nothing changed"
    shop.does("customer", "device", CALLER, DEVICE, "--no-address")
    assert "10.0.0.8" not in shop.does("customer", "show", CALLER)


def test_renewal_is_switched_on_and_off(shop: Box) -> None:
    with shop.work(1) as uow:
        customers.recognise(uow, Msisdn(CALLER), "en")
    for switch, wanted in (("--on", True), ("--off", False)):
        shop.does("customer", "auto-renew", CALLER, switch)
        with shop.work(1) as uow:
            assert customers.customer(uow, 1).auto_renews is wanted


def test_redirects_are_a_setting(shop: Box) -> None:
    shop.does("settings", "general", "--redirects")
    with shop.work(1) as uow:
        assert tenants.settings_of(uow).redirects
    shop.does("settings", "general", "--no-redirects")
    with shop.work(1) as uow:
        assert not tenants.settings_of(uow).redirects


def test_the_log_is_found_by_number_by_login_and_by_device(shop: Box) -> None:
    shop.does("customer", "login", "add", CALLER, "home.1")
    shop.does("customer", "device", CALLER, DEVICE)
    shop.does("package", "add", "3H", "3 hours", "20", "--time", "3h")
    with shop.work(1) as uow:
        sold = catalog.by_code(uow, "3H")
        assert sold is not None
        row = subscriptions.grant(uow, customer_id=1, package=sold, purchase_id=1)
        subscriptions.suspend(uow, row)
        for number, (user, reply) in enumerate(
            [
                (DEVICE, "Access-Reject (not_paid)"),
                ("home.1", "Access-Accept (redirect expired)"),
                (DEVICE, "Access-Accept"),
            ]
        ):
            moment = uow.now + timedelta(seconds=number)
            uow.session.execute(insert(radpostauth).values(username=user, reply=reply, authdate=moment))
    said = shop.does("customer", "log", CALLER)
    assert said.index("let in") < said.index("walled") < said.index("not_paid"), "newest first"
    assert "operator" in said, "cut off by hand"
    for whom, present, absent in ((DEVICE, "not_paid", "walled"), ("home.1", "walled", "not_paid")):
        said = shop.does("customer", "log", whom)
        assert present in said
        assert absent not in said
    first = shop.does("customer", "log", DEVICE, "--limit", "1")
    older = re.search(r"--before (\d+)", first)
    assert older is not None
    assert "not_paid" in shop.does("customer", "log", DEVICE, "--before", older[1])
    assert "nobody with the number" in shop.fails("customer", "log", "0722000111")


def test_somebody_is_cut_off_let_on_and_given_another_package(shop: Box) -> None:
    shop.does("package", "add", "3H", "3 hours", "20", "--time", "3h", "--speed", "2M/5M")
    shop.does("package", "add", "FAST", "Fast", "50", "--time", "3h", "--speed", "8M/20M")
    assert "nothing of this kind runs" in shop.fails("customer", "suspend", buyer(shop))
    with shop.work(1) as uow:
        who, package = customers.by_phone(uow, Msisdn(CALLER)), catalog.by_code(uow, "3H")
        assert who is not None
        assert package is not None
        subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1)
    assert "cut off" in shop.does("customer", "suspend", CALLER)
    assert only_subscription(shop).suspended_reason == "operator"
    assert "may go on" in shop.does("customer", "suspend", CALLER, "--undo")
    assert "Fast from now on" in shop.does("customer", "change", CALLER, "fast")
    row = only_subscription(shop)
    assert (row.suspended_at, row.download_kbps) == (None, 20_000)
    assert "is on sale" in shop.fails("customer", "change", CALLER, "NONE")


def buyer(shop: Box) -> str:
    """A customer who has bought nothing yet."""
    with shop.work(1) as uow:
        customers.recognise(uow, Msisdn(CALLER), "en", None)
    return CALLER


def only_subscription(shop: Box) -> subscriptions.Subscription:
    with shop.work(1) as uow:
        return uow.session.query(subscriptions.Subscription).one()
