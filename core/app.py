"""The composition root: settings → engine, clock, worlds per tenant. The only place that commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session, configure_mappers, sessionmaker

# Capabilities are imported for their tables: whoever opens an app knows the whole schema.
from core import (
    catalog,
    customers,
    diagnosis,
    dialogs,
    heartbeats,
    inbox,
    ledger,
    messaging,
    network,
    payments,
    purchases,
    subscriptions,
    tenants,
    vouchers,
)
from core.adapters.doorbell import Doorbell
from core.blueprint import Installation
from core.clock import Clock, SystemClock
from core.config import ConfigError, Settings, load
from core.db import Base, make_engine, vault
from core.ports import Hotspot, World
from core.roles import SYSTEM, Actor
from core.uow import UnitOfWork, bind_tenant

if TYPE_CHECKING:
    from core.adapters.registry import Connections
    from core.adapters.routeros.bootstrap import RouterScripts

CAPABILITIES = (
    tenants, messaging, customers, catalog, ledger, subscriptions, network, payments, purchases, vouchers,
    diagnosis,
)  # fmt: skip
PLUMBING = (dialogs, heartbeats, inbox)
METADATA = Base.metadata
LOOKING: dict[str, Any] = {"postgresql": {"isolation_level": "AUTOCOMMIT"}, "sqlite": {"only_reads": True}}


@dataclass
class App:
    """One process's hold on everything. Cheap to open, safe to share between threads."""

    settings: Settings
    clock: Clock
    engine: Engine
    doorbell: Doorbell
    sessions: sessionmaker[Session]
    connections: Connections | None = None
    worlds: dict[int, tuple[int, World]] = field(default_factory=dict)

    @cached_property
    def installation(self) -> Installation:
        """Where routers and phones reach us, as configured."""
        radius, tunnel = self.settings.radius, self.settings.tunnel
        return Installation(
            self.settings.public_url.rstrip("/"), radius.host, radius.auth_port, radius.acct_port, tunnel.host, tunnel.port,
            str(tunnel.subnet),
        )  # fmt: skip

    @cached_property
    def router_scripts(self) -> RouterScripts:
        """What a bare box fetches to become one of ours: text, made without any network."""
        from core.adapters.routeros.bootstrap import RouterScripts

        return RouterScripts()

    @contextmanager
    def work(self, tenant_id: int | None, actor: Actor = SYSTEM, *, forgettable: bool = False) -> Iterator[UnitOfWork]:
        """One visit, one transaction: commits when the block ends, rolls back when it raises; then rings the bell.

        `forgettable`: whatever follows from this would simply be done again, so nobody waits until it is on the disk. A power
        cut may undo the last second of such visits, and then of everything that came after them: never only a part.
        """
        with self.sessions() as session:
            bind_tenant(session, tenant_id)
            with session.begin():
                uow = UnitOfWork(session, tenant_id, actor, self.clock.now(), installation=self.installation)
                connection = uow.connection  # on SQLite this takes the write lock before anything is read
                if forgettable and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                yield uow
                uow.write_lines()
        if uow.promised_now:
            self.doorbell.ring()

    @contextmanager
    def look(self, tenant_id: int | None, actor: Actor = SYSTEM) -> Iterator[UnitOfWork]:
        """A visit that only reads and is rolled back at the end: it never queues for the one writer SQLite has.

        On PostgreSQL each statement stands alone: there it sees no less than in a transaction, and saves two round trips.
        """
        with self.sessions() as session:
            bind_tenant(session, tenant_id)
            session.connection(execution_options=LOOKING[self.engine.dialect.name])
            yield UnitOfWork(session, tenant_id, actor, self.clock.now(), installation=self.installation)

    def known_world(self, uow: UnitOfWork) -> World | None:
        """The outside of this visit's tenant, if it was built from the settings as they are."""
        known = self.worlds.get(uow.tenant)
        return known[1] if known is not None and known[0] == tenants.current(uow).settings_version else None

    def world(self, tenant_id: int) -> World:
        """The outside as this tenant has configured it; rebuilt when the settings have changed."""
        with self.look(tenant_id) as uow:
            known = self.known_world(uow)
            if known is not None:
                return known
            version = tenants.current(uow).settings_version
            settings = tenants.settings_of(uow)
            currency = tenants.current(uow).currency
            callbacks = {
                company: f"{self.settings.public_url.rstrip('/')}/hooks/{company}/{tenants.door_url_secret(uow, 'hooks')}"
                for company in ("daraja",)
            }
        world = self._build(settings.model_dump(), currency, callbacks)
        self.worlds[tenant_id] = (version, world)
        return world

    def _build(self, settings: Mapping[str, Any], currency: str, callbacks: dict[str, str]) -> World:
        """Adapters and their libraries are loaded by the processes that meet the world, and by no other."""
        from core.adapters.registry import Connections, build_world

        if self.connections is None:
            self.connections = Connections.open(self.engine, self.settings.redis.url, self.clock)
        return build_world(settings, currency, callbacks, self.connections)

    def lookout(self) -> Hotspot:
        """Connections of their own for looking at hundreds of routers, with less patience for the single one. Close it at the end."""
        from core.adapters.routeros import (  # and not the registry: the other adapters are large
            MikrotikHotspot,
            Patience,
        )

        patience = Patience(turn_seconds=1, connect_seconds=2, command_seconds=4, call_seconds=6, pause_seconds_max=5)
        return MikrotikHotspot(patience, monotonic=self.clock.monotonic)

    def close(self) -> None:
        """Let go of connections."""
        if self.connections is not None:
            self.connections.close()
        self.doorbell.close()
        self.engine.dispose()


def open_app(settings: Settings | None = None, *, clock: Clock | None = None) -> App:
    """Put the parts together. Raises `ConfigError`; touches neither database nor Redis yet."""
    settings = settings or load()
    clock = clock or SystemClock()
    try:
        vault.unlock([key.strip() for key in settings.secrets.key.split(",") if key.strip()])
    except ValueError as error:
        raise ConfigError(f"secrets.key: {error}") from error
    engine = make_engine(settings.database.url)
    configure_mappers()  # now and not with the first visit: processes that fork from here share it
    return App(
        settings=settings,
        clock=clock,
        engine=engine,
        doorbell=Doorbell(settings.redis.url),
        sessions=sessionmaker(engine, expire_on_commit=False),
    )
