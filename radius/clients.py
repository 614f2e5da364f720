"""Which routers are answered: by source address, from the rows that FreeRADIUS reads too."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from core import network
from core.app import App
from core.network import NasClient

RELOAD_SECONDS = 0.5
"""How old the list may be when a packet comes in: new, changed and removed routers count within two seconds."""


class Clients:
    """The routers as of at most half a second ago. Safe to share between threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._by_address: Mapping[str, NasClient] = {}
        self._loaded_at: float | None = None
        self._signing: set[int] = set()

    def current(self) -> Mapping[str, NasClient]:
        """Routers by address. Raises `SQLAlchemyError` when the list is too old and cannot be read."""
        with self._lock:
            if self._loaded_at is None or time.monotonic() - self._loaded_at > RELOAD_SECONDS:
                with self._app.look(None) as uow:
                    clients = network.nas_clients(uow)
                self._by_address = {client.address: client for client in clients}
                self._signing -= {client.router_id for client in clients if client.demands_message_authenticator}
                self._loaded_at = time.monotonic()
            return self._by_address

    def must_sign(self, client: NasClient) -> bool:
        """Whether this router has ever signed a request: the rows say so, or it happened a moment ago."""
        return client.demands_message_authenticator or client.router_id in self._signing

    def signs(self, client: NasClient) -> bool:
        """This router just proved that it signs. True the first time, when that has to be written down."""
        with self._lock:
            news = not self.must_sign(client)
            self._signing.add(client.router_id)
            return news

    def written_down(self) -> None:
        """The rows say it themselves now."""
        with self._lock:
            self._loaded_at = None
