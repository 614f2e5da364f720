"""What one ISP configures: its accounts with the companies and how it presents itself. Stored sealed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ADDRESS = r"^\d{1,3}(\.\d{1,3}){3}$"
HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
GARDEN_ENTRY = r"^((\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\d{1,3}(\.\d{1,3}){3}/\d{1,2})(:[1-9]\d{0,4})?$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AfricasTalkingAccount(_Frozen):
    """One Africa's Talking app (africastalking.md §1). `base_url` only for a stand-in; the real host is chosen by user name."""

    username: str
    api_key: str
    sender_id: str | None = None
    short_code: str | None = None
    service_code: str | None = None
    base_url: str | None = None


class DarajaAccount(_Frozen):
    """One M-Pesa Paybill or till (payments.md §1). For a till, `short_code` is the store number and `till_number` the till."""

    consumer_key: str
    consumer_secret: str
    short_code: str = Field(pattern=r"^\d{5,7}$")
    passkey: str
    till_number: str | None = Field(default=None, pattern=r"^\d{5,8}$")
    environment: str = Field(default="sandbox", pattern=r"^(sandbox|production)$")
    base_url: str | None = None
    allowed_addresses: tuple[str, ...] = ()
    """Source addresses of callbacks; others are noted in the log but not blocked (payments.md §1.6)."""


class TenantSettings(_Frozen):
    """Everything an ISP may set."""

    africastalking: AfricasTalkingAccount | None = None
    daraja: DarajaAccount | None = None
    help_line: str = ""
    """A phone number people may call, shown in help texts."""
    interim_seconds: int = Field(default=300, ge=60, le=3600)
    redirects: bool = False
    """Over PPP and DHCP, who is not let in gets onto a walled network that leads to where they can pay."""
    credit_after_minutes: int | None = Field(default=None, ge=1, le=1440)
    """A router that did not answer for so long gives its customers the time back; None: nothing is given back."""
    backups_kept: int = Field(default=14, ge=1, le=400)
    """So many exports are kept of each router."""
    stk_networks: tuple[str, ...] = ("63902", "99999")
    """Networks whose subscribers a payment prompt can reach (africastalking.md §5)."""

    garden_extra: tuple[Annotated[str, Field(max_length=120, pattern=GARDEN_ENTRY)], ...] = Field(
        default=(), max_length=50
    )
    """Further places phones may go before anybody paid: `host`, `*.host`, an address or a network, with `:port` if not 443."""
    grace_minutes: int | None = Field(default=None, ge=5, le=10)
    """So long a device may be lent the internet to pay in, once a day; None: never."""
    grace_kbps: int = Field(default=512, ge=64, le=2000)
    """How fast that is, in each direction."""
    grace_page: bool = False
    """Phones may take these minutes themselves, though no payment company is set up whose pages need it."""
    dns_servers: tuple[Annotated[str, Field(pattern=ADDRESS)], ...] = ("1.1.1.1", "8.8.8.8")
    """Whom a router asks for names that has nobody to ask."""
    ntp_servers: tuple[Annotated[str, Field(max_length=100, pattern=HOST)], ...] = ("pool.ntp.org",)
    """Where routers get the time."""

    @property
    def companies(self) -> tuple[str, ...]:
        """The payment companies that are switched on, by name."""
        return () if self.daraja is None else ("daraja",)

    @property
    def paybill(self) -> str | None:
        """The number customers pay to by hand."""
        return None if self.daraja is None else self.daraja.till_number or self.daraja.short_code

    @property
    def dial(self) -> str:
        """What a customer dials to buy, or where they text when there is no code."""
        account = self.africastalking
        return (account and (account.service_code or account.short_code)) or self.help_line or "us"
