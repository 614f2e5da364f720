"""Is the shop open? Asked from outside, as a customer or a load balancer would: by its doors' own `/healthz`."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from sim.http import is_loopback

ASK_SECONDS = 3.0
ANSWER_SECONDS = 1.5
ANSWER_BYTES_MAX = 4096


class ShopHealth:
    """Asks the doors in the background, so that nobody who looks has to wait. `doors` gives name → any address there."""

    def __init__(self, doors: Callable[[], Mapping[str, str]]) -> None:
        self._doors = doors
        self._found: list[dict[str, Any]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="shop-health", daemon=True)

    def start(self) -> Self:
        """Begin to ask."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ask no more. Stopping what never began is fine."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def facts(self) -> list[dict[str, Any]]:
        """For each known door its name, whether it is well, and a word about it."""
        return self._found

    def _watch(self) -> None:
        while True:
            self._found = [_ask(name, address) for name, address in self._doors().items()]
            if self._stopping.wait(ASK_SECONDS):
                return


def _ask(name: str, address: str) -> dict[str, Any]:
    parts = urlsplit(address)
    if parts.scheme != "http" or not is_loopback(parts.hostname or ""):
        return {"name": name, "ok": None, "words": "not on this machine"}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = response.read(ANSWER_BYTES_MAX)
    except (OSError, http.client.HTTPException) as error:
        return {"name": name, "ok": False, "words": f"does not answer: {type(error).__name__}"}
    finally:
        connection.close()
    well = response.status == 200
    return {"name": name, "ok": well, "words": "open" if well else _trouble(body) or f"answers {response.status}"}


def _trouble(body: bytes) -> str:
    """What the door itself says is wrong, if it says so."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    trouble = said.get("trouble") if isinstance(said, dict) else None
    return trouble[:200] if isinstance(trouble, str) else ""
