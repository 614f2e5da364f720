"""Opening an ISP, and finding it again by the addresses it gave out."""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from sqlalchemy import func, select

from core.errors import Refusal
from core.money import SCALE
from core.roles import ROLES, Can, customers_may, requires, system_only
from core.tenants.models import DOORS, DoorSecret, Site, Staff, Tenant
from core.tenants.settings import TenantSettings
from core.uow import OWN_TENANT, UnitOfWork

SECRET_BYTES = 24
_CURRENT = "current tenant"
_OWN = select(Tenant).where(Tenant.id == OWN_TENANT)


class NoSuchTenant(Refusal):
    """There is no such ISP here."""


class AlreadyExists(Refusal):
    """There is one with this name already."""


class BadTenant(Refusal):
    """This ISP cannot be opened as described."""


@system_only
def open_tenant(
    uow: UnitOfWork, *, slug: str, name: str, country: str, currency: str, language: str = "en", timezone: str
) -> Tenant:
    """Open an ISP. Refuses an unknown country, currency or zone, a bad or taken slug. The first one gets the empty realm."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,39}", slug):
        raise BadTenant(what="slug", value=slug, hint="2 to 40 letters a-z, digits and dashes, starting with a letter")
    if phonenumbers.country_code_for_region(country) == 0:
        raise BadTenant(what="country", value=country, hint="two letters, for example KE")
    if currency not in SCALE:
        raise BadTenant(what="currency", value=currency, hint=f"one of {', '.join(SCALE)}")
    if timezone not in available_timezones():
        raise BadTenant(what="timezone", value=timezone, hint="for example Africa/Nairobi")
    if uow.session.scalar(select(Tenant.id).where(Tenant.slug == slug)):
        raise AlreadyExists(slug=slug)
    first = uow.session.scalar(select(func.count()).select_from(Tenant)) == 0
    tenant = uow.add(
        Tenant(
            slug=slug, name=name.strip()[:60], country=country, currency=currency, language=language, timezone=timezone,
            realm="" if first else slug, settings=TenantSettings().model_dump_json(), created_at=uow.now,
        )
    )  # fmt: skip
    for door in DOORS:
        _new_secret(uow, tenant.id, door)
    return tenant


@customers_may
def current(uow: UnitOfWork) -> Tenant:
    """The ISP of this visit."""
    known: Tenant | None = uow.session.info.get(_CURRENT)  # held, or every mention of it would read it again
    if known is None:
        known = uow.session.info[_CURRENT] = uow.find(_OWN).one_or_none()
    if known is None:
        raise NoSuchTenant(id=uow.tenant)
    return known


@system_only
def everyone(uow: UnitOfWork) -> list[Tenant]:
    """All ISPs of this installation, oldest first."""
    return list(uow.session.scalars(select(Tenant).order_by(Tenant.id)))


@system_only
def find_by_door(uow: UnitOfWork, door: str, secret: str) -> int | None:
    """Whose address is this? Looked up by SHA-256, so timing tells nothing about the secret itself."""
    if not 16 <= len(secret) <= 64:
        return None
    digest = hashlib.sha256(secret.encode(errors="replace")).digest()
    return uow.session.scalar(select(DoorSecret.tenant_id).where(DoorSecret.digest == digest, DoorSecret.door == door))


@requires(Can.MANAGE_STAFF)
def door_url_secret(uow: UnitOfWork, door: str) -> str:
    """The newest secret of a door, to be shown once to whoever registers the address with a company."""
    row = uow.session.scalar(
        select(DoorSecret)
        .where(DoorSecret.tenant_id == uow.tenant, DoorSecret.door == door)
        .order_by(DoorSecret.id.desc())
        .limit(1)
    )
    return row.sealed if row is not None else _new_secret(uow, uow.tenant, door)


def _new_secret(uow: UnitOfWork, tenant_id: int, door: str) -> str:
    secret = secrets.token_hex(SECRET_BYTES)  # no letters that could spell a word Safaricom forbids (payments.md §1.4)
    digest = hashlib.sha256(secret.encode()).digest()
    uow.add(DoorSecret(tenant_id=tenant_id, door=door, digest=digest, sealed=secret, created_at=uow.now))
    return secret


@customers_may
def settings_of(uow: UnitOfWork) -> TenantSettings:
    """What this ISP has configured."""
    return _understood(current(uow).settings)


@lru_cache(maxsize=256)
def _understood(text: str) -> TenantSettings:
    return TenantSettings.model_validate_json(text)


@requires(Can.MANAGE_STAFF)
def change_settings(uow: UnitOfWork, settings: TenantSettings) -> None:
    """Replace the settings. The audit line names what changed, never the values."""
    tenant = current(uow)
    before = TenantSettings.model_validate_json(tenant.settings)
    changed = [name for name in TenantSettings.model_fields if getattr(before, name) != getattr(settings, name)]
    tenant.settings = settings.model_dump_json()
    tenant.settings_version += 1
    uow.record("tenant.settings_changed", tenant, changed=changed)


@requires(Can.MANAGE_ROUTERS)
def add_site(uow: UnitOfWork, slug: str, name: str) -> Site:
    """Name a place. Refuses a slug that is taken."""
    if uow.session.scalar(select(Site.id).where(Site.slug == slug)):
        raise AlreadyExists(slug=slug)
    site = uow.add(Site(slug=slug, name=name, created_at=uow.now))
    uow.record("site.added", site, name=name)
    return site


@customers_may
def sites(uow: UnitOfWork) -> list[Site]:
    """The places of this ISP."""
    return list(uow.session.scalars(select(Site).order_by(Site.id)))


@requires(Can.MANAGE_STAFF)
def invite_staff(uow: UnitOfWork, label: str, role: str) -> Staff:
    """Add somebody with a role; the chat is linked later."""
    if role not in ROLES:
        raise BadTenant(what="role", value=role, hint=f"one of {', '.join(ROLES)}")
    member = uow.add(Staff(label=label[:60], role=role, created_at=uow.now))
    uow.record("staff.invited", member, role=role)
    return member


def zone(tenant: Tenant) -> ZoneInfo:
    """For showing times; never for deciding anything."""
    return ZoneInfo(tenant.timezone)
