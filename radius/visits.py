"""Looking at the database without waiting for those who write to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.app import App
from core.roles import SYSTEM
from core.uow import UnitOfWork, bind_tenant


@contextmanager
def look(app: App, tenant_id: int | None) -> Iterator[UnitOfWork]:
    """A visit that only reads and is rolled back at the end: a login never queues for the one writer SQLite has."""
    with app.sessions() as session:
        bind_tenant(session, tenant_id)
        session.connection(execution_options={"only_reads": True})
        yield UnitOfWork(session, tenant_id, SYSTEM, app.clock.now())
