"""One visit: a transaction with a tenant, an actor and an instant.

Opened only by `app.work(tenant, actor)`, which also commits. Verbs take it first and never commit. Rows of other tenants
are invisible through it: every ORM statement gets the tenant filter, every new row its stamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    CursorResult,
    Executable,
    ScalarResult,
    Select,
    bindparam,
    event,
    insert,
    select,
)
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql import visitors

from core import outbox
from core.audit import AuditEntry
from core.blueprint import NOWHERE, Installation
from core.db import Base, TenantOwned
from core.roles import Actor
from core.tasks import Task

Row = TypeVar("Row", bound=Base)
TENANT_KEY = "tenant_id"
_NAMES_TENANT = "names_tenant"
_NAMED: dict[str, Any] = {_NAMES_TENANT: True}
OWN_TENANT: BindParameter[int] = bindparam("own_tenant")
"""The tenant of the visit, in statements for `UnitOfWork.run`."""


_LINES = "audit lines"
_WRITE = insert(AuditEntry)


class WrongTenant(RuntimeError):
    """A row of one tenant was about to be written in another tenant's visit: a bug."""


@dataclass
class UnitOfWork:
    """What a verb is handed. `tenant_id` is None only for visits that belong to nobody (relay, sweeps, finding a tenant)."""

    session: Session
    tenant_id: int | None
    actor: Actor
    now: datetime
    promised_now: bool = False
    installation: Installation = NOWHERE
    """Where routers and phones reach us."""

    @property
    def tenant(self) -> int:
        """The tenant's id, for verbs that only make sense inside one."""
        if self.tenant_id is None:
            raise WrongTenant("this visit has no tenant")
        return self.tenant_id

    @cached_property
    def connection(self) -> Connection:
        """The connection of this visit's transaction."""
        return self.session.connection()

    def run(self, statement: Executable, **values: Any) -> CursorResult[Any]:
        """Run a statement that was built once, with these values: for the busiest paths, several times cheaper.

        It gives plain rows and passes by the tenant filter, so it must name the tenant itself (`OWN_TENANT`). It sees what
        this visit has changed.
        """
        self.session.flush()
        _must_name_the_tenant(statement)
        return self.connection.execute(statement, {OWN_TENANT.key: self.tenant, **values})

    def find(self, statement: Select[Row], **values: Any) -> ScalarResult[Row]:
        """The same for rows that are to be changed: objects of this visit, found by a statement that was built once."""
        _must_name_the_tenant(statement)
        return self.session.scalars(statement, {OWN_TENANT.key: self.tenant, **values}, execution_options=_NAMED)

    def by_id(self, kind: type[Row], row_id: int) -> Row | None:
        """This tenant's row with this id; from memory if this visit has met it before."""
        known = self.session.identity_map.get(self.session.identity_key(kind, row_id))
        return known if known is not None else self.find(_by_id(kind), id=row_id).one_or_none()

    def add(self, row: Row) -> Row:
        """Keep a new row; its id is known afterwards."""
        self.session.add(row)
        self.session.flush()
        return row

    def later(self, task: Task, at: datetime | None = None) -> None:
        """Owe the world `task`, now or `at`. Real with the commit."""
        outbox.promise(self.session, self.tenant, task, self.now, at)
        self.promised_now = self.promised_now or at is None or at <= self.now

    def record(self, what: str, subject: Base | None = None, **facts: Any) -> None:
        """Write the audit line that belongs to the change just made."""
        self.session.info.setdefault(_LINES, []).append(
            {
                "tenant_id": self.tenant_id,
                "at": self.now,
                "actor": self.actor.name,
                "event": what,
                "subject_type": subject.__tablename__ if subject is not None else "",
                "subject_id": getattr(subject, "id", None),
                "facts": facts,
            }
        )

    def write_lines(self) -> None:
        """Put on record what `record` was told so far. The composition root does it before it commits."""
        _write_lines(self.session)


def bind_tenant(session: Session, tenant_id: int | None) -> None:
    """Fix which tenant's rows a session may see."""
    session.info[TENANT_KEY] = tenant_id


@lru_cache(maxsize=64)
def _by_id(kind: type[Row]) -> Select[Row]:
    return select(kind).where(kind.id == bindparam("id"), kind.tenant_id == OWN_TENANT)  # type: ignore[attr-defined]


@lru_cache(maxsize=512)
def _must_name_the_tenant(statement: Executable) -> None:
    """Looked at once per statement. One that did not name the tenant would see everybody's rows."""
    assert isinstance(statement, ClauseElement)
    named = (element.key for element in visitors.iterate(statement) if isinstance(element, BindParameter))
    if OWN_TENANT.key not in named:
        raise WrongTenant(f"a statement does not name the tenant: {statement}")


def _write_lines(session: Session) -> None:
    """The audit lines of a visit go into the database together, with the commit or when somebody wants to read them."""
    lines = session.info.pop(_LINES, None)
    if lines:
        session.connection().execute(_WRITE, lines)


@event.listens_for(Session, "after_rollback")
def _forget_lines(session: Session) -> None:
    session.info.pop(_LINES, None)


@event.listens_for(Session, "do_orm_execute")
def _only_own_rows(state: ORMExecuteState) -> None:
    if _LINES in state.session.info and state.bind_mapper is not None and state.bind_mapper.class_ is AuditEntry:
        _write_lines(state.session)
    tenant_id = state.session.info.get(TENANT_KEY)
    if tenant_id is None or _NAMES_TENANT in state.execution_options:
        return
    if state.is_column_load or state.is_relationship_load:
        return
    state.statement = state.statement.options(
        with_loader_criteria(TenantOwned, lambda cls: cls.tenant_id == tenant_id, include_aliases=True)
    )


@event.listens_for(Session, "before_flush")
def _stamp(session: Session, _context: object, _instances: object) -> None:
    tenant_id = session.info.get(TENANT_KEY)
    for row in session.new:
        if isinstance(row, TenantOwned):
            if getattr(row, TENANT_KEY) is None:
                setattr(row, TENANT_KEY, tenant_id)
            elif tenant_id is not None and row.tenant_id != tenant_id:
                raise WrongTenant(type(row).__name__)
    if tenant_id is None:
        return
    for row in session.dirty:
        if isinstance(row, TenantOwned) and row.tenant_id != tenant_id:
            raise WrongTenant(type(row).__name__)
