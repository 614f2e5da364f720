"""The servers that play the table: each a context that yields where it listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from radius.server import RadiusServer
from tests.freeradius_server import freeradius_server
from tests.parity.world import Endpoint, World


@contextmanager
def embedded(world: World) -> Iterator[Endpoint]:
    """The embedded server on this world's database."""
    server = RadiusServer(world.app, "127.0.0.1", 0, 0)
    server.start()
    try:
        yield Endpoint("embedded", server.auth_port, server.acct_port, server.settle)
    finally:
        server.stop()


@contextmanager
def freeradius(world: World) -> Iterator[Endpoint]:
    """FreeRADIUS with our configuration on this world's database."""
    url = world.app.engine.url.render_as_string(hide_password=False)
    with freeradius_server(url, key=world.app.settings.secrets.key) as server:
        yield Endpoint("freeradius", server.auth_port, server.acct_port, server.settle)


SERVERS: dict[str, Callable[[World], AbstractContextManager[Endpoint]]] = {
    "embedded": embedded,
    "freeradius": freeradius,
}
WHERE = (("embedded", "sqlite"), ("embedded", "postgresql"), ("freeradius", "postgresql"))
"""Which server is played on which databases."""
