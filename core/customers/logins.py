"""Names and passwords with which customers' routers dial in, and addresses that are always the same."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from sqlalchemy import JSON, bindparam, select, type_coerce

from core.customers.extras import Extras
from core.customers.models import Customer, Device, Login
from core.errors import Refusal
from core.roles import Can, customers_may, requires
from core.tasks import SyncAccess
from core.uow import OWN_TENANT, UnitOfWork

LOGINS_MAX = 20
PASSWORD_BYTES = 12


class BadLogin(Refusal):
    """This cannot be the name of a login."""


class LoginTaken(Refusal):
    """There is a login with this name already."""


class NoSuchLogin(Refusal):
    """This customer has no login with this name."""


class TooManyLogins(Refusal):
    """There are as many logins as allowed."""


class AddressTaken(Refusal):
    """Somebody else has this address."""


def normalise_login(text: str) -> str:
    """The form of docs/radius-policy.md: lower case, nothing that could be taken for a device. Raises `BadLogin`."""
    name = text.strip().lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,62}", name, re.ASCII):
        raise BadLogin(hint="1 to 63 letters a-z, digits, dots, dashes and underlines, a letter or digit first")
    if re.fullmatch(r"[0-9a-f]{12}", re.sub(r"[._-]", "", name)):
        raise BadLogin(hint="this could be taken for the address of a device: add another letter")
    return name


_HELD = (
    select(Login)
    .where(Login.tenant_id == OWN_TENANT, Login.customer_id == bindparam("customer"), Login.released_at.is_(None))
    .order_by(Login.id)
)
_NAMED = select(Login).where(Login.tenant_id == OWN_TENANT, Login.name == bindparam("name"))


@customers_may
def logins(uow: UnitOfWork, customer_id: int) -> Sequence[Login]:
    """What this customer dials in with, oldest first."""
    return uow.find(_HELD, customer=customer_id).all()


@customers_may
def login_named(uow: UnitOfWork, name: str) -> Login | None:
    """The login that is held under this name (normalised), whoever has it."""
    found = uow.find(_NAMED, name=name).one_or_none()
    return found if found is not None and found.released_at is None else None


@requires(Can.SELL)
def add_login(uow: UnitOfWork, who: Customer, name: str, extras: Extras | None = None) -> Login:
    """Let a customer dial in under this name, with a password made here. Who has let go of a name gets it back, nobody else."""
    name = normalise_login(name)
    known = uow.find(_NAMED, name=name).one_or_none()
    if known is not None and (known.released_at is None or known.customer_id != who.id):
        raise LoginTaken(name=name)
    if len(logins(uow, who.id)) >= LOGINS_MAX:
        raise TooManyLogins(limit=LOGINS_MAX)
    if known is None:
        made = uow.add(Login(customer_id=who.id, name=name, password=_password(), extras=Extras(), added_at=uow.now))
    else:
        made, known.password, known.released_at, known.added_at = known, _password(), None, uow.now
        made.extras = Extras()
    uow.record("login.added", made, name=name)
    uow.later(SyncAccess(who.id))
    if extras is not None:
        give_addresses(uow, made, extras)
    return made


@requires(Can.SELL)
def reset_login(uow: UnitOfWork, held: Login) -> Login:
    """A new password; what is online stays until it dials again."""
    held.password = _password()
    uow.record("login.reset", held)
    uow.later(SyncAccess(held.customer_id))
    return held


@requires(Can.SELL)
def release_login(uow: UnitOfWork, held: Login) -> None:
    """The customer dials in under this name no more; it leaves the network."""
    if held.released_at is None:
        held.released_at = uow.now
        uow.record("login.released", held)
        uow.later(SyncAccess(held.customer_id))


@requires(Can.MANAGE_ROUTERS)
def give_addresses(uow: UnitOfWork, held: Device | Login, extras: Extras) -> None:
    """Addresses and routes that are always the same, instead of those it had. Refuses an address that somebody else has."""
    if extras.address is not None:
        for kind in (Device, Login):
            address = type_coerce(kind.extras, JSON)["address"].as_string()
            others = select(kind).where(address == extras.address, kind.released_at.is_(None))
            if any(other is not held for other in uow.session.scalars(others)):
                raise AddressTaken(address=extras.address)
    held.extras = extras
    uow.record(f"{held.__tablename__}.addresses", held, **extras.model_dump(exclude_defaults=True))
    uow.later(SyncAccess(held.customer_id))


def _password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)
