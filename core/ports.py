"""The outside world on one page: what we need of it, in our words.

Adapters implement these Protocols; `World` is what a job's `act` is handed. Every call may raise the three failures of
`core.errors` (`GatewayDown`, `GatewayRefused`, `OutcomeUnknown`) and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from core.findings import RouterHealth, Verification
from core.money import Money
from core.phone import Msisdn
from core.planning import Planner
from core.rates import Burst, Speed, rate_limit
from core.strays import StrayHunter

# ---- messages ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sms:
    """One text for one phone. `link_id` ties a reply to a premium message."""

    to: Msisdn
    text: str
    link_id: str | None = None


@dataclass(frozen=True, slots=True)
class SmsAccepted:
    """The gateway took it. `cost_micro` is in millionths of the currency unit, None when not told."""

    external_id: str
    cost_micro: int | None = None


class SmsRejected(Exception):
    """The gateway will not deliver this text. `reason` is one of REASONS; `final` says whether trying later is pointless."""

    REASONS = ("bad_number", "opted_out", "no_balance", "sender", "held", "no_route", "gateway", "not_set_up")

    def __init__(self, reason: str, *, final: bool, code: str = "") -> None:
        assert reason in self.REASONS
        super().__init__(f"{reason} ({code})")
        self.reason, self.final, self.code = reason, final, code


class SmsGateway(Protocol):
    def send(self, sms: Sms) -> SmsAccepted:
        """Hand over one SMS. Raises `SmsRejected` for a verdict on this recipient."""
        ...

    def balance(self) -> Money:
        """What is left on the account."""
        ...


# ---- money -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request on the payer's phone. `reference` (≤ 12 characters) is our payment's code and is shown to the payer."""

    payer: Msisdn
    amount: Money
    reference: str
    description: str
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class Prompted:
    """The company accepted to ask. `request_id` is how callbacks and status queries name it."""

    request_id: str
    merchant_request_id: str = ""


@dataclass(frozen=True, slots=True)
class Paid:
    """Money arrived. `receipt_no` is the company's own number, None when only a status query said so.

    `request_id` names our prompt; `account` is what the payer typed (Paybill) or our reference; `payer` is absent, or
    given as the company gives it in `payer_hint` (a mask or a SHA-256). `first_name` is for the receipt text only.
    """

    receipt_no: str | None
    amount: Money
    request_id: str | None = None
    account: str | None = None
    payer: Msisdn | None = None
    payer_hint: str | None = None
    first_name: str | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotPaid:
    """The company says this prompt brought no money. A hint, never a fact: closes nothing.

    `why`: cancelled · no_answer · low_balance · wrong_pin · limit · busy · expired · repeat · locked · configuration · other.
    """

    request_id: str
    why: str
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StillOpen:
    """The payer has not answered yet."""

    request_id: str


@dataclass(frozen=True, slots=True)
class ConfirmedByQuery:
    """Asked about this prompt, the company says that it was paid, but names neither amount nor receipt.

    A prompt is paid whole or not at all, so the amount is what we asked for; the receipt number follows with a callback or
    a C2B confirmation, or with reconciliation (payments.md §1.3).
    """

    request_id: str


Outcome = Paid | NotPaid | StillOpen | ConfirmedByQuery


class UnreadableCallback(Exception):
    """The bytes are not something this company sends. Kept, shown to the owner, changes nothing."""


class PaymentGateway(Protocol):
    name: str

    def prompt(self, prompt: Prompt) -> Prompted:
        """Ask the phone. `GatewayDown`: surely not asked. `OutcomeUnknown`: perhaps asked, find out. `GatewayRefused`: no."""
        ...

    def status(self, request_id: str) -> Outcome:
        """Ask about a prompt: `StillOpen`, `ConfirmedByQuery`, or a `NotPaid` that is only a hint. Never `Paid`."""
        ...

    def read_callback(self, body: bytes) -> Outcome:
        """Understand a callback without any network. Raises `UnreadableCallback`."""
        ...

    def ping(self) -> None:
        """Are the keys good and the company there? For the doctor."""
        ...


# ---- access ------------------------------------------------------------------------------------------------------------


MAC, PPP = "mac", "ppp"
"""How somebody gets onto the network: a device by its address (hotspot, DHCP), or a login that dials in (PPPoE)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one user name may do now, as docs/radius-policy.md has it in rows.

    `allowed` False without `kept`: no rows at all, every request is rejected as not paid. `kept`: it may not enter, and
    its rows stay to say why (`expires_at` over, `blocked`, or nothing left of a metered subscription) and, with
    `redirects`, to lead it to where it can pay.

    `username` as the RADIUS tables key it (MAC upper case with colons, or a login; `@realm` behind it for further tenants).
    Rates are in kbit/s seen from the customer; None is unlimited. `subscription_id` is where used bytes are counted, None:
    nobody is charged. `service` is mac · ppp · code. `hours` are minutes of the week in `timezone`, empty for always.
    `sessions`: how many may be open at once under this name. `replies`: further `(attribute, value)` for the router; a
    name may stand several times where the policy says so.
    """

    username: str
    allowed: bool
    expires_at: datetime | None = None
    upload_kbps: int | None = None
    download_kbps: int | None = None
    subscription_id: int | None = None
    metered: bool = False
    interim_seconds: int = 300
    reason: str = ""
    kept: bool = False
    tenant_id: int = 0
    service: str = "mac"
    password: str | None = field(default=None, repr=False)
    burst: Burst | None = None
    priority: int | None = None
    guaranteed: Speed | None = None
    language: str = "en"
    hours: str = ""
    timezone: str = "UTC"
    redirects: bool = False
    blocked: str = ""
    sessions: int | None = None
    replies: tuple[tuple[str, str], ...] = ()

    @property
    def rate(self) -> str | None:
        """The rate in RouterOS' syntax, None without a limit."""
        return rate_limit(
            self.upload_kbps, self.download_kbps, burst=self.burst, priority=self.priority, guaranteed=self.guaranteed
        )


class AccessBackend(Protocol):
    def apply(self, accesses: Sequence[Access]) -> None:
        """Make the RADIUS rows say exactly this, all or nothing. Repeats are harmless."""
        ...


@dataclass(frozen=True, slots=True)
class RouterAddress:
    """How to reach one router's API, its CoA port, and what identifies us there."""

    router_id: int
    name: str
    host: str
    api_port: int
    api_tls: bool
    username: str
    password: str = field(repr=False)
    hotspot_server: str
    mac_auth_password: str = field(repr=False)
    coa_port: int
    radius_secret: str = field(repr=False)
    certificate_sha256: str = ""
    """The only API certificate it may show; empty: any."""


@dataclass(frozen=True, slots=True)
class HostRow:
    """A device the hotspot sees (not a sign of payment)."""

    mac: str
    address: str
    to_address: str
    server: str
    authorized: bool
    bypassed: bool


@dataclass(frozen=True, slots=True)
class ActiveRow:
    """A device that is on the network now."""

    mac: str
    user: str
    address: str
    session_time_left_seconds: int | None
    limit_bytes_total: int | None
    uptime_seconds: int


class Hotspot(Protocol):
    """One router's hotspot, over its API. After every write it reads back; a `!trap` is a failed write."""

    def let_in(self, router: RouterAddress, mac: str, *, refresh: bool = False) -> ActiveRow | None:
        """Put a paid device online now. None: it is not at this router (it will be let in when it comes).

        `refresh` ends a running session first, so that new limits take hold. Raises `GatewayRefused` with the router's
        words when it says no for a reason that repeating does not cure.
        """
        ...

    def throw_out(self, router: RouterAddress, mac: str) -> bool:
        """End its session. True when one was there."""
        ...

    def waiting(self, router: RouterAddress) -> list[HostRow]:
        """Devices seen but not let in."""
        ...

    def online(self, router: RouterAddress) -> list[ActiveRow]:
        """Devices that are on the network."""
        ...

    def shut_out(self, router: RouterAddress) -> list[str]:
        """Addresses (MAC) of devices that somebody blocked by hand: they come nowhere, whoever pays for them."""
        ...

    def probe(self, router: RouterAddress, now: datetime) -> RouterHealth:
        """Does it answer, and is it set up as we need it?"""
        ...

    def glance(self, router: RouterAddress) -> RouterHealth:
        """Does it answer, and how busy is it? A few questions only; not `thorough`."""
        ...

    def verify(self, router: RouterAddress, now: datetime) -> Verification:
        """Everything that could keep us from working with it, in words. Raises nothing."""
        ...

    def export(self, router: RouterAddress) -> str:
        """Its whole configuration as text, as `/export` writes it; what could not be had is said in comments in it."""
        ...

    def clean(self, router: RouterAddress) -> tuple[list[str], list[str]]:
        """Take everything with our tag off it, but for what we talk through: (what was removed, what was left)."""
        ...

    def close(self) -> None:
        """Hang up everywhere."""
        ...


@dataclass(frozen=True, slots=True)
class RunningSession:
    """A session as the tables of its router show it. `service`: hotspot · ppp · dhcp.

    What a router does not show is empty or None: a hotspot no session id, PPP no time left and no sum of bytes. `rate` has
    all parts of RouterOS' syntax, in bits; empty without a limit. `row_id` is good for the present visit only.
    """

    service: str
    user: str
    mac: str
    address: str
    session_id: str
    uptime_seconds: int
    seconds_left: int | None
    limit_bytes_total: int | None
    rate: str
    address_lists: frozenset[str]
    row_id: str


class Sessions(Protocol):
    """The running sessions of one router, of any service, over its API."""

    def running(self, router: RouterAddress, service: str, user: str) -> list[RunningSession]:
        """Those under one name (for `dhcp` a MAC), with the limits that stand in queues and address lists."""
        ...

    def end(self, router: RouterAddress, session: RunningSession) -> None:
        """End one, and read back that it is gone. One that went by itself is fine. A PPP line dials again by itself."""
        ...


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A running session as its accounting named it (radius.md §3)."""

    username: str
    session_id: str
    framed_ip: str


class ChangeOfAuthorization(Protocol):
    """Orders to a router about one session. `GatewayDown` when it stays silent; an ACK is not proof: read back."""

    def disconnect(self, router: RouterAddress, session: SessionRef) -> bool:
        """Ask the router to end a session. False on NAK."""
        ...

    def change(
        self, router: RouterAddress, session: SessionRef, *, rate: str | None, session_timeout_seconds: int | None,
        further: Sequence[tuple[str, str]] = (),
    ) -> bool:  # fmt: skip
        """Send new limits to a running session. False on NAK. `further`: (attribute, value) that can be changed so."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside, for one tenant. `payments` by company name; `sms` is None while no gateway is set up."""

    sms: SmsGateway | None
    payments: dict[str, PaymentGateway]
    access: AccessBackend
    hotspot: Hotspot
    coa: ChangeOfAuthorization
    sessions: Sessions
    planner: Planner
    strays: StrayHunter
    callback_urls: dict[str, str] = field(default_factory=dict)
    """By company: the address at which we want to be called back; `?p=<reference>` is appended per prompt."""
