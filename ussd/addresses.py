"""Whose address is this? The secret in a callback's path names the tenant; the answer is kept for half a minute.

Nothing here can be timed for a part of a secret: both the table and the memory know only its SHA-256.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from core import tenants
from core.app import App

KEPT = timedelta(seconds=30)
KNOWN_MAX = 2000
STRANGE_MAX = 1000
"""Wrong secrets are remembered apart from right ones, so that guessing does not push those out."""


class Addresses:
    """The addresses this process was called at lately."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: dict[tuple[str, bytes], tuple[datetime, int]] = {}
        self._strange: dict[tuple[str, bytes], tuple[datetime, None]] = {}

    def tenant_of(self, door: str, secret: str) -> int | None:
        """The tenant that gave out this address of `door`; None for an invented one."""
        name = (door, hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest())
        now = self._app.clock.now()
        for remembered in (self._known.get(name), self._strange.get(name)):
            if remembered is not None and remembered[0] <= now < remembered[0] + KEPT:
                return remembered[1]
        with self._app.work(None) as uow:
            tenant_id = tenants.find_by_door(uow, door, secret)
        if tenant_id is None:
            if len(self._strange) >= STRANGE_MAX:
                self._strange.clear()
            self._strange[name] = (now, None)
        else:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[name] = (now, tenant_id)
        return tenant_id
