"""Collecting a case from our own tables. Routers are asked by whoever has the world in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from core import catalog, customers, network, subscriptions, tenants
from core.customers import BadLogin, BadMac, Customer, Device, Login
from core.diagnosis.case import DEVICE, LOGIN, PHONE, Case, Name, Order, Place, Term
from core.network import grace
from core.network.accounting import open_sessions_of
from core.network.desired import desired, with_grace
from core.network.isp import isp_of
from core.network.models import Router, Sighting
from core.payments.models import Payment
from core.phone import BadPhone, Msisdn
from core.ports import Access
from core.purchases.models import Purchase
from core.radius_tables import radcheck, radius_user
from core.roles import Can, requires
from core.subscriptions.models import Grant, Subscription
from core.uow import UnitOfWork

SEEN_WITHIN = timedelta(days=1)
ASKED_WITHIN = timedelta(days=2)
PLACES_MAX = 5
"""So many routers are asked at most."""


@requires(Can.SEE_CUSTOMERS)
def case_of(uow: UnitOfWork, text: str) -> Case:
    """The case of a phone number, a device's MAC or a login, whichever `text` is. Raises `BadPhone` when it can be none of them."""
    tenant, settings = tenants.current(uow), tenants.settings_of(uow)
    empty = Case(uow.now, tenant.timezone, PHONE, "", settings.dial)
    try:
        mac = customers.normalise_mac(text)
    except BadMac:
        pass
    else:
        return _of_device(uow, replace(empty, asked=DEVICE, shown=mac), mac)
    try:
        number = Msisdn.parse(text, tenant.country)
    except BadPhone:
        return _of_login(uow, replace(empty, asked=LOGIN), text)
    case, who = replace(empty, shown=number.masked), customers.by_phone(uow, number)
    if who is None:
        return case
    held: list[Device | Login] = [*customers.devices(uow, who.id), *customers.logins(uow, who.id)]
    return _of(uow, case, who, held)


def _of_device(uow: UnitOfWork, case: Case, mac: str) -> Case:
    device = customers.owner_of(uow, mac)
    if device is None:
        return replace(case, places=_places(uow, mac))
    return _of(uow, case, customers.customer(uow, device.customer_id), [device])


def _of_login(uow: UnitOfWork, case: Case, text: str) -> Case:
    try:
        name = customers.normalise_login(text)
    except BadLogin as error:
        raise BadPhone from error
    login = customers.login_named(uow, name)
    if login is None and not any(sign.isalpha() for sign in name):
        raise BadPhone
    case = replace(case, shown=name)
    return case if login is None else _of(uow, case, customers.customer(uow, login.customer_id), [login])


def _of(uow: UnitOfWork, case: Case, who: Customer, held: Sequence[Device | Login]) -> Case:
    names = [_name(uow, who, each) for each in held]
    name = max(names, key=lambda each: (bool(each.session_at), each.answered_at or who.created_at), default=None)
    service = name.service if name is not None else catalog.MAC
    places = name.places if name is not None else ()
    return replace(
        case, customer_id=who.id, order=_order(uow, who.id), term=_term(uow, who.id, service), name=name,
        places=places or _few_routers(uow),
    )  # fmt: skip


def _name(uow: UnitOfWork, who: Customer, held: Device | Login) -> Name:
    access = _wish(uow, who, held)
    answers = network.answers_to(uow, [held.user], limit=1)
    answer = answers[0] if answers else None
    sessions = open_sessions_of(uow, [held.user])
    randomised = isinstance(held, Device) and held.randomised
    return Name(
        held.user, held.service, randomised, "" if access.allowed else access.reason, _rows_fit(uow, access),
        answer.verdict if answer else "", answer.reason if answer else "", answer.at if answer else None,
        sessions[0][0].name if sessions else "", _places(uow, held.user),
    )  # fmt: skip


def _wish(uow: UnitOfWork, who: Customer, held: Device | Login) -> Access:
    """What it may do now, computed as for the rows."""
    everything: list[Device | Login] = [*customers.devices(uow, who.id), *customers.logins(uow, who.id)]
    of_service = (held.service, subscriptions.running(uow, who.id, held.service))
    running = {of_service[0]: of_service[1]} if of_service[1] is not None else {}
    isp = isp_of(uow)
    wishes = desired(everything, running, {}, isp, language=who.language, now=uow.now)
    wish = next(wish for wish, each in zip(wishes, everything, strict=True) if each.user == held.user)
    return with_grace(wish, grace.running(uow, [held.user]).get(held.user), isp, language=who.language)


def _rows_fit(uow: UnitOfWork, access: Access) -> bool:
    """Do RADIUS rows let it in until the right moment? For who may not enter there is nothing to be missing."""
    if not access.allowed or access.expires_at is None:
        return True
    expires = select(radcheck.c.value).where(
        radcheck.c.username == access.username, radcheck.c.attribute == "Expiration"
    )
    row = uow.session.execute(
        select(radius_user.c.subscription_id, radius_user.c.blocked).where(radius_user.c.username == access.username)
    ).first()
    until = uow.session.scalar(expires)
    return (
        row is not None and not row.blocked and row.subscription_id == access.subscription_id
        and until == str(int(access.expires_at.timestamp()))
    )  # fmt: skip


def _order(uow: UnitOfWork, customer_id: int) -> Order | None:
    """The newest order that was neither served nor given up."""
    row = uow.session.scalar(
        select(Purchase)
        .where(
            Purchase.customer_id == customer_id, Purchase.completed_at.is_(None), Purchase.cancelled_at.is_(None),
            Purchase.created_at > uow.now - ASKED_WITHIN,
        )
        .order_by(Purchase.id.desc())
        .limit(1)
    )  # fmt: skip
    if row is None:
        return None
    payment = uow.session.scalar(
        select(Payment).where(Payment.purchase_id == row.id).order_by(Payment.id.desc()).limit(1)
    )
    paid, why_not = (payment.paid_at is not None, payment.no_because or "") if payment else (False, "")
    return Order(catalog.package(uow, row.package_id).name, str(row.price), row.created_at, paid, why_not)


def _term(uow: UnitOfWork, customer_id: int, service: str) -> Term | None:
    running = subscriptions.running(uow, customer_id, service)
    row = running or uow.session.scalar(
        select(Subscription)
        .where(Subscription.customer_id == customer_id, Subscription.service == service)
        .order_by(Subscription.over_at.desc(), Subscription.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    bought_at = uow.session.scalar(
        select(Grant.at).where(Grant.subscription_id == row.id).order_by(Grant.id.desc()).limit(1)
    )
    return Term(
        catalog.package(uow, row.package_id).name, row.begun_at, row.starts_at, row.over_at, running is not None,
        row.suspended_reason or "", row.quota_bytes is not None and row.used_bytes >= row.quota_bytes, row.slowed_at,
        bought_at or row.starts_at,
    )  # fmt: skip


def _places(uow: UnitOfWork, mac: str) -> tuple[Place, ...]:
    rows = uow.session.scalars(
        select(Router)
        .join(Sighting, Sighting.router_id == Router.id)
        .where(Sighting.mac == mac, Sighting.seen_at > uow.now - SEEN_WITHIN)
        .order_by(Sighting.seen_at.desc())
        .limit(PLACES_MAX)
    )
    return tuple(Place(each.id, each.name, each.down_since) for each in rows)


def _few_routers(uow: UnitOfWork) -> tuple[Place, ...]:
    """All of a small ISP's; of a larger one none, for nobody can say where to look."""
    rows = list(uow.session.scalars(select(Router).order_by(Router.id).limit(PLACES_MAX + 1)))
    return tuple(Place(each.id, each.name, each.down_since) for each in rows) if len(rows) <= PLACES_MAX else ()
