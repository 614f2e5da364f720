"""`python -m bench.town`: the SMS company and the virtual routers in a process of their own, so that processor time is honest.

Orders come in as JSON lines on standard input, answers leave as JSON lines on standard output:
`start` → ports; `open` sets the hotspots up; `plug` brings devices into reach at given moments of the monotonic clock;
`online` → when each MAC address got its row in `/ip/hotspot/active` since the last time it was asked.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from sim.africastalking import AfricasTalking
from sim.routeros import VirtualRouter

ACTIVE = "/ip/hotspot/active"


class Town:
    """Everything outside the service that a purchase meets after it was paid."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._routers: list[VirtualRouter] = []
        self._online: list[tuple[str, float]] = []
        self._lock = threading.Lock()
        self._sms: AfricasTalking | None = None

    def start(self, routers: int, username: str, api_key: str, short_code: str) -> dict[str, Any]:
        """Open the company and plug the routers in, each at an address of its own."""
        self._sms = AfricasTalking()
        self._sms.start()
        self._stack.callback(self._sms.stop)
        self._sms.add_account(username, api_key)
        self._sms.add_short_code(short_code, username)
        for number in range(1, routers + 1):
            router = VirtualRouter(f"market{number}", username="duka", password="router-pass", host=f"127.0.1.{number}")
            self._routers.append(self._stack.enter_context(router))
            router.machine.tables[ACTIVE].listeners.append(self._note)
        places = [(router.host, router.api_port, router.coa_port) for router in self._routers]
        return {"sms_url": self._sms.base_url, "routers": places}

    def open(self, auth_port: int, acct_port: int, secrets: list[list[str]]) -> dict[str, Any]:
        """What administrators type: ask this RADIUS server."""
        for router, (secret, mac_password) in zip(self._routers, secrets, strict=True):
            router.set_up_hotspot("127.0.0.1", auth_port, acct_port, secret, mac_password)
        return {}

    def plug(self, when: list[tuple[float, int, str]]) -> dict[str, Any]:
        """Devices come into reach: `(moment, router, MAC)`, in the order of time; answered at once."""
        threading.Thread(target=self._plug, args=(when,), name="arrivals", daemon=True).start()
        return {}

    def _plug(self, when: list[tuple[float, int, str]]) -> None:
        for moment, router, mac in when:
            time.sleep(max(moment - time.monotonic(), 0))
            self._routers[router].plug_in(mac)

    def online(self) -> dict[str, Any]:
        """News of who got online."""
        with self._lock:
            news, self._online = self._online, []
        return {"online": news}

    def sent(self) -> dict[str, Any]:
        """How many texts the company took."""
        assert self._sms is not None
        return {"sent": self._sms.messaging.sent_count}

    def _note(self, _number: int, row: Mapping[str, str] | None) -> None:
        if row is not None and "mac-address" in row:
            with self._lock:
                self._online.append((row["mac-address"], time.monotonic()))


def main() -> int:
    """Obey until standard input ends."""
    with ExitStack() as stack:
        town = Town(stack)
        for line in sys.stdin:
            order = json.loads(line)
            answer = getattr(town, order.pop("do"))(**order)
            print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
