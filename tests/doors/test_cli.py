"""`duka`, as an owner types it: opening a shop, prices, vouchers, customers, parked work. The same on both databases."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from core import customers, messaging, migrations, outbox, tenants, vouchers
from core.db import make_engine, vault
from core.phone import Msisdn
from core.tasks import SendMessage
from core.uow import UnitOfWork
from tests.doors.cli_kit import CALLER, OPEN, Box, make_box


@pytest.fixture
def box(tmp_path: Path, bare_database_url: str, redis_url: str, secrets_key: Path) -> Box:
    return make_box(tmp_path, bare_database_url, redis_url, secrets_key)


@pytest.fixture
def shop(box: Box) -> Box:
    """The same with an ISP open."""
    box.does("init", *OPEN)
    return box


@pytest.fixture
def own_vault(secrets_key: Path) -> Iterator[None]:
    """For tests that work with another key than the run's: the run's own is put back."""
    yield
    vault.unlock([secrets_key.read_text(encoding="ascii").strip()])


def park(uow: UnitOfWork, number: int) -> None:
    """Something was promised, and given up on."""
    row = outbox.promise(uow.session, 1, SendMessage(number), uow.now)
    uow.session.flush()
    outbox.park(row, uow.now, "the gateway said [red]no[/red]")


# ---- opening -----------------------------------------------------------------------------------------------------------


def test_init_opens_a_shop_and_shows_the_addresses_to_register(box: Box) -> None:
    said = box.does("init", *OPEN)
    assert "Shore WiFi" in said
    for path in ("/ussd/africastalking/", "/sms/africastalking/", "/hooks/daraja/", "/validate", "/ended", "/delivery"):
        assert path in said
    assert "duka router add" in said
    assert said.count("--tenant shore") > 2
    with box.work(1) as uow:
        tenant = tenants.current(uow)
        assert (tenant.slug, tenant.currency, tenant.timezone, tenant.realm) == ("shore", "KES", "Africa/Nairobi", "")
        secret = tenants.door_url_secret(uow, "ussd")
    assert f"/ussd/africastalking/{secret}" in said


def test_the_addresses_shown_are_those_that_are_answered(shop: Box) -> None:
    said = shop.does("settings", "show", "--urls")
    found = re.findall(r"/(ussd|sms|hooks)/[a-z]+/([\w-]{20,})", said)
    assert {door for door, _ in found} == {"ussd", "sms", "hooks"}
    with shop.work(None) as uow:
        assert {tenants.find_by_door(uow, door, secret) for door, secret in found} == {1}


def test_init_twice_changes_nothing_and_says_what_is_there(shop: Box) -> None:
    first = shop.does("settings", "show", "--urls")
    assert "is open already" in shop.does("init")
    assert "is open already" in shop.does("init", *OPEN)
    assert shop.does("settings", "show", "--urls") == first


def test_a_second_isp_is_opened_by_another_slug_and_must_then_be_named(shop: Box) -> None:
    shop.does("init", "--slug", "hill", "--name", "Hill Net", "--country", "TZ", "--currency", "TZS", "--timezone",
              "Africa/Dar_es_Salaam")  # fmt: skip
    assert "say which with --tenant: shore, hill" in shop.fails("package", "list")
    shop.does("package", "add", "DAY", "1 day", "500", "--time", "1d", "--tenant", "hill")
    assert "TZS 500" in shop.does("package", "list", "--tenant", "hill")
    assert "TZS" not in shop.does("package", "list", "--tenant", "shore")
    assert "no ISP called 'moon'" in shop.fails("package", "list", "--tenant", "moon")
    assert "TZS 500" in shop.does("package", "list", DUKA_TENANT="hill")


def test_init_without_anybody_to_ask_names_the_missing_option(box: Box) -> None:
    assert "--slug is missing" in box.fails("init")
    assert "--name is missing" in box.fails("init", "--slug", "shore")


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("--slug", "Shore Wifi!", "slug"),
        ("--slug", "x" * 60, "slug"),
        ("--country", "ZZ", "country"),
        ("--currency", "XXX", "currency"),
        ("--timezone", "Moon/Crater", "timezone"),
    ],
)
def test_init_refuses_what_no_isp_can_be_opened_with(box: Box, option: str, value: str, hint: str) -> None:
    assert hint in box.fails("init", *OPEN, option, value)
    with box.work(None) as uow:
        assert tenants.everyone(uow) == []


def test_init_makes_a_key_that_only_this_user_can_read(box: Box, own_vault: None) -> None:
    key = box.folder / "var" / "own.key"
    said = box.does("init", *OPEN, DUKA_SECRETS__KEY=f"file:{key}")
    assert "keep a copy elsewhere" in said
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    box.does("init", DUKA_SECRETS__KEY=f"file:{key}")
    assert key.read_bytes() == before


def test_init_does_not_make_a_new_key_for_a_database_that_was_sealed_with_another(shop: Box, own_vault: None) -> None:
    lost = shop.folder / "lost.key"
    assert "put" in shop.fails("init", DUKA_SECRETS__KEY=f"file:{lost}")
    assert not lost.exists()


def test_a_key_from_the_environment_that_is_not_set_is_named(box: Box) -> None:
    assert "MY_KEY" in box.fails("init", *OPEN, DUKA_SECRETS__KEY="env:MY_KEY")


def test_migrate_brings_an_empty_database_up_and_can_be_repeated(box: Box) -> None:
    assert f"revision {migrations.head()}" in box.does("migrate")
    assert "already" in box.does("migrate")


def test_an_empty_or_older_database_is_said_in_words(box: Box) -> None:
    assert "duka init" in box.fails("package", "list")
    box.does("migrate")
    assert "no ISP here yet" in box.fails("package", "list")
    engine = make_engine(box.settings.database.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    engine.dispose()
    assert "run `duka migrate`" in box.fails("package", "list")


def test_a_bad_configuration_is_one_line(box: Box) -> None:
    config = Path(box.env["DUKA_CONFIG"])
    config.write_text('[database]\nurk = "x"\n', encoding="utf-8")
    assert "database.urk" in box.fails("migrate", DUKA_SECRETS__KEY="env:PWD")
    config.write_text("this is not toml", encoding="utf-8")
    assert "cannot be read" in box.fails("migrate")
    assert "does not exist" in box.fails("migrate", DUKA_CONFIG="/nowhere/config.toml")


def test_a_database_that_is_away_is_one_line_without_the_password(box: Box) -> None:
    url = "postgresql://duka:hunter2@127.0.0.1:1/duka"
    said = box.fails("migrate", DUKA_DATABASE__URL=url)
    assert "the database does not answer" in said
    assert "hunter2" not in said


# ---- packages and vouchers ---------------------------------------------------------------------------------------------


def test_a_package_is_added_listed_repriced_and_withdrawn(shop: Box) -> None:
    shop.does("package", "add", "3h", "3 hours", "20", "--time", "3h", "--speed", "2M/5M", "--data", "1.5GB")
    listed = shop.does("package", "list")
    for words in ("3H", "3 hours", "KES 20", "1.5GB", "2000k/5000k"):
        assert words in listed
    assert "KES 20 → KES 25.50" in shop.does("package", "reprice", "3H", "25.50")
    shop.does("package", "withdraw", "3H")
    assert "nothing is on sale" in shop.does("package", "list")
    assert "there is: nothing" in shop.fails("package", "reprice", "3H", "30")


@pytest.mark.parametrize(
    "words",
    [
        ("3H", "3 hours", "20", "--time", "three hours"),
        ("3H", "3 hours", "20", "--time", "0h"),
        ("3H", "3 hours", "20", "--time", "999999999999h"),
        ("3H", "3 hours", "twenty", "--time", "3h"),
        ("3H", "3 hours", "0.001", "--time", "3h"),
        ("3H", "3 hours", "-5", "--time", "3h"),
        ("3H", "3 hours", "20", "--time", "3h", "--data", "lots"),
        ("3H", "3 hours", "20", "--time", "3h", "--speed", "fast"),
        ("3H", "3 hours", "20", "--time", "3h", "--devices", "99"),
        ("3H!", "3 hours", "20", "--time", "3h"),
        ("3H", "ሰዓት", "20", "--time", "3h"),
        ("3H", "x" * 200, "20", "--time", "3h"),
    ],
)
def test_a_package_nobody_could_read_or_use_is_refused(shop: Box, words: tuple[str, ...]) -> None:
    result = shop.run("package", "add", *words)
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert "nothing is on sale" in shop.does("package", "list")


def test_vouchers_are_printed_once_and_each_can_be_redeemed(shop: Box) -> None:
    shop.does("package", "add", "3H", "3 hours", "20", "--time", "3h")
    result = shop.run("voucher", "issue", "--package", "3H", "--count", "3", "--expires", "30")
    codes = result.stdout.split()
    assert len(set(codes)) == 3
    assert "valid until" in result.stderr
    with shop.work(1) as uow:
        who = customers.recognise(uow, Msisdn(CALLER), "en")
        for code in codes:
            assert vouchers.redeem(uow, who, code).completed_at is not None
        later = uow.now + timedelta(days=30)
        assert {row.expires_at and row.expires_at.date() for row in uow.session.query(vouchers.Voucher)} == {
            later.date()
        }


def test_vouchers_for_nothing_or_by_the_million_are_refused(shop: Box) -> None:
    assert "there is no package 'MOON'" in shop.fails("voucher", "issue", "--package", "MOON")
    shop.fails("voucher", "issue", "--package", "MOON", "--count", "1000000", status=2)


# ---- customers and parked work -----------------------------------------------------------------------------------------


def test_a_customer_is_shown_masked_unless_revealed_which_is_written_down(shop: Box) -> None:
    with shop.work(1) as uow:
        who = customers.recognise(uow, Msisdn(CALLER), "sw")
        customers.add_device(uow, who, "02:00:5E:00:00:01")
        messaging.reply(uow, "hello-1", Msisdn(CALLER), "Habari yako")
    said = shop.does("customer", "show", "0712 000001")
    assert "02:00:5E:00:00:01" in said
    assert CALLER not in said
    assert "Habari" not in said
    revealed = shop.does("customer", "show", CALLER, "--reveal")
    assert CALLER in revealed
    assert "Habari yako" in revealed
    with shop.work(1) as uow:
        events = uow.session.execute(text("SELECT event FROM audit_entry")).scalars().all()
    assert events.count("customer.revealed") == 1


@pytest.mark.parametrize("phone", ["", "12", "garbage", "+447911123456", "0" * 500, "0712'; DROP TABLE customer;--"])
def test_a_number_that_is_none_of_ours_is_refused(shop: Box, phone: str) -> None:
    assert "not a mobile number" in shop.fails("customer", "show", "--", phone)


def test_an_unknown_number_is_not_shown_back(shop: Box) -> None:
    said = shop.fails("customer", "show", CALLER)
    assert "nobody" in said
    assert CALLER not in said


def test_parked_work_is_listed_and_tried_again(shop: Box) -> None:
    assert "nothing is parked" in shop.does("promise", "list")
    with shop.work(1) as uow:
        for number in (1, 2):
            park(uow, number)
    listed = shop.does("promise", "list")
    assert listed.count("SendMessage") == 2
    assert "said [red]no[/red]" in listed, "what came from outside is shown, not obeyed"
    assert "not parked: 99" in shop.fails("promise", "retry", "99")
    assert "1 to be tried again" in shop.does("promise", "retry", "1")
    assert shop.does("promise", "list").count("SendMessage") == 1
    assert "1 to be tried again" in shop.does("promise", "retry")
    assert "nothing is parked" in shop.does("promise", "list")
    assert shop.does("promise", "list", "--all").count("SendMessage") == 2
    with shop.work(None) as uow:
        assert outbox.backlog(uow.session, uow.now)[2] == 0


def test_one_isp_does_not_see_the_others_parked_work(shop: Box) -> None:
    shop.does(
        "init",
        "--slug",
        "hill",
        "--name",
        "Hill",
        "--country",
        "KE",
        "--currency",
        "KES",
        "--timezone",
        "Africa/Nairobi",
    )
    with shop.work(1) as uow:
        park(uow, 1)
    assert "nothing is parked" in shop.does("promise", "list", "--tenant", "hill")
    assert "not parked" in shop.fails("promise", "retry", "1", "--tenant", "hill")


def test_every_command_explains_itself(box: Box) -> None:
    said = box.does("--help")
    commands = (
        "init",
        "migrate",
        "up",
        "demo",
        "doctor",
        "router",
        "package",
        "customer",
        "voucher",
        "settings",
        "promise",
    )
    for command in commands:
        assert command in said
        assert "Usage" in box.does(command, "--help")
    box.fails("moon", status=2)
