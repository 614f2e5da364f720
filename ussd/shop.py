"""What every caller of one ISP is shown, kept in the process for two seconds: its name, prices and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core import catalog, customers, tenants
from core.money import Money
from core.texts import clip, plain
from core.uow import UnitOfWork

FRESH = timedelta(seconds=2)
"""A price list may be this old. The price shown is checked again when somebody buys."""
SHOPS_MAX = 1000
NAME_SEPTETS_MAX, SHORT_NAME_SEPTETS_MAX = 32, 20


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of the price list."""

    package_id: int
    code: str
    name: str
    price: Money
    duration_seconds: int
    quota_bytes: int | None
    device_limit: int
    service: str

    @classmethod
    def of(cls, package: catalog.Package) -> Offer:
        return cls(
            package.id, package.code, plain(package.name), package.price, package.duration_seconds, package.quota_bytes,
            package.device_limit, package.service,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shop:
    """An ISP as its customers see it. `senders` are its own numbers and names in SMS, lower case."""

    tenant_id: int
    name: str
    country: str
    currency: str
    language: str
    zone: ZoneInfo
    help_line: str
    paybill: str
    dial: str
    senders: frozenset[str]
    sender_id: str | None
    offers: tuple[Offer, ...]

    @property
    def short_name(self) -> str:
        """The name where a line is all there is for it."""
        return clip(self.name, SHORT_NAME_SEPTETS_MAX).rstrip()

    def offers_for(self, uow: UnitOfWork, customer_id: int | None) -> tuple[Offer, ...]:
        """What this caller can use: packages for a line that dials in only if there is one."""
        wired = any(offer.service == catalog.PPP for offer in self.offers)
        if not wired or (customer_id is not None and customers.logins(uow, customer_id)):
            return self.offers
        return tuple(offer for offer in self.offers if offer.service != catalog.PPP)

    def offer(self, package_id: int) -> Offer | None:
        """The line of the price list for this package, if it is on sale."""
        return next((offer for offer in self.offers if offer.package_id == package_id), None)


class Shops:
    """The shops this process has served lately."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[datetime, Shop]] = {}

    def of(self, uow: UnitOfWork) -> Shop:
        """The shop of this visit's tenant."""
        known = self._known.get(uow.tenant)
        if known is not None and known[0] <= uow.now < known[0] + FRESH:
            return known[1]
        shop = _load(uow)
        if len(self._known) >= SHOPS_MAX:
            self._known.clear()
        self._known[uow.tenant] = (uow.now, shop)
        return shop


def _load(uow: UnitOfWork) -> Shop:
    tenant, settings = tenants.current(uow), tenants.settings_of(uow)
    account = settings.africastalking
    numbers = (account.short_code, account.sender_id) if account else ()
    return Shop(
        tenant_id=tenant.id, name=clip(plain(tenant.name), NAME_SEPTETS_MAX), country=tenant.country, currency=tenant.currency,
        language=tenant.language, zone=tenants.zone(tenant), help_line=plain(settings.help_line)[:20],
        paybill=settings.paybill or "", dial=(account.service_code if account else None) or "",
        senders=frozenset(number.lower() for number in numbers if number),
        sender_id=account.sender_id if account else None,
        offers=tuple(Offer.of(package) for package in catalog.on_sale(uow)),
    )  # fmt: skip
