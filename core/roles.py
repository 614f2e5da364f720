"""Who may do what. The permission stands on the verb; doors only ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from core.errors import NotAllowed


class Can(Enum):
    """Permissions of staff."""

    SELL = "sell"
    SEE_CUSTOMERS = "see customers"
    MANAGE_PACKAGES = "manage packages"
    MANAGE_ROUTERS = "manage routers"
    MANAGE_STAFF = "manage staff"
    ISSUE_VOUCHERS = "issue vouchers"
    SUSPEND = "suspend"
    REFUND = "refund"
    SEE_BOOKS = "see books"


ROLES: dict[str, frozenset[Can]] = {
    "owner": frozenset(Can),
    "manager": frozenset(Can) - {Can.MANAGE_STAFF},
    "cashier": frozenset({Can.SELL, Can.SEE_CUSTOMERS}),
    "support": frozenset({Can.SEE_CUSTOMERS}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is behind a visit: `customer`, `staff` (with a role) or `system` (jobs, doors acting on a company's message)."""

    kind: str
    name: str
    role: str | None = None

    def may(self, permission: Can) -> bool:
        return self.kind == "system" or (self.role is not None and permission in ROLES.get(self.role, frozenset()))

    @classmethod
    def staff(cls, staff_id: int, role: str) -> Actor:
        return cls("staff", f"staff:{staff_id}", role)


SYSTEM = Actor("system", "system")
CUSTOMER = Actor("customer", "customer")


class Visit(Protocol):
    """What a permission check needs of a unit of work."""

    @property
    def actor(self) -> Actor: ...


Verb = TypeVar("Verb", bound=Callable[..., Any])


def requires(permission: Can) -> Callable[[Verb], Verb]:
    """Only staff with `permission` (and the system itself) may call this verb."""

    def mark(verb: Verb) -> Verb:
        @wraps(verb)
        def guarded(uow: Visit, *args: Any, **kwargs: Any) -> Any:
            if not uow.actor.may(permission):
                raise NotAllowed(permission=permission.value)
            return verb(uow, *args, **kwargs)

        guarded.access = permission  # type: ignore[attr-defined]
        return cast(Verb, guarded)

    return mark


def system_only(verb: Verb) -> Verb:
    """Only jobs and doors speaking for a company or a router may call this verb."""

    @wraps(verb)
    def guarded(uow: Visit, *args: Any, **kwargs: Any) -> Any:
        if uow.actor.kind != "system":
            raise NotAllowed(permission="system")
        return verb(uow, *args, **kwargs)

    guarded.access = "system"  # type: ignore[attr-defined]
    return cast(Verb, guarded)


def customers_may(verb: Verb) -> Verb:
    """Anybody may call this verb, customers included; it only ever touches what it is handed."""
    verb.access = "customer"  # type: ignore[attr-defined]
    return verb


def access_of(verb: Callable[..., Any]) -> Can | str | None:
    """What a verb declared; None for a verb that forgot to."""
    return getattr(verb, "access", None)
