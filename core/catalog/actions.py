"""Publishing, pricing and withdrawing packages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from core.catalog.models import SERVICES, Package, PackagePrice
from core.catalog.profile import Profile
from core.errors import Refusal
from core.money import Money
from core.ports import MAC
from core.rates import Speed, rate_limit
from core.roles import Can, customers_may, requires
from core.texts import septets
from core.uow import UnitOfWork

NAME_SEPTETS_MAX = 24
QUOTE_HONOURED_SECONDS = 600
"""A price that was shown stays good this long after it changed: a USSD session and then some."""
DURATION_SECONDS_MAX = 366 * 86400
GRACE_SHARE = 2
"""Grace is at most one second for so many of the package: half of what is bought afterwards is still to come."""


class NotOnSale(Refusal):
    """This package is not for sale any more."""


class PriceChanged(Refusal):
    """The price has changed since it was shown."""


class BadPackage(Refusal):
    """This package cannot be published as described."""


@requires(Can.MANAGE_PACKAGES)
def publish(
    uow: UnitOfWork, *, code: str, name: str, price: Money, duration_seconds: int, quota_bytes: int | None = None,
    upload_kbps: int | None = None, download_kbps: int | None = None, device_limit: int = 1, service: str = MAC,
    profile: Profile | None = None,
) -> Package:  # fmt: skip
    """Put a package on sale at the end of the list. Refuses what customers could not read, type or use."""
    code = code.strip().upper()
    if not re.fullmatch(r"[A-Z0-9]{1,12}", code, re.ASCII):
        raise BadPackage(what="code", hint="1 to 12 letters and digits")
    if not name.strip() or (septets(name) or NAME_SEPTETS_MAX + 1) > NAME_SEPTETS_MAX:
        raise BadPackage(
            what="name", hint=f"at most {NAME_SEPTETS_MAX} plain characters, so that it fits a phone's screen"
        )
    if not 0 < duration_seconds <= DURATION_SECONDS_MAX:
        raise BadPackage(what="duration", hint="between a second and a year")
    for what, value in (("quota", quota_bytes), ("upload", upload_kbps), ("download", download_kbps)):
        if value is not None and value <= 0:
            raise BadPackage(what=what, hint="more than nothing, or left out for unlimited")
    if price.minor < 0 or not 1 <= device_limit <= 6:
        raise BadPackage(what="price or devices", hint="a price of at least 0; 1 to 6 devices")
    if uow.session.scalar(select(Package.id).where(Package.code == code)):
        raise BadPackage(what="code", hint=f"{code} is taken")
    last = uow.session.scalar(select(Package.position).order_by(Package.position.desc()).limit(1)) or 0
    made = Package(
        code=code, name=name.strip(), price_minor=price.minor, currency=price.currency,
        duration_seconds=duration_seconds, quota_bytes=quota_bytes, upload_kbps=upload_kbps,
        download_kbps=download_kbps, device_limit=device_limit, position=last + 1, published_at=uow.now,
        service=service, profile=profile or Profile(),
    )  # fmt: skip
    _must_fit(made)
    uow.add(made)
    _note_price(uow, made, price)
    uow.record("package.published", made, price=str(price))
    return made


def _must_fit(what: Package) -> None:
    """The parts of a package that only make sense together."""
    profile, speed = what.profile, None
    if (what.upload_kbps is None) != (what.download_kbps is None):
        raise BadPackage(what="speed", hint="give upload and download, or neither")
    if what.upload_kbps is not None and what.download_kbps is not None:
        speed = Speed(what.upload_kbps, what.download_kbps)
    if what.service not in SERVICES:
        raise BadPackage(what="service", hint=f"one of {', '.join(SERVICES)}")
    if speed is None and (profile.burst or profile.priority or profile.guaranteed):
        raise BadPackage(what="speed", hint="burst, priority and guarantee need a speed of which they are a part")
    if speed and profile.burst and not (_below(speed, profile.burst.limit) and speed != profile.burst.limit):
        raise BadPackage(what="burst", hint=f"at least the speed itself, {speed}")
    if profile.burst and profile.burst.threshold and not _below(profile.burst.threshold, profile.burst.limit):
        raise BadPackage(what="burst", hint=f"its threshold is at most what it bursts to, {profile.burst.limit}")
    if speed and profile.guaranteed and not _below(profile.guaranteed, speed):
        raise BadPackage(what="guarantee", hint=f"at most the speed itself, {speed}")
    if profile.slow and (what.quota_bytes is None or (speed and not _below(profile.slow, speed))):
        raise BadPackage(what="slow", hint="less than the speed, and for packages whose data can be used up")
    if profile.grace_seconds * GRACE_SHARE > what.duration_seconds:
        raise BadPackage(what="grace", hint="at most half as long as the package itself")
    _rate_of(what)


def _below(one: Speed, other: Speed) -> bool:
    return one.upload_kbps <= other.upload_kbps and one.download_kbps <= other.download_kbps


def _rate_of(what: Package) -> None:
    profile = what.profile
    try:
        rate_limit(
            what.upload_kbps, what.download_kbps, burst=profile.burst, priority=profile.priority,
            guaranteed=profile.guaranteed,
        )  # fmt: skip
        for speed in (profile.slow, profile.burst and profile.burst.threshold):
            str(speed or "")
    except ValueError as error:
        raise BadPackage(what="speed", hint=str(error)) from error


@requires(Can.MANAGE_PACKAGES)
def reprice(uow: UnitOfWork, what: Package, price: Money) -> None:
    """From now on at this price; who was just shown the old one may still pay it."""
    if price.currency != what.currency or price.minor < 0:
        raise BadPackage(what="price", hint=f"an amount in {what.currency}")
    uow.record("package.repriced", what, before=str(what.price), after=str(price))
    what.price_minor = price.minor
    _note_price(uow, what, price)


@requires(Can.MANAGE_PACKAGES)
def withdraw(uow: UnitOfWork, what: Package) -> None:
    """No longer for sale. What was sold goes on."""
    what.withdrawn_at = what.withdrawn_at or uow.now
    uow.record("package.withdrawn", what)


@customers_may
def on_sale(uow: UnitOfWork) -> Sequence[Package]:
    """The price list, in the owner's order."""
    return uow.session.scalars(
        select(Package).where(Package.withdrawn_at.is_(None)).order_by(Package.position, Package.id)
    ).all()


@customers_may
def package(uow: UnitOfWork, package_id: int) -> Package:
    """A package by id, withdrawn or not."""
    return uow.by_id(Package, package_id) or uow.session.get_one(Package, package_id)


@customers_may
def by_code(uow: UnitOfWork, code: str) -> Package | None:
    """The package on sale with this code."""
    return uow.session.scalar(
        select(Package).where(Package.code == code.strip().upper(), Package.withdrawn_at.is_(None))
    )


@customers_may
def quote(uow: UnitOfWork, what: Package, shown: Money | None = None) -> Money:
    """What this package costs now. A price `shown` minutes ago is honoured; an older or invented one raises `PriceChanged`."""
    since = uow.now - timedelta(seconds=QUOTE_HONOURED_SECONDS)
    if what.withdrawn_at is not None and what.withdrawn_at < since:
        raise NotOnSale(name=what.name)
    if shown is None or shown == what.price:
        return what.price
    history = uow.session.scalars(
        select(PackagePrice).where(PackagePrice.package_id == what.id).order_by(PackagePrice.from_at.desc()).limit(10)
    ).all()
    ended = uow.now
    for line in history:
        if ended >= since and Money(line.price_minor, line.currency) == shown:
            return shown
        ended = line.from_at
    raise PriceChanged(name=what.name, price=str(what.price))


def _note_price(uow: UnitOfWork, what: Package, price: Money) -> None:
    uow.add(PackagePrice(package_id=what.id, price_minor=price.minor, currency=price.currency, from_at=uow.now))
