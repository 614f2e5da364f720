"""The same report at both servers in the same moment: a router that lost patience, or a path that doubles packets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

from sqlalchemy import select

from core.radius_tables import radacct
from core.subscriptions.models import Subscription
from tests.parity import wire
from tests.parity.servers import SERVERS
from tests.parity.stories import Report, Story, interim, start, stop
from tests.parity.telling import as_case, packet
from tests.parity.world import World
from tests.services import eventually

ROUNDS, LINES = 160, 16
FIRST = 300
PACKETS: tuple[Report, ...] = (start(), interim(100, 900), interim(200, 1800), stop(300, 2700))


def test_a_report_at_both_servers_at_once_counts_once(worlds: Callable[[str], World], both: str) -> None:
    world = worlds(both)
    world.forget()
    cases = [as_case(Story(f"round {number}", PACKETS, ()), FIRST + number) for number in range(ROUNDS)]
    with ExitStack() as stack:
        servers = [stack.enter_context(server(world)) for server in SERVERS.values()]
        for server in servers:
            world.greet(server, accounting=True)
        for case in cases:
            world.write(case, datetime.now(UTC))
        with ThreadPoolExecutor(LINES) as lines:
            ports = [server.acct_port for server in servers]
            list(lines.map(lambda case: _tell_all_at_once(case_packets(case), ports), cases))

        def books() -> tuple[dict[str, list[tuple[int, int, str]]], set[int]]:
            known: dict[str, list[tuple[int, int, str]]] = {}
            with world.app.engine.connect() as connection:
                for row in connection.execute(select(radacct)):
                    totals = (row.acctinputoctets, row.acctoutputoctets, row.acctterminatecause)
                    known.setdefault(row.acctsessionid, []).append(totals)
                ids = [case.subscription_id for case in cases]
                used = select(Subscription.used_bytes).where(Subscription.id.in_(ids))
                return known, set(connection.execute(used).scalars())

        wanted = {f"{case.number:04x}a": [(300, 2700, "User-Request")] for case in cases}
        try:
            eventually(lambda: books() == (wanted, {3000}))
        except AssertionError:
            known, charged = books()
            assert known == wanted
            assert charged == {3000}
            raise


def case_packets(case: object) -> list[tuple[bytes, bytes]]:
    """The reports of one session."""
    return [packet(case, report) for report in PACKETS]  # type: ignore[arg-type]


def _tell_all_at_once(packets: list[tuple[bytes, bytes]], ports: list[int]) -> None:
    with wire.bound("127.0.0.1") as own:
        for raw, secret in packets:
            own.settimeout(10)
            for port in ports:
                own.sendto(raw, ("127.0.0.1", port))
            for _ in ports:
                assert wire.understand(own.recv(4096), raw, secret).code == "Accounting-Response"
