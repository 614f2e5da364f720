"""Several ISPs in one installation never see each other."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import aliased

from core import customers, network, tenants, vouchers
from core.config import Settings
from core.customers import Customer
from core.errors import NotAllowed
from core.roles import CUSTOMER, Actor
from core.tenants import AlreadyExists, BadTenant
from core.uow import WrongTenant
from tests.core.kit import CALLER, Shop, open_shop


@pytest.fixture
def other(shop: Shop, settings: Settings) -> Shop:
    return open_shop(settings, "stranger", shop.app)


def test_rows_of_another_isp_are_not_there_however_one_asks(shop: Shop, other: Shop) -> None:
    with other.work() as uow:
        theirs = other.customer(uow).id
    alias = aliased(Customer)
    with shop.work() as uow:
        assert uow.session.scalars(select(Customer)).all() == []
        assert uow.session.scalars(select(alias)).all() == []
        assert uow.session.scalars(select(Customer.msisdn)).all() == []
        assert uow.session.get(Customer, theirs) is None
        assert uow.session.scalar(select(func.count()).select_from(Customer)) == 0
        uow.session.execute(update(Customer).values(language="xx"))
        uow.session.execute(delete(Customer))
    with other.work() as uow:
        assert uow.session.get_one(Customer, theirs).language == "en"


def test_a_row_of_another_isp_cannot_be_written(shop: Shop, other: Shop) -> None:
    with shop.work() as uow:
        shop.customer(uow).tenant_id = other.tenant_id
        with pytest.raises(WrongTenant):
            uow.session.flush()
        uow.session.rollback()


def test_the_same_number_is_a_customer_of_each(shop: Shop, other: Shop) -> None:
    with shop.work() as uow:
        ours = shop.customer(uow)
    with other.work() as uow:
        theirs = other.customer(uow)
    assert (ours.id, ours.msisdn) != (theirs.id, theirs.msisdn)
    assert ours.msisdn == theirs.msisdn == CALLER


def test_a_voucher_of_another_isp_is_unknown(shop: Shop, other: Shop) -> None:
    with other.work() as uow:
        code = vouchers.issue(uow, other.package(uow))
    with shop.work() as uow, pytest.raises(vouchers.UnknownVoucher):
        vouchers.redeem(uow, shop.customer(uow), code)


def test_one_device_at_two_isps_has_two_names_in_radius(shop: Shop, other: Shop) -> None:
    names = []
    for one in (shop, other):
        with one.work() as uow:
            who = one.customer(uow)
            customers.add_device(uow, who, "02:00:5E:10:A1:B2")
            code = vouchers.issue(uow, one.package(uow))
            vouchers.redeem(uow, who, code)
            (access,) = network.desired_access(uow, who.id).accesses
            names.append(access.username)
    assert names == ["02:00:5E:10:A1:B2", "02:00:5E:10:A1:B2@stranger"]


def test_an_address_leads_to_its_owner_and_to_its_door_only(shop: Shop, other: Shop) -> None:
    with other.work() as uow:
        secret = tenants.door_url_secret(uow, "hooks")
    with shop.app.work(None) as uow:
        assert tenants.find_by_door(uow, "hooks", secret) == other.tenant_id
        assert tenants.find_by_door(uow, "ussd", secret) is None
        for wrong in ("", secret[:-1], secret + "0", secret.upper(), "x" * 500, "\udcff" * 20):
            assert tenants.find_by_door(uow, "hooks", wrong) is None


def test_secrets_are_not_readable_in_the_database(shop: Shop) -> None:
    with shop.app.work(None) as uow:
        raw = uow.session.execute(text("SELECT settings FROM tenant")).scalar_one()
        sealed = uow.session.execute(text("SELECT sealed FROM door_secret")).scalars().all()
    assert b"consumer" not in bytes(raw)
    with shop.work() as uow:
        secret = tenants.door_url_secret(uow, "hooks").encode()
    assert all(secret not in bytes(row) for row in sealed)


def test_an_isp_needs_a_place_in_the_world(shop: Shop) -> None:
    good = {"slug": "new", "name": "New", "country": "KE", "currency": "KES", "timezone": "Africa/Nairobi"}
    for wrong in ({"slug": "Not Good"}, {"slug": ""}, {"country": "ZZ"}, {"currency": "EUR?"}, {"timezone": "Mars"}):
        with pytest.raises(BadTenant), shop.app.work(None) as uow:
            tenants.open_tenant(uow, **(good | wrong))  # type: ignore[arg-type]
    with pytest.raises(AlreadyExists), shop.app.work(None) as uow:
        tenants.open_tenant(uow, **(good | {"slug": "kiosk"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("actor", "may"),
    [
        (Actor.staff(1, "owner"), True),
        (Actor.staff(1, "manager"), False),
        (Actor.staff(1, "cashier"), False),
        (Actor.staff(1, "nobody"), False),
        (CUSTOMER, False),
    ],
)
def test_only_the_owner_hands_out_addresses(shop: Shop, actor: Actor, may: bool) -> None:
    with shop.work(actor) as uow:
        if may:
            assert tenants.door_url_secret(uow, "ussd")
        else:
            with pytest.raises(NotAllowed):
                tenants.door_url_secret(uow, "ussd")
