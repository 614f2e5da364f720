"""What the router reports about sessions: Start, Interim-Update, Stop, and its own boots (reference radius.md §2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.routeros.lines import RadiusServer
from sim.routeros.machine import Machine
from sim.routeros.packets import HIGH_WORD, Pairs, pairs
from sim.routeros.radius import AccountingRecord, RadiusClient
from sim.routeros.sessions import BYTES_PER_PACKET, CAUSE_NAMES, Session
from sim.routeros.values import parse_duration_ms

if TYPE_CHECKING:
    from sim.routeros.hosts import Host

STATUS_START, STATUS_STOP, STATUS_INTERIM, STATUS_ON, STATUS_OFF = 1, 2, 3, 7, 8
STATUS_NAMES = {1: "Start", 2: "Stop", 3: "Interim-Update", 7: "Accounting-On", 8: "Accounting-Off"}
PORT_TYPES = {"ethernet": 15, "cable": 17, "wireless-802.11": 19}
AUTHENTIC_RADIUS = 1
CAUSE_NAS_REBOOT = 11


def radius_servers(machine: Machine, default_source: str, service: str = "") -> list[RadiusServer]:
    """The enabled rows of `/radius` that serve this service (any, when none is named), in their order."""
    found = []
    with machine.lock:
        table = machine.tables["/radius"]
        for number in table.records:
            if table.get(number, "disabled") == "true" or table.get(number, "protocol") != "udp":
                continue
            if service and service not in table.get(number, "service").split(","):
                continue
            address = table.get(number, "address")
            source = table.get(number, "src-address") or (default_source if address.startswith("127.") else "")
            found.append(
                RadiusServer(
                    number=number,
                    address=address,
                    authentication_port=int(table.get(number, "authentication-port")),
                    accounting_port=int(table.get(number, "accounting-port")),
                    secret=table.get(number, "secret").encode(),
                    timeout_seconds=parse_duration_ms(table.get(number, "timeout")) / 1000,
                    signed=table.get(number, "require-message-auth") != "no",
                    source=source,
                )
            )
    return found


def who_and_where(machine: Machine, host: Host, user: str, session_id: str, port: int, port_type: str) -> Pairs:
    """The attributes login questions and usage reports of the hotspot have in common."""
    return pairs(
        [
            ("User-Name", user),
            ("NAS-Identifier", machine.identity),
            ("NAS-Port", port),
            ("NAS-Port-Type", PORT_TYPES.get(port_type, 19)),
            ("NAS-Port-Id", host.interface),
            ("Calling-Station-Id", host.mac),
            ("Called-Station-Id", host.server),
            ("Acct-Session-Id", session_id),
            ("Framed-IP-Address", host.to_address),
            ("Mikrotik-Host-IP", host.address),
        ]
    )


class Reporter:
    """Writes the reports and hands them to the client, which repeats them until they are confirmed."""

    def __init__(self, machine: Machine, client: RadiusClient) -> None:
        self._machine = machine
        self._client = client

    def start(self, session: Session, identity: Pairs) -> None:
        self._report(session, STATUS_START, identity, [])

    def interim(self, session: Session, identity: Pairs) -> None:
        self._report(session, STATUS_INTERIM, identity, self._usage(session))

    def stop(self, session: Session, identity: Pairs, cause: int) -> None:
        more = [*self._usage(session), *pairs([("Acct-Terminate-Cause", cause)])]
        self._report(session, STATUS_STOP, identity, more)
        self._log(STATUS_STOP, session.user, CAUSE_NAMES.get(cause, str(cause)))

    def boot(self, *, on: bool) -> None:
        """Tell the server that all our sessions are over because we come up, or go down on purpose."""
        status = STATUS_ON if on else STATUS_OFF
        values: list[tuple[str, str | int | bytes]] = [
            ("Acct-Status-Type", status),
            ("NAS-Identifier", self._machine.identity),
            ("Acct-Session-Id", f"80{self._machine.boot_number & 0xFF:02x}0000"),
            ("Event-Timestamp", int(self._machine.shown_time().timestamp())),
        ]
        if not on:
            values.append(("Acct-Terminate-Cause", CAUSE_NAS_REBOOT))
        self._log(status, "", "")
        self._client.account(AccountingRecord(pairs(values), self._machine.seconds(), None))

    def _report(self, session: Session, status: int, identity: Pairs, more: Pairs) -> None:
        if not session.reported:
            return
        machine = self._machine
        attributes = [
            *identity,
            *pairs(
                [
                    ("Acct-Status-Type", status),
                    ("Acct-Authentic", AUTHENTIC_RADIUS),
                    ("Event-Timestamp", int(machine.shown_time().timestamp())),
                ]
            ),
            *pairs(("Class", value) for value in session.grant.classes),
            *more,
        ]
        if status != STATUS_STOP:
            self._log(status, session.user, "")
        self._client.account(AccountingRecord(attributes, machine.seconds(), session.server_number))

    def _log(self, status: int, user: str, reason: str) -> None:
        self._machine.radius_log.append(("accounting", STATUS_NAMES[status], user, reason))

    def _usage(self, session: Session) -> Pairs:
        """Totals since the session began, each with the half that does not fit into 32 bits."""
        seconds = int(self._machine.seconds() - session.started_at)
        return pairs(
            [
                ("Acct-Session-Time", seconds),
                ("Acct-Input-Octets", session.bytes_in % HIGH_WORD),
                ("Acct-Input-Gigawords", session.bytes_in // HIGH_WORD),
                ("Acct-Output-Octets", session.bytes_out % HIGH_WORD),
                ("Acct-Output-Gigawords", session.bytes_out // HIGH_WORD),
                ("Acct-Input-Packets", session.bytes_in // BYTES_PER_PACKET),
                ("Acct-Output-Packets", session.bytes_out // BYTES_PER_PACKET),
            ]
        )
