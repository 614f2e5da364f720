"""Opening the installation for one command: settings, tables that fit, and the ISP that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from cli.failures import Failed
from core import migrations, tenants
from core.app import App, open_app
from core.ports import World
from core.roles import Actor
from core.uow import UnitOfWork

OPERATOR = Actor("system", "cli")
"""Whoever has a shell here owns everything anyway; the audit says that it came from the command line."""

TenantOption = Annotated[
    str | None, typer.Option("--tenant", envvar="DUKA_TENANT", help="Which ISP, by its slug; the only one by default.")
]


@dataclass
class Shop:
    """One ISP of this installation, opened for one command."""

    app: App
    tenant_id: int
    tenant: tenants.Tenant

    @contextmanager
    def work(self) -> Iterator[UnitOfWork]:
        """One transaction in this ISP's name."""
        with self.app.work(self.tenant_id, OPERATOR) as uow:
            yield uow

    @contextmanager
    def look(self) -> Iterator[UnitOfWork]:
        """The same for reading only: it waits for nobody."""
        with self.app.look(self.tenant_id, OPERATOR) as uow:
            yield uow

    @property
    def world(self) -> World:
        return self.app.world(self.tenant_id)


@contextmanager
def opened(*, migrated: bool = True) -> Iterator[App]:
    """The installation. `Failed` when its tables are not those of this version."""
    app = open_app()
    try:
        if migrated:
            must_be_migrated(app)
        yield app
    finally:
        app.close()


@contextmanager
def shop(slug: str | None) -> Iterator[Shop]:
    """The ISP called `slug`, or the only one."""
    with opened() as app:
        with app.look(None, OPERATOR) as uow:
            tenant = choose(tenants.everyone(uow), slug)
        yield Shop(app, tenant.id, tenant)


def choose(everyone: list[tenants.Tenant], slug: str | None) -> tenants.Tenant:
    """The tenant that is meant."""
    slugs = ", ".join(tenant.slug for tenant in everyone)
    if not everyone:
        raise Failed("there is no ISP here yet: run `duka init`")
    if slug is None and len(everyone) > 1:
        raise Failed(f"there are several ISPs here, say which with --tenant: {slugs}")
    found = next((tenant for tenant in everyone if slug in (None, tenant.slug)), None)
    if found is None:
        raise Failed(f"there is no ISP called {slug!r}; there is: {slugs}")
    return found


def must_be_migrated(app: App) -> None:
    """`Failed` unless the tables are those of this version."""
    have, want = migrations.current(app.engine), migrations.head()
    if have == want:
        return
    if have is None:
        raise Failed("the database is empty: run `duka init` (or `duka migrate`)")
    raise Failed(f"the database is at revision {have}, this version wants {want}: run `duka migrate`")
