"""Publishing, pricing and withdrawing packages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select

from core.catalog.models import Package, PackagePrice
from core.errors import Refusal
from core.money import Money
from core.roles import Can, customers_may, requires
from core.texts import septets
from core.uow import UnitOfWork

NAME_SEPTETS_MAX = 24
QUOTE_HONOURED_SECONDS = 600
"""A price that was shown stays good this long after it changed: a USSD session and then some."""
DURATION_SECONDS_MAX = 366 * 86400


class NotOnSale(Refusal):
    """This package is not for sale any more."""


class PriceChanged(Refusal):
    """The price has changed since it was shown."""


class BadPackage(Refusal):
    """This package cannot be published as described."""


@requires(Can.MANAGE_PACKAGES)
def publish(
    uow: UnitOfWork, *, code: str, name: str, price: Money, duration_seconds: int, quota_bytes: int | None = None,
    upload_kbps: int | None = None, download_kbps: int | None = None, device_limit: int = 1,
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
    if (upload_kbps is None) != (download_kbps is None):
        raise BadPackage(what="speed", hint="give upload and download, or neither")
    if price.minor < 0 or not 1 <= device_limit <= 6:
        raise BadPackage(what="price or devices", hint="a price of at least 0; 1 to 6 devices")
    if uow.session.scalar(select(Package.id).where(Package.code == code)):
        raise BadPackage(what="code", hint=f"{code} is taken")
    last = uow.session.scalar(select(Package.position).order_by(Package.position.desc()).limit(1)) or 0
    made = uow.add(
        Package(
            code=code, name=name.strip(), price_minor=price.minor, currency=price.currency,
            duration_seconds=duration_seconds, quota_bytes=quota_bytes, upload_kbps=upload_kbps,
            download_kbps=download_kbps, device_limit=device_limit, position=last + 1, published_at=uow.now,
        )
    )  # fmt: skip
    _note_price(uow, made, price)
    uow.record("package.published", made, price=str(price))
    return made


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
