"""What is known about somebody who is not online: values from our records, and what routers say when they are asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from core.findings import RouterHealth
from core.ports import ActiveRow, HostRow

PHONE, DEVICE, LOGIN = "phone", "device", "login"


@dataclass(frozen=True, slots=True)
class Order:
    """The last thing they asked for and have not got. `why_not` is the company's last no, a word of `core.ports.NotPaid`."""

    package: str
    price: str
    asked_at: datetime
    paid: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """What they bought last, of one service. `running`: it lets them in at this moment."""

    package: str
    begun_at: datetime | None
    starts_at: datetime
    over_at: datetime
    running: bool
    suspended_reason: str
    used_up: bool
    slowed_at: datetime | None
    bought_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """A router at which they may be, as it was when last looked at. `down_since` None: it answered."""

    router_id: int
    name: str
    down_since: datetime | None


@dataclass(frozen=True, slots=True)
class Name:
    """A device or a login, and everything our tables say of it.

    `refused` is why it may not enter although something runs, empty when it may. `rows`: RADIUS rows say what they should.
    `answer` and `reason` are the last answer of RADIUS (see `network.Answer`), at `answered_at`. `session_at`: where it has an
    open session, as accounting says. `places` are routers where it knocked within a day, latest first.
    """

    user: str
    service: str
    randomised: bool = False
    refused: str = ""
    rows: bool = False
    answer: str = ""
    reason: str = ""
    answered_at: datetime | None = None
    session_at: str = ""
    places: tuple[Place, ...] = ()

    @property
    def short(self) -> str:
        """How its owner knows it: the last four signs of a MAC, a login as it is."""
        return self.user[-5:].replace(":", "") if self.service == "mac" else self.user


@dataclass(frozen=True, slots=True)
class Case:
    """Who is meant, and what is known. `customer_id` None: nobody is known by this. `name` None: they hold nothing to be online with.

    `asked` is phone · device · login; `zone` the ISP's; `places` are the routers that should be asked.
    """

    at: datetime
    zone: str
    asked: str
    shown: str
    dial: str
    customer_id: int | None = None
    order: Order | None = None
    term: Term | None = None
    name: Name | None = None
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """What one router said just now. `trouble`: it did not answer, and how. `closed`: what phones cannot reach before they pay,
    though they should; None when that was not asked. `differs`: how it lets people in otherwise than it should, in the words of a plan.
    `blocked`: devices somebody keeps out by hand."""

    place: Place
    trouble: str = ""
    health: RouterHealth | None = None
    waiting: tuple[HostRow, ...] = ()
    online: tuple[ActiveRow, ...] = ()
    closed: tuple[str, ...] | None = None
    differs: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    strangers: tuple[str, ...] = field(default=())
    """Devices that wait there and belong to nobody."""
