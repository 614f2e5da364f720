"""L2TP lines from the router to our server, for boxes without WireGuard (reference routeros.md §1.5).

As with WireGuard nothing is encrypted here: what is checked is whether the client's row and the server's accounts fit.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from sim.routeros import interfaces
from sim.routeros.machine import Machine
from sim.routeros.uplink import ADDRESSES, Uplink

CLIENTS = "/interface/l2tp-client"


@dataclass(frozen=True)
class Account:
    """Who may dial in, and the address he gets."""

    password: str = field(repr=False)
    address: str


@dataclass
class Concentrator:
    """Our server as L2TP clients meet it. With an `ipsec_secret` it takes only clients that use it."""

    endpoint: str
    address: str
    accounts: dict[str, Account] = field(default_factory=dict)
    ipsec_secret: str = field(default="", repr=False)

    @classmethod
    def from_secrets(cls, text: str, endpoint: str, address: str, ipsec_secret: str = "") -> Concentrator:
        """Lines of `/etc/ppp/chap-secrets`: client, server, secret, address. Raises ValueError for a line that is none."""
        accounts = {}
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if len(words) != 4:
                raise ValueError("a line has four words: client, server, secret, address")
            accounts[words[0]] = Account(words[2], words[3])
        return cls(endpoint, address, accounts, ipsec_secret)


class DialledLines:
    """The L2TP clients of one router, each up or down. Call everything under the lock."""

    def __init__(self, machine: Machine, uplink: Uplink) -> None:
        self._machine = machine
        self._uplink = uplink
        self.concentrators: list[Concentrator] = []

    def addresses(self) -> list[tuple[str, str, str]]:
        """Under which address and by which interface our server reaches this router now, and the server's own address."""
        return [(account.address, name, server.address) for name, account, server in self._up()]

    def _up(self) -> list[tuple[str, Account, Concentrator]]:
        clients = self._machine.tables[CLIENTS]
        found = []
        for number in clients.records if self._uplink.works else ():
            name = clients.get(number, "name")
            for server in self.concentrators:
                account = server.accounts.get(clients.get(number, "user"))
                if account is not None and self._fits(number, server, account) and self._is_on(name):
                    found.append((name, account, server))
        return found

    def _is_on(self, name: str) -> bool:
        return interfaces.is_enabled(self._machine, name)

    def _fits(self, number: int, server: Concentrator, account: Account) -> bool:
        clients = self._machine.tables[CLIENTS]
        secret = clients.get(number, "ipsec-secret") if clients.get(number, "use-ipsec") in ("yes", "true") else ""
        return (
            clients.get(number, "disabled") != "true"
            and clients.get(number, "connect-to") == server.endpoint
            and clients.get(number, "password") == account.password
            and secret == server.ipsec_secret
        )

    def show(self) -> None:
        """A line that is up has an address on its interface, and says that it runs."""
        clients, addresses, up = self._machine.tables[CLIENTS], self._machine.tables[ADDRESSES], self._up()
        wanted = {name: (account.address, server.address) for name, account, server in up}
        for number in list(clients.records):
            running = "true" if clients.get(number, "name") in wanted else "false"
            if clients.get(number, "running") != running:
                clients.change(number, {"running": running})
        names = {clients.get(number, "name") for number in clients.records}
        for number in list(addresses.records):
            name = addresses.get(number, "interface")
            if addresses.get(number, "dynamic") == "true" and name in names and name not in wanted:
                addresses.remove(number)
        for name, (address, network) in wanted.items():
            if addresses.find("address", f"{address}/32") is None:
                row = {"address": f"{address}/32", "network": network, "interface": name}
                addresses.add({**row, "actual-interface": name, "dynamic": "true"})
