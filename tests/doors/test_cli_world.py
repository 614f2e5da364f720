"""`duka` towards the world: accounts with the companies, routers, and the doctor who looks at all of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert

from cli import checks
from core import heartbeats, outbox
from core.db import vault
from core.radius_tables import radius_report
from core.tasks import SendMessage
from sim.africastalking import AfricasTalking
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney
from sim.routeros import VirtualRouter
from tests.adapters.our_side import OurSide
from tests.doors.cli_kit import OPEN, Box, make_box


@pytest.fixture
def box(tmp_path: Path, bare_database_url: str, redis_url: str, secrets_key: Path) -> Box:
    return make_box(tmp_path, bare_database_url, redis_url, secrets_key)


@pytest.fixture
def shop(box: Box) -> Box:
    """The same with an ISP open."""
    box.does("init", *OPEN)
    return box


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    """A MikroTik with a hotspot that asks nobody yet."""
    with VirtualRouter(identity="kiosk", password="right") as made:
        made.run("/ip/dns/set", servers="1.1.1.1", allow_remote_requests="yes")
        made.run("/ip/hotspot/profile/add", name="hotspot1")
        made.run("/ip/hotspot/add", name="hotspot1", interface="bridge", profile="hotspot1", disabled="no")
        yield made


def add_router(router: VirtualRouter, *more: str) -> list[str]:
    ports = ["--api-port", str(router.api_port), "--coa-port", str(router.coa_port)]
    return ["router", "add", "market", "--host", "127.0.0.1", "--no-tls", *ports, *more]


# ---- accounts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def africastalking() -> Iterator[AfricasTalking]:
    with AfricasTalking().start() as company:
        company.add_account("shore", "right-key", 12_345_00)
        yield company


@pytest.fixture
def daraja() -> Iterator[Daraja]:
    with MobileMoney() as money, Daraja(money).start() as company:
        company.add_app("key-1", "secret-1")
        company.add_short_code("600100", passkey="pass-1", consumer_key="key-1", name="Shore")
        yield company


def test_an_africastalking_account_is_saved_and_tried(shop: Box, africastalking: AfricasTalking) -> None:
    said = shop.does(
        "settings", "africastalking", "--username", "shore", "--service-code", "*384*1#", "--base-url",
        africastalking.base_url, DUKA_AFRICASTALKING_API_KEY="right-key",
    )  # fmt: skip
    assert "KES 12,345" in said
    said = shop.does("settings", "africastalking", "--short-code", "24242")
    assert "the account is good" in said, "the key and the rest are kept"
    shown = shop.does("settings", "show")
    assert "*384*1#" in shown
    assert "24242" in shown
    assert "right-key" not in shown


def test_a_wrong_key_is_saved_but_said(shop: Box, africastalking: AfricasTalking) -> None:
    said = shop.does(
        "settings", "africastalking", "--username", "shore", "--secrets-from-stdin", "--base-url", africastalking.base_url,
        typed="wrong-key\n",
    )  # fmt: skip
    assert "did not say yes" in said
    assert "wrong-key" not in said


def test_secrets_that_nobody_gives_are_missed_by_name(shop: Box) -> None:
    assert "DUKA_AFRICASTALKING_API_KEY" in shop.fails("settings", "africastalking", "--username", "shore")
    assert "standard input ended" in shop.fails("settings", "daraja", "--secrets-from-stdin", typed="only-one\n")


def test_an_mpesa_account_is_saved_tried_and_its_addresses_registered(shop: Box, daraja: Daraja) -> None:
    said = shop.does(
        "settings", "daraja", "--short-code", "600100", "--base-url", daraja.base_url, "--register",
        "--secrets-from-stdin", typed="key-1\nsecret-1\npass-1\n",
    )  # fmt: skip
    assert "the keys are good" in said
    assert "announced to us" in said
    business = daraja.accounts.find("600100")
    assert business is not None
    assert business.registration is not None
    assert business.registration.validation_url == business.registration.confirmation_url + "/validate"
    shown = shop.does("settings", "show")
    assert "600100" in shown
    for secret in ("key-1", "secret-1", "pass-1"):
        assert secret not in shown


def test_an_mpesa_account_that_cannot_be_is_not_saved(shop: Box) -> None:
    said = shop.fails(
        "settings", "daraja", "--short-code", "not-a-number", "--secrets-from-stdin", typed="key-1\nsecret-1\npass-1\n"
    )
    assert "short_code" in said
    assert "M-Pesa account" not in shop.does("settings", "show")


def test_general_settings_are_checked(shop: Box) -> None:
    shop.does("settings", "general", "--help-line", "0722 000003")
    assert "0722 000003" in shop.does("settings", "show")
    assert "interim_seconds" in shop.fails("settings", "general", "--interim-seconds", "5")


# ---- routers -----------------------------------------------------------------------------------------------------------


def test_a_router_is_tried_saved_and_set_up_in_one_go(shop: Box, router: VirtualRouter) -> None:
    said = shop.does(*add_router(router, "--set-up", "--site", "centre"), DUKA_ROUTER_PASSWORD="right")
    assert "kiosk, RouterOS 7.21.5" in said
    (asked,) = router.rows("/radius")
    assert (asked["address"], asked["authentication-port"]) == ("127.0.0.1", "1812")
    assert "online" in shop.does("router", "list")
    assert "market" in shop.does("router", "test", "market")
    assert "nothing had to be changed" in shop.does("router", "apply", "market")


def test_a_router_that_does_not_answer_or_let_us_in_is_not_saved(shop: Box, router: VirtualRouter) -> None:
    assert "nothing was saved" in shop.fails(*add_router(router), DUKA_ROUTER_PASSWORD="wrong")
    router.faults.unreachable()
    assert "nothing was saved" in shop.fails(*add_router(router), DUKA_ROUTER_PASSWORD="right")
    assert "no router yet" in shop.does("router", "list")
    assert "did not answer" in shop.does(*add_router(router, "--unverified"), DUKA_ROUTER_PASSWORD="right")
    assert "never seen" in shop.does("router", "list")
    shop.fails("router", "test", "market")
    said = shop.does("router", "list")
    assert "never seen" in said, "what was never there is not away"
    assert "router 'market' Conn" in said, "and why"


def test_a_router_whose_setup_keeps_customers_out_fails_the_test(shop: Box, router: VirtualRouter) -> None:
    said = shop.does(*add_router(router, "--no-set-up"), typed="right\n", DUKA_ROUTER_PASSWORD="right")
    assert "apply market" in said
    assert "RADIUS" in shop.fails("router", "test", "market")


def test_a_router_by_name_needs_the_address_of_its_radius_packets(shop: Box, router: VirtualRouter) -> None:
    words = [word.replace("127.0.0.1", "localhost") for word in add_router(router)]
    assert "--nas-address" in shop.fails(*words, DUKA_ROUTER_PASSWORD="right")
    shop.does(*words, "--nas-address", "10.8.0.2", DUKA_ROUTER_PASSWORD="right")
    assert "10.8.0.2" in shop.does("router", "list")


def test_the_same_router_twice_is_refused_and_a_forgotten_one_may_come_back(shop: Box, router: VirtualRouter) -> None:
    shop.does(*add_router(router), DUKA_ROUTER_PASSWORD="right")
    assert "already" in shop.fails(*add_router(router), DUKA_ROUTER_PASSWORD="right")
    assert "--yes" in shop.fails("router", "remove", "market")
    shop.does("router", "remove", "market", "--yes")
    assert "no such router" in shop.fails("router", "test", "market")
    shop.does(*add_router(router), DUKA_ROUTER_PASSWORD="right")


def test_a_password_on_the_command_line_is_not_a_thing(shop: Box, router: VirtualRouter) -> None:
    shop.fails(*add_router(router, "--password", "right"), status=2)


# ---- the doctor --------------------------------------------------------------------------------------------------------


def found(said: str, what: str) -> str:
    """The first line of the report about something."""
    return next(line for line in said.splitlines() if what in line)


def test_the_doctor_says_what_is_missing_and_what_to_do(shop: Box) -> None:
    said = shop.fails("doctor")
    assert "✓" in found(said, "database")
    assert "✓" in found(said, "Redis")
    assert "✓" in found(said, "books")
    assert "none runs" in found(said, "clock process")
    assert "nothing is on sale" in found(said, "packages")
    assert "no account" in found(said, "SMS")
    assert "no account" in found(said, "M-Pesa")
    for advice in ("`duka up`", "`duka package add`", "`duka settings daraja`", "`duka router add`"):
        assert advice in said


def test_the_doctor_asks_every_company_and_every_router(
    shop: Box, africastalking: AfricasTalking, daraja: Daraja, router: VirtualRouter
) -> None:
    shop.does(
        "settings", "africastalking", "--username", "shore", "--base-url", africastalking.base_url,
        DUKA_AFRICASTALKING_API_KEY="right-key",
    )  # fmt: skip
    secrets = {"CONSUMER_KEY": "key-1", "CONSUMER_SECRET": "secret-1", "PASSKEY": "pass-1"}
    shop.does(
        "settings", "daraja", "--short-code", "600100", "--base-url", daraja.base_url,
        **{f"DUKA_DARAJA_{name}": value for name, value in secrets.items()},
    )  # fmt: skip
    shop.does(*add_router(router, "--set-up"), DUKA_ROUTER_PASSWORD="right")
    said = shop.fails("doctor")  # no clock runs in this test
    assert "KES 12,345 left" in found(said, "SMS")
    assert "the keys are good" in found(said, "daraja")
    assert "RouterOS 7.21.5" in found(said, "router market")
    africastalking.go_down()
    daraja.go_down()
    router.faults.unreachable()
    said = shop.fails("doctor")
    for what in ("SMS", "daraja", "router market"):
        assert "✗" in found(said, what)
    assert "right-key" not in said


def test_the_doctor_tells_a_router_that_was_changed(shop: Box, router: VirtualRouter) -> None:
    shop.does(*add_router(router, "--set-up"), DUKA_ROUTER_PASSWORD="right")
    router.run("/radius/remove", numbers=router.rows("/radius")[0][".id"])
    said = shop.fails("doctor")
    assert "no RADIUS server is set for the hotspot" in said
    assert "`duka router apply market`" in said


def test_the_doctor_knows_a_silent_redis_an_empty_database_and_a_bad_configuration(box: Box) -> None:
    assert "it has no tables" in box.fails("doctor")
    box.does("init", *OPEN)
    assert "does not answer" in found(box.fails("doctor", DUKA_REDIS__URL="redis://127.0.0.1:1/0"), "Redis")
    said = box.fails("doctor", DUKA_DATABASE__URL="postgresql://duka:hunter2@127.0.0.1:1/duka")
    assert "the database does not answer" in said
    assert "hunter2" not in said
    assert "never in clear" in box.fails("doctor", DUKA_SECRETS__KEY="in clear")


def test_the_doctor_warns_of_a_key_that_others_can_read(shop: Box, secrets_key: Path) -> None:
    key = shop.folder / "open.key"
    key.write_bytes(secrets_key.read_bytes())
    key.chmod(0o644)
    assert "others may read" in shop.fails("doctor", DUKA_SECRETS__KEY=f"file:{key}")
    key.chmod(0o600)
    assert "for this user only" in shop.fails("doctor", DUKA_SECRETS__KEY=f"file:{key}")


def test_the_doctor_knows_a_key_that_does_not_fit_and_one_that_is_none(shop: Box, secrets_key: Path) -> None:
    wrong, none = shop.folder / "wrong.key", shop.folder / "none.key"
    wrong.write_bytes(Fernet.generate_key())
    none.write_text("shore-wifi-2026", encoding="ascii")
    try:
        said = shop.fails("doctor", DUKA_SECRETS__KEY=f"file:{wrong}")
        assert "does not open" in found(said, "sealed secrets")
        assert "put back the key" in said
        assert "Redis" not in said, "nothing else is looked at"
        assert "put back the key" in shop.fails("package", "list", DUKA_SECRETS__KEY=f"file:{wrong}")
        assert "put back the key" in shop.fails("init", DUKA_SECRETS__KEY=f"file:{wrong}")
        for words in ("doctor", "init"):
            said = shop.fails(words, DUKA_SECRETS__KEY=f"file:{none}")
            assert "no key as `duka init` makes it" in said
            assert "shore-wifi-2026" not in said
    finally:
        vault.unlock([secrets_key.read_text(encoding="ascii").strip()])
    assert "opens them" in found(shop.fails("doctor"), "sealed secrets")


def test_the_doctor_counts_parked_and_late_work(shop: Box) -> None:
    with shop.work(1) as uow:
        late = outbox.promise(uow.session, 1, SendMessage(1), uow.now, uow.now - timedelta(minutes=10))
        uow.session.flush()
        given_up = outbox.promise(uow.session, 1, SendMessage(2), uow.now)
        uow.session.flush()
        outbox.park(given_up, uow.now, "no")
        assert late.open
    said = shop.fails("doctor")
    assert "1 due, the oldest for 10m" in found(said, "work")
    assert "1 given up on" in said


def test_the_doctor_misses_a_collector_and_sees_reports_that_nobody_takes(shop: Box) -> None:
    assert "none waits" in found(shop.fails("doctor"), "reports")
    with shop.work(None) as uow:
        earlier = uow.now - timedelta(minutes=10)
        heartbeats.begin(uow.session, "collector here", earlier, 10)
        uow.connection.execute(insert(radius_report).values(line="", heard_at=earlier))
    said = shop.fails("doctor")
    assert "has waited for 10m" in found(said, "reports")
    assert "silent" in found(said, "collector here")
    assert "collector" not in found(said, "clock process")


def test_a_door_that_answers_and_one_that_does_not_are_told_apart(shop: Box) -> None:
    with OurSide() as somebody:
        port = somebody.url("").rpartition(":")[2]
        said = shop.fails("doctor", DUKA_USSD__PORT=port, DUKA_PORTAL__PORT="1")
    assert "✓" in found(said, "door ussd")
    assert "✗" in found(said, "door portal")


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (-1.5, "ok"), (5, "warn"), (-5, "warn"), (31, "bad"), (-3600, "bad")]
)
def test_clocks_that_disagree_are_said_by_how_much(seconds: float, level: str) -> None:
    finding = checks.skew(seconds)
    assert finding.level == level
    assert bool(finding.advice) == (level != "ok")


@pytest.mark.parametrize(("oldest", "level"), [(None, "ok"), (5, "ok"), (60, "warn"), (500, "bad")])
def test_work_that_waits_too_long_is_said(oldest: int | None, level: str) -> None:
    assert checks.waiting(3, oldest).level == level
