"""What FreeRADIUS writes down about reports, told by real packets: octet for octet what the embedded server reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core import network
from core.radius_tables import radius_report
from radius.accounting import read_event
from radius.digest import read_report
from radius.packet import Dropped, decode
from tests.freeradius.house import SECRET, House, ask, report, within
from tests.freeradius_server import FreeRadius
from tests.parity import wire
from tests.parity.stories import INTERIM, ON, START, STOP

NAMES = ("User-Name", "Acct-Session-Id", "Calling-Station-Id", "Called-Station-Id", "NAS-Port-Id", "Class")
ODD: tuple[wire.Value, ...] = (
    "a|b", "x\n1|1795192431.000001|127.0.0.1|00000003|61", "%{User-Name}", "'; DROP TABLE radacct; --", "\\\"$(id)`",
    b"caf\xe9", "café", b"\x00\x01zero", b"\xff" * 253, "0" * 253, "duka:7", "=41", " ", "\u202e",
)  # fmt: skip
NUMBERS = (
    "Acct-Session-Time",
    "Acct-Input-Octets",
    "Acct-Input-Gigawords",
    "Acct-Output-Octets",
    "Acct-Output-Gigawords",
)

Packet = list[wire.Attribute]


def packets() -> list[Packet]:
    made: list[Packet] = []
    for kind in (INTERIM, START, STOP):
        plain: Packet = [("Acct-Status-Type", kind), ("Acct-Session-Id", "s"), ("User-Name", "u")]
        made += [
            plain,
            [*plain, ("Framed-IP-Address", "10.5.50.9"), ("NAS-Port-Type", 19), ("Acct-Terminate-Cause", 2)],
        ]
        made.append([*plain, ("NAS-Port-Type", 4711), ("Acct-Terminate-Cause", 99), ("Acct-Delay-Time", 2**32 - 1)])
        made.append([*plain, *((name, 2**32 - 1) for name in NUMBERS)])
        made.append([*plain, *((name, 2**31 + 7) for name in NUMBERS[:2]), ("Class", "first"), ("Class", "second")])
        made += [[("Acct-Status-Type", kind), *((name, odd) for name in NAMES)] for odd in ODD]
    return [*made, [("Acct-Status-Type", ON)], [("Acct-Status-Type", ON), ("Acct-Delay-Time", 60)]]


@pytest.fixture
def alone(start: Callable[..., FreeRadius], house: House) -> FreeRadius:
    """A FreeRADIUS that knows its routers and whose collector is dead: what it writes stays where it is."""
    server = start("first")
    within(30, lambda: ask(server, report("Start", "80000001"), kind="acct"))
    within(30, lambda: house.sessions())
    server.kill_collector()
    return server


def tell(server: FreeRadius, attributes: Packet) -> bytes:
    """The packet; it is answered."""
    raw = wire.request(wire.ACCOUNTING_REQUEST, attributes, SECRET.encode(), signed=False)
    with wire.bound("127.0.0.1") as own:
        assert wire.ask(own, server.acct_port, raw, SECRET.encode(), 5.0, 1.0) is not None, attributes
    return raw


def written(server: FreeRadius, house: House) -> tuple[list[bytes], list[bytes]]:
    """The lines of the files, and those of the table."""
    files = sorted((server.run_folder / "reports").glob("reports-*.log"))
    with house.rows() as rows:
        found = rows.execute(select(radius_report.c.line).order_by(radius_report.c.id)).scalars()
        return [line for file in files for line in file.read_bytes().splitlines()], [line.encode() for line in found]


def test_every_packet_is_written_down_as_the_embedded_server_reads_it(alone: FreeRadius, house: House) -> None:
    """Interim updates stand in the file, everything else in the table, in the order in which it was told."""
    with house.app.look(None) as uow:
        [client] = network.nas_clients(uow)
    told: dict[bool, list[tuple[bytes, datetime]]] = {True: [], False: []}
    for attributes in packets():
        heard = datetime.now(UTC)
        told[dict(attributes)["Acct-Status-Type"] == INTERIM].append((tell(alone, attributes), heard))
    for packet_moments, lines in zip((told[True], told[False]), written(alone, house), strict=True):
        assert len(lines) == len(packet_moments)
        for (raw, heard), line in zip(packet_moments, lines, strict=True):
            now = datetime.now(UTC)
            try:
                ours = read_event(decode(raw), client, heard)
            except Dropped:
                with pytest.raises(Dropped):
                    read_report(line, lambda _: client, now)
                continue
            moment, theirs = read_report(line, lambda _: client, now)
            assert abs(moment - heard) < timedelta(seconds=2)
            assert ours is not None and theirs is not None
            assert abs(ours.at - theirs.at) < timedelta(seconds=3)
            assert theirs._replace(at=ours.at) == ours, raw


def test_without_the_table_everything_goes_into_the_file(alone: FreeRadius, house: House) -> None:
    with house.rows() as rows:
        rows.exec_driver_sql("ALTER TABLE radius_report RENAME TO away")
    for attributes in packets():
        tell(alone, attributes)
    with house.rows() as rows:
        rows.exec_driver_sql("ALTER TABLE away RENAME TO radius_report")
    lines, none = written(alone, house)
    assert (len(lines), none) == (len(packets()), [])


def test_when_nothing_can_be_written_nothing_is_answered(alone: FreeRadius, house: House) -> None:
    folder = alone.run_folder / "reports"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("no folder")
    assert ask(alone, report("Interim-Update", "80000001", 5), kind="acct", seconds=0.5) == ""
    assert ask(alone, report("Stop", "80000001", 6), kind="acct") == "Accounting-Response", "the database took it"
    folder.unlink()
    folder.mkdir()
    assert ask(alone, report("Interim-Update", "80000001", 5), kind="acct") == "Accounting-Response"
