"""Which routers are answered: by source address, from the rows that FreeRADIUS reads too."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

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
        self._by_address: dict[str, NasClient] = {}
        self._loaded_at: float | None = None
        self._signing: set[int] = set()

    def find(self, address: str) -> NasClient | None:
        """The router at this address. Raises `SQLAlchemyError` when the list is too old and cannot be read."""
        with self._lock:
            if self._loaded_at is None or time.monotonic() - self._loaded_at > RELOAD_SECONDS:
                with self._app.look(None) as uow:
                    self._by_address = {client.address: client for client in network.nas_clients(uow)}
                self._loaded_at = time.monotonic()
            found = self._by_address.get(address)
            if found is not None and found.router_id in self._signing:
                return replace(found, demands_message_authenticator=True)
            return found

    def signs(self, router_id: int) -> bool:
        """This router just proved that it signs. True the first time, when that has to be written down."""
        with self._lock:
            news = router_id not in self._signing
            self._signing.add(router_id)
            return news

    def written_down(self, router_id: int) -> None:
        """From now on the rows say so themselves."""
        with self._lock:
            self._signing.discard(router_id)
            self._loaded_at = None
