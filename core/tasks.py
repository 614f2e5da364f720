"""Everything the service ever does later, on one page. Ids only: a job reads the present state when it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of promise. `queue` is the RQ queue; `lane` names what must be done one at a time (a router)."""

    queue: ClassVar[str]

    @property
    def lane(self) -> str | None:
        return None

    def payload(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PromptPayment(Task):
    """Ask the payer's phone for the money. At most once per payment."""

    queue: ClassVar[str] = "money"
    payment_id: int


@dataclass(frozen=True, slots=True)
class CheckPayment(Task):
    """The callback is overdue: ask the company. `round` counts from 0 and sets the next pause."""

    queue: ClassVar[str] = "money"
    payment_id: int
    round: int = 0


@dataclass(frozen=True, slots=True)
class Digest(Task):
    """Understand something a payment company told us."""

    queue: ClassVar[str] = "money"
    inbound_id: int


@dataclass(frozen=True, slots=True)
class Renew(Task):
    """Buy what ends shortly again from its owner's wallet. Once per end."""

    queue: ClassVar[str] = "money"
    subscription_id: int


@dataclass(frozen=True, slots=True)
class RedeemClaim(Task):
    """Turn a voucher that was typed on a router's own login page into what it sells. Once per voucher."""

    queue: ClassVar[str] = "money"
    voucher_id: int


@dataclass(frozen=True, slots=True)
class SyncAccess(Task):
    """Write what this customer may do now into RADIUS, then let devices in or out."""

    queue: ClassVar[str] = "network"
    customer_id: int


@dataclass(frozen=True, slots=True)
class LogIn(Task):
    """Let a paid device that waits at a router onto the network at once, or bring its session to what it may do now.

    `news` is what changed in its rows; see `core.network.running`.
    """

    queue: ClassVar[str] = "network"
    device_id: int
    router_id: int
    news: str = ""

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class LogOut(Task):
    """End a device's session at a router: it may no longer be there, or must come back with new limits."""

    queue: ClassVar[str] = "network"
    mac: str
    router_id: int

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class Settle(Task):
    """Bring the sessions of a name at a router to what it may do now: changed live, begun anew, or ended.

    `username` as the RADIUS tables key it; `lease`: its leases of DHCP instead of its sessions.
    """

    queue: ClassVar[str] = "network"
    username: str
    router_id: int
    lease: bool = False
    news: str = ""

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class LendGrace(Task):
    """Write into RADIUS that a device may be on for the minutes it was lent to pay in, or that they are over."""

    queue: ClassVar[str] = "network"
    grace_id: int


@dataclass(frozen=True, slots=True)
class Probe(Task):
    """Look whether a router answers; note it as up or down."""

    queue: ClassVar[str] = "network"
    router_id: int

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class BackUp(Task):
    """Keep what a router's configuration is today."""

    queue: ClassVar[str] = "network"
    router_id: int

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class CheckRouter(Task):
    """Compare a router with what should be on it, and note how it differs. Nothing is changed on it."""

    queue: ClassVar[str] = "network"
    router_id: int

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class TendGarden(Task):
    """Bring a router's walled garden to what the ISP's settings say now."""

    queue: ClassVar[str] = "network"
    router_id: int

    @property
    def lane(self) -> str | None:
        return f"router:{self.router_id}"


@dataclass(frozen=True, slots=True)
class SendMessage(Task):
    """Hand one SMS to the gateway."""

    queue: ClassVar[str] = "messages"
    message_id: int


TASKS: dict[str, type[Task]] = {
    kind.__name__: kind
    for kind in (
        PromptPayment,
        CheckPayment,
        Digest,
        Renew,
        RedeemClaim,
        SyncAccess,
        LogIn,
        LogOut,
        Settle,
        LendGrace,
        Probe,
        BackUp,
        CheckRouter,
        TendGarden,
        SendMessage,
    )
}
QUEUES = ("money", "network", "messages")


def revive(kind: str, payload: dict[str, Any]) -> Task:
    """A stored promise → its task. Unknown keys of an older version are dropped, missing ones raise TypeError."""
    task = TASKS[kind]
    known = {field.name for field in fields(task)}
    return task(**{name: value for name, value in payload.items() if name in known})
