"""The addresses an owner registers with the companies, secrets included: shown when asked for, never logged."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from core import tenants
from core.config import Settings
from core.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the companies find one ISP's doors."""

    ussd: str
    ussd_ended: str
    sms: str
    sms_delivery: str
    sms_opt_out: str
    c2b_confirmation: str
    c2b_validation: str

    def rows(self) -> list[tuple[str, str, str]]:
        """(company, what its page calls it, address)."""
        return [
            ("Africa's Talking", "USSD callback", self.ussd),
            ("Africa's Talking", "USSD events", self.ussd_ended),
            ("Africa's Talking", "SMS callback", self.sms),
            ("Africa's Talking", "SMS delivery reports", self.sms_delivery),
            ("Africa's Talking", "SMS bulk opt-out", self.sms_opt_out),
            ("M-Pesa Daraja", "C2B confirmation", self.c2b_confirmation),
            ("M-Pesa Daraja", "C2B validation", self.c2b_validation),
        ]


def addresses(uow: UnitOfWork, settings: Settings) -> Addresses:
    """This visit's ISP's."""
    phones = _phones_url(settings)
    ussd = f"{phones}/ussd/africastalking/{tenants.door_url_secret(uow, 'ussd')}"
    sms = f"{phones}/sms/africastalking/{tenants.door_url_secret(uow, 'sms')}"
    hooks = f"{settings.public_url.rstrip('/')}/hooks/daraja/{tenants.door_url_secret(uow, 'hooks')}"
    return Addresses(
        ussd=ussd,
        ussd_ended=f"{ussd}/ended",
        sms=sms,
        sms_delivery=f"{sms}/delivery",
        sms_opt_out=f"{sms}/optout",
        c2b_confirmation=hooks,
        c2b_validation=f"{hooks}/validate",
    )


def _phones_url(settings: Settings) -> str:
    """The same public address: what stands in front sends /ussd and /sms to the other process. Without anything in front
    (everything on one machine) the ussd process is reached by its own port."""
    public = urlsplit(settings.public_url)
    if public.hostname in ("127.0.0.1", "localhost", "::1") and public.port == settings.portal.port:
        return f"{public.scheme}://{settings.ussd.host}:{settings.ussd.port}"
    return settings.public_url.rstrip("/")
