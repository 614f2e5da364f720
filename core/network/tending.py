"""Promising that routers are compared with their blueprints, and that their walled gardens follow the settings."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from core import outbox
from core.network.models import Router
from core.roles import system_only
from core.tasks import CheckRouter, Task, TendGarden
from core.uow import UnitOfWork


@system_only
def check_all(uow: UnitOfWork) -> int:
    """Promise to compare every router that answers, unless that is promised already."""
    return _promise(uow, CheckRouter, Router.down_since.is_(None))


@system_only
def tend_all(uow: UnitOfWork) -> int:
    """Promise this ISP's walled gardens what its settings say now, on routers that were brought to their blueprint before."""
    return _promise(uow, TendGarden, Router.tenant_id == uow.tenant, Router.applied_at.is_not(None))


def _promise(uow: UnitOfWork, kind: type[Task], *which: ColumnElement[bool]) -> int:
    open_ = outbox.owed(kind, "router_id", Router.id)
    rows = select(Router.tenant_id, Router.id).where(~open_, *which)
    count = outbox.promise_each(uow.session, kind, rows, uow.now, lane="router:")
    uow.promised_now = uow.promised_now or count > 0
    return count
