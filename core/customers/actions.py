"""Recognising people and their devices."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError

from core import codes, tenants
from core.customers.models import Customer, Device
from core.errors import Refusal
from core.phone import Msisdn
from core.roles import customers_may, system_only
from core.tasks import SyncAccess
from core.uow import OWN_TENANT, UnitOfWork

ACCOUNT_CODE_LENGTH = 6
DEVICES_MAX = 6
CODE_TRIES_MAX = 5


class BadMac(Refusal):
    """This is not a device address."""


class DeviceTaken(Refusal):
    """Another customer holds this device."""


class TooManyDevices(Refusal):
    """There are as many devices as allowed: move one instead."""


def normalise_mac(text: str) -> str:
    """Upper case with colons, as RouterOS and RADIUS compare it. Raises `BadMac`."""
    bare = re.sub(r"[\s:.\-]", "", text[:40]).upper()
    if not re.fullmatch(r"[0-9A-F]{12}", bare, re.ASCII) or bare in {"0" * 12, "F" * 12}:
        raise BadMac()
    return ":".join(bare[i : i + 2] for i in range(0, 12, 2))


_WHO = select(Customer.id, Customer.language).where(
    Customer.tenant_id == OWN_TENANT, Customer.msisdn == bindparam("phone")
)
_HOLDS = (
    select(Device.id)
    .where(
        Device.tenant_id == OWN_TENANT,
        Device.customer_id == bindparam("customer"),
        Device.released_at.is_(None),
    )
    .limit(1)
)


_HELD = (
    select(Device)
    .where(
        Device.tenant_id == OWN_TENANT, Device.customer_id == bindparam("customer"), Device.released_at.is_(None)
    )
    .order_by(Device.id)
)  # fmt: skip
_OWNED = select(Device).where(
    Device.tenant_id == OWN_TENANT, Device.mac == bindparam("mac"), Device.released_at.is_(None)
)


@customers_may
def glimpse(uow: UnitOfWork, msisdn: Msisdn) -> tuple[int, str] | None:
    """`(customer id, language)` of whoever has this number: all that a first screen has to know."""
    row = uow.run(_WHO, phone=msisdn).first()
    return None if row is None else (row.id, row.language)


@customers_may
def has_device(uow: UnitOfWork, customer_id: int) -> bool:
    """Does this customer hold any device?"""
    return uow.run(_HOLDS, customer=customer_id).first() is not None


@customers_may
def by_phone(uow: UnitOfWork, msisdn: Msisdn) -> Customer | None:
    """Who has this number?"""
    return uow.session.scalar(select(Customer).where(Customer.msisdn == msisdn))


@customers_may
def recognise(uow: UnitOfWork, msisdn: Msisdn, language: str, network: str | None = None) -> Customer:
    """The customer with this number, made on first contact. Two first contacts at once make one."""
    known = by_phone(uow, msisdn)
    for _ in range(CODE_TRIES_MAX):
        if known is not None:
            if network and known.last_network != network:
                known.last_network = network
            return known
        try:
            with uow.session.begin_nested():
                made = uow.add(
                    Customer(
                        msisdn=msisdn, msisdn_hash=msisdn.sha256, account_code=codes.make(ACCOUNT_CODE_LENGTH),
                        language=language, last_network=network, created_at=uow.now,
                    )
                )  # fmt: skip
        except IntegrityError:  # the other first contact won, or the code is taken: look again
            known = by_phone(uow, msisdn)
        else:
            uow.record("customer.recognised", made)
            return made
    raise RuntimeError("no free account code found")


@system_only
def nameless(uow: UnitOfWork) -> Customer:
    """Somebody new of whom nothing is known but that they typed a voucher; spoken to in the language of the ISP."""
    language = tenants.current(uow).language
    for _ in range(CODE_TRIES_MAX):
        try:
            with uow.session.begin_nested():
                made = uow.add(
                    Customer(account_code=codes.make(ACCOUNT_CODE_LENGTH), language=language, created_at=uow.now)
                )
        except IntegrityError:  # the code is taken
            continue
        uow.record("customer.nameless", made)
        return made
    raise RuntimeError("no free account code found")


@customers_may
def customer(uow: UnitOfWork, customer_id: int) -> Customer:
    """A customer by id."""
    return uow.by_id(Customer, customer_id) or uow.session.get_one(Customer, customer_id)


@system_only
def by_account_code(uow: UnitOfWork, code: str) -> Customer | None:
    """Who has this account code (normalised)?"""
    return uow.session.scalar(select(Customer).where(Customer.account_code == code))


@system_only
def by_hash(uow: UnitOfWork, sha256: str) -> Customer | None:
    """Which known customer stands behind M-Pesa's hash?"""
    return uow.session.scalar(select(Customer).where(Customer.msisdn_hash == sha256.lower()))


@customers_may
def set_language(uow: UnitOfWork, who: Customer, language: str) -> None:
    """From now on in this language."""
    if who.language != language:
        who.language = language
        uow.later(SyncAccess(who.id))  # the login page says it in their language too
    uow.record("customer.language", who, language=language)


@customers_may
def devices(uow: UnitOfWork, customer_id: int) -> Sequence[Device]:
    """What this customer holds, oldest first."""
    return uow.find(_HELD, customer=customer_id).all()


@customers_may
def device(uow: UnitOfWork, device_id: int) -> Device | None:
    """A held device by id."""
    found = uow.by_id(Device, device_id)
    return found if found is not None and found.released_at is None else None


@customers_may
def owner_of(uow: UnitOfWork, mac: str) -> Device | None:
    """Who holds this MAC at this ISP?"""
    return uow.find(_OWNED, mac=mac).one_or_none()


@customers_may
def add_device(uow: UnitOfWork, who: Customer, mac: str, *, limit: int = DEVICES_MAX) -> Device:
    """Claim a free device. The same claim again is harmless; somebody else's device is refused."""
    mac = normalise_mac(mac)
    held = owner_of(uow, mac)
    if held is not None:
        if held.customer_id == who.id:
            return held
        raise DeviceTaken(short=held.short)
    if len(devices(uow, who.id)) >= limit:
        raise TooManyDevices(limit=limit)
    try:
        with uow.session.begin_nested():
            added = uow.add(Device(customer_id=who.id, mac=mac, added_at=uow.now))
    except IntegrityError as error:
        raise DeviceTaken(short=mac[-5:].replace(":", "")) from error
    uow.record("device.added", added)
    uow.later(SyncAccess(who.id))
    return added


@customers_may
def release_device(uow: UnitOfWork, who: Customer, held: Device) -> None:
    """Let go of a device; it leaves the network. Only its owner can."""
    if held.customer_id != who.id or held.released_at is not None:
        raise DeviceTaken(short=held.short)
    held.released_at = uow.now
    uow.session.flush()
    uow.record("device.released", held)
    uow.later(SyncAccess(who.id))


@customers_may
def move_device(uow: UnitOfWork, who: Customer, old: Device, mac: str) -> Device:
    """The same package on another device: release and claim in one breath; paid time is kept."""
    mac = normalise_mac(mac)
    held = owner_of(uow, mac)
    if held is not None and held.customer_id != who.id:
        raise DeviceTaken(short=held.short)
    release_device(uow, who, old)
    return add_device(uow, who, mac)
