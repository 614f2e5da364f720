"""Logins, fixed addresses, packages that can be sold, and what an operator may look up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select, text

from core import catalog, customers, network, tenants
from core.config import Settings
from core.customers import Extras, Login
from core.errors import NotAllowed
from core.outbox import Promise
from core.radius_tables import radius_nas, radpostauth
from core.rates import Burst, Speed
from core.roles import CUSTOMER, Actor
from core.tenants import AfricasTalkingAccount
from tests.core.access_kit import DEVICE, buy, package, with_device, with_login
from tests.core.kit import NEIGHBOUR, Shop, open_shop


@pytest.mark.parametrize(
    ("typed", "name"),
    [("home.1", "home.1"), (" Home-1 ", "home-1"), ("0712345678", "0712345678"), ("a" * 63, "a" * 63)],
)
def test_a_login_is_kept_in_one_spelling(typed: str, name: str) -> None:
    assert customers.normalise_login(typed) == name


@pytest.mark.parametrize(
    "typed",
    ["", " ", ".home", "-home", "home 1", "home@realm", "häuschen", "a" * 64, "aabbccddeeff", "AA-BB-CC-DD-EE-FF",
     "aabb.ccdd.eeff", "0123456789ab", "home\n1", "home'"],
)  # fmt: skip
def test_what_could_be_taken_for_something_else_is_no_login(typed: str) -> None:
    with pytest.raises(customers.BadLogin):
        customers.normalise_login(typed)


def test_the_password_is_random_and_lies_sealed_in_the_table(shop: Shop) -> None:
    passwords = {with_login(shop, f"home.{n}") for n in range(3)}
    assert len(passwords) == 3
    assert all(len(password) >= 16 for password in passwords)
    with shop.work() as uow:
        raw = uow.session.execute(text("SELECT password FROM login")).scalars().all()
        assert not [one for one in raw if any(password.encode() in bytes(one) for password in passwords)]
        told = uow.session.execute(text("SELECT facts FROM audit_entry WHERE event LIKE 'login.%'")).scalars().all()
        assert not any(password in str(one) for one in told for password in passwords)


def test_a_name_belongs_to_one_customer_for_ever(shop: Shop) -> None:
    first = with_login(shop)
    with shop.work() as uow, pytest.raises(customers.LoginTaken):
        customers.add_login(uow, shop.customer(uow, NEIGHBOUR), "HOME.1")
    with shop.work() as uow:
        customers.release_login(uow, customers.logins(uow, 1)[0])
        assert customers.logins(uow, 1) == []
    with shop.work() as uow, pytest.raises(customers.LoginTaken):
        customers.add_login(uow, shop.customer(uow, NEIGHBOUR), "home.1")
    assert with_login(shop) != first, "who comes back gets a new password"


def test_a_customer_has_so_many_logins_and_no_more(shop: Shop) -> None:
    with shop.work() as uow:
        who = shop.customer(uow)
        for number in range(20):
            customers.add_login(uow, who, f"home.{number}")
        with pytest.raises(customers.TooManyLogins):
            customers.add_login(uow, who, "home.20")


@pytest.mark.parametrize(
    ("actor", "may"), [(Actor.staff(1, "cashier"), True), (Actor.staff(1, "support"), False), (CUSTOMER, False)]
)
def test_who_sells_makes_logins(shop: Shop, actor: Actor, may: bool) -> None:
    with shop.work() as uow:
        who = shop.customer(uow)
    with shop.work(actor) as uow:
        if may:
            held = customers.add_login(uow, who, "home.1")
            with pytest.raises(NotAllowed):
                customers.give_addresses(uow, held, Extras(address="10.0.0.1"))
        else:
            with pytest.raises(NotAllowed):
                customers.add_login(uow, who, "home.1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "10.0.0"}, {"address": "0.0.0.0"}, {"address": "224.0.0.1"}, {"address": "255.255.255.255"},
        {"address": "127.0.0.1"}, {"address": "::1"}, {"routes": ("10.0.0.1/24",)}, {"routes": ("10.0.0.0/33",)},
        {"routes": ("10.0.0.0/24 home",)}, {"routes": ("10.0.0.0/24 10.0.0.1 900",)}, {"routes": ("10.0.0.0/24 10.0.0.1 1 1",)},
        {"prefixes": ("2001:db8::1/64",)}, {"prefixes": ("10.0.0.0/8",)}, {"delegated": ("x",)},
        {"routes": tuple(f"10.0.{n}.0/24" for n in range(17))}, {"adress": "10.0.0.1"},
    ],
)  # fmt: skip
def test_addresses_nobody_can_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Extras.model_validate(wrong)


def test_an_address_belongs_to_one_device_or_login(shop: Shop) -> None:
    with_login(shop, address="10.0.0.7")
    with_device(shop)
    with shop.work() as uow:
        device = customers.devices(uow, 1)[0]
        with pytest.raises(customers.AddressTaken):
            customers.give_addresses(uow, device, Extras(address="10.0.0.7"))
        customers.give_addresses(uow, device, Extras(address="10.0.0.8"))
        customers.give_addresses(uow, device, Extras(address="10.0.0.8", routes=("10.9.0.0/24",)))
    with shop.work() as uow:
        assert customers.devices(uow, 1)[0].extras == Extras(address="10.0.0.8", routes=("10.9.0.0/24",))
        customers.release_login(uow, customers.logins(uow, 1)[0])
        customers.give_addresses(uow, customers.devices(uow, 1)[0], Extras(address="10.0.0.7"))


SPEED = {"upload_kbps": 2000, "download_kbps": 5000}


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"service": "modem"}, "service"),
        ({"upload_kbps": 100}, "speed"),
        ({"profile": {"priority": 3}}, "speed"),
        ({"profile": {"burst": Burst(Speed(1000, 9000), 10)}} | SPEED, "burst"),
        ({"profile": {"burst": Burst(Speed(2000, 5000), 10)}} | SPEED, "burst"),
        ({"profile": {"burst": Burst(Speed(4000, 9000), 10, Speed(5000, 9000))}} | SPEED, "burst"),
        ({"profile": {"burst": Burst(Speed(4000, 9000), 0)}} | SPEED, "speed"),
        ({"profile": {"guaranteed": Speed(3000, 100)}} | SPEED, "guarantee"),
        ({"profile": {"slow": Speed(100, 100)}} | SPEED, "slow"),
        ({"profile": {"slow": Speed(3000, 100)}, "quota_bytes": 1000} | SPEED, "slow"),
        ({"profile": {"slow": Speed(0, 0)}, "quota_bytes": 1000} | SPEED, "speed"),
        ({"profile": {"grace_seconds": 12 * 3600 + 1}}, "grace"),
    ],
)
def test_a_package_whose_parts_do_not_fit_is_not_sold(shop: Shop, wrong: dict[str, Any], what: str) -> None:
    facts: dict[str, Any] = wrong | {"profile": catalog.Profile(**wrong.get("profile", {}))}
    with shop.work() as uow, pytest.raises(catalog.BadPackage) as refused:
        shop.package(uow, "DAY", hours=24, **facts)
    assert refused.value.facts["what"] == what
    with shop.work() as uow:
        assert catalog.on_sale(uow) == []


@pytest.mark.parametrize(
    "wrong",
    [{"pool": ""}, {"pool": "a\nb"}, {"pool": "ü"}, {"group": "x" * 64}, {"address_lists": ("a",) * 9}, {"priority": 9},
     {"idle_seconds": 5}, {"grace_seconds": -1}, {"speling": 1}],
)  # fmt: skip
def test_a_profile_no_router_understands_is_not_even_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        catalog.Profile.model_validate(wrong)


def test_a_profile_comes_back_from_the_table_as_it_was_and_only_what_was_said_is_kept(shop: Shop) -> None:
    said = {"burst": Burst(Speed(4000, 9000), 10), "hours": "480-1200", "address_lists": ("paid",)}
    number = package(shop, profile=said, **SPEED)
    with shop.work() as uow:
        assert catalog.package(uow, number).profile == catalog.Profile(**said)
        assert "priority" not in str(uow.session.execute(text("SELECT profile FROM package")).scalar_one())


# ---- what RADIUS is told of the ISP, and what an operator may look up --------------------------------------------------


def test_a_new_dialling_code_is_known_to_radius_at_once(shop: Shop) -> None:
    with shop.work() as uow:
        network.add_router(uow, name="r", host="10.0.0.1", username="u", password="p", nas_address="10.0.0.1")
        account = AfricasTalkingAccount(username="kiosk", api_key="k", service_code="*999#")
        network.change_settings(uow, tenants.settings_of(uow).model_copy(update={"africastalking": account}))
        assert uow.session.execute(select(radius_nas.c.service_code)).scalar_one() == "*999#"
        assert uow.session.scalars(select(Promise).where(Promise.kind == "SyncAccess")).all() == []
    with shop.work(Actor.staff(1, "manager")) as uow, pytest.raises(NotAllowed):
        network.change_settings(uow, tenants.settings_of(uow))


def test_a_new_report_interval_concerns_everybody_who_holds_something(shop: Shop) -> None:
    with_device(shop)
    buy(shop, package(shop))
    with shop.work() as uow:
        shop.customer(uow, NEIGHBOUR)
        network.change_settings(uow, tenants.settings_of(uow).model_copy(update={"interim_seconds": 60}))
        owed = uow.session.scalars(
            select(Promise.payload).where(Promise.kind == "SyncAccess", Promise.done_at.is_(None))
        )
        assert [one["customer_id"] for one in owed] == [1]


def write(shop: Shop, *lines: tuple[str, str]) -> None:
    with shop.app.engine.begin() as connection:
        for number, (user, reply) in enumerate(lines):
            moment = shop.clock.now() + timedelta(seconds=number)
            connection.execute(
                insert(radpostauth).values(username=user, reply=reply, authdate=moment, callingstationid=DEVICE)
            )


def test_the_log_of_a_customer_is_read_newest_first_a_page_at_a_time(shop: Shop) -> None:
    with_device(shop)
    with_login(shop)
    write(
        shop, (DEVICE, "Access-Reject (not_paid)"), ("somebody", "Access-Accept"), (DEVICE, "Access-Accept"),
        ("home.1", "Access-Accept (redirect expired)"), (DEVICE, "Access-Reject"), (DEVICE, "whatever else (x)"),
    )  # fmt: skip
    with shop.work() as uow:
        users = network.users_of(uow, 1)
        page = network.answers_to(uow, users, limit=3)
        rest = network.answers_to(uow, users, before_id=page[-1].id)
    assert users == [DEVICE, "home.1"]
    assert [(each.user, each.verdict, each.reason) for each in [*page, *rest]] == [
        (DEVICE, "unknown", ""), (DEVICE, "rejected", ""), ("home.1", "walled", "expired"), (DEVICE, "let in", ""),
        (DEVICE, "rejected", "not_paid"),
    ]  # fmt: skip
    assert page[0].at > page[1].at


def test_an_isp_reads_its_own_lines_only(shop: Shop, settings: Settings) -> None:
    other = open_shop(settings, "stranger", shop.app)
    write(shop, (DEVICE, "Access-Accept"), (f"{DEVICE}@stranger", "Access-Reject (not_paid)"))
    for one, verdict in ((shop, "let in"), (other, "rejected")):
        with one.work() as uow:
            assert [each.verdict for each in network.answers_to(uow, [DEVICE])] == [verdict]
    with shop.work(CUSTOMER) as uow, pytest.raises(NotAllowed):
        network.answers_to(uow, [DEVICE])


def test_logins_of_another_isp_are_not_there(shop: Shop, settings: Settings) -> None:
    with_login(open_shop(settings, "stranger", shop.app))
    with shop.work() as uow:
        assert uow.session.scalars(select(Login)).all() == []
        assert customers.login_named(uow, "home.1") is None
