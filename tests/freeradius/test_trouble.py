"""The database goes away, servers are killed: nobody unpaid gets in, and no accounting is lost."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from core import config, migrations
from core.db import make_engine
from tests import services
from tests.freeradius.house import MAC, SECRET, House, ask, login, open_house, report, within
from tests.freeradius_server import FreeRadius
from tests.services import PostgresServer

RETURN_SECONDS_MAX = 25.0
BOOKS_SECONDS_MAX = 30.0
"""How long a busy machine may take to bring what was answered into the books."""
ANSWER_SECONDS_MAX = 4.0
"""An answer that needs no database comes at once, also from a busy machine; one that waits for it would wait for ever."""


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that this test may stop."""
    with services.own_postgres_server() as server:
        yield server


@pytest.fixture
def house(postgres: PostgresServer, redis_url: str, secrets_key: Path) -> Iterator[House]:
    """The house on that PostgreSQL."""
    with services.postgres_database(postgres.url) as url:
        engine = make_engine(url)
        migrations.upgrade(engine)
        engine.dispose()
        settings = config.load(database={"url": url}, redis={"url": redis_url}, secrets={"key": f"file:{secrets_key}"})
        try:
            with open_house(settings) as opened:
                yield opened
        finally:
            if postgres.process is None:
                postgres.start()


def totals(house: House) -> dict[str, tuple[int, bool]]:
    """Session id → octets, and whether it has ended."""
    return {row.acctsessionid: (row.acctinputoctets, row.acctstoptime is not None) for row in house.sessions()}


def test_without_the_database_nobody_is_answered_and_accounting_is_kept_and_written_later(
    server: FreeRadius, house: House, postgres: PostgresServer
) -> None:
    house.pay()
    assert ask(server, login()) == "Access-Accept"
    assert ask(server, report("Start"), kind="acct") == "Accounting-Response"
    postgres.crash()
    assert ask(server, login(), seconds=0.5) == ""
    assert ask(server, login(password="guess"), seconds=0.5) == ""
    for octets in (1000, 2000):
        assert (
            ask(server, report("Interim-Update", "80000001", octets, octets // 10), kind="acct", seconds=5)
            == "Accounting-Response"
        )
    assert ask(server, report("Start", "80000002"), kind="acct") == "Accounting-Response"
    begun, told = time.monotonic(), time.time()
    assert ask(server, report("Stop", "80000001", 3000, 300), kind="acct") == "Accounting-Response"
    assert time.monotonic() - begun < ANSWER_SECONDS_MAX
    answered = time.time()
    postgres.start()
    within(RETURN_SECONDS_MAX, lambda: ask(server, login(), seconds=0.5) == "Access-Accept")
    within(
        RETURN_SECONDS_MAX,
        lambda: totals(house) == {"80000001": (3000, True), "80000002": (0, False)},
    )
    [first, _second] = house.sessions()
    assert int(told) <= first.acctstoptime.timestamp() <= answered, (
        "it ended when the router said so, not when it was booked"
    )
    assert first.framedipaddress is not None and str(first.callingstationid) == MAC
    assert house.log()[0] == "Access-Accept"
    assert not [line for line in house.log() if "Reject" in line]


def test_a_slow_database_does_not_time_routers_out_of_accounting(
    server: FreeRadius, house: House, postgres: PostgresServer
) -> None:
    house.pay()
    assert ask(server, report("Start"), kind="acct") == "Accounting-Response"
    with psycopg.connect(house.url.replace("+psycopg", "")) as blocker:
        blocker.execute("LOCK TABLE radius_report, radacct IN ACCESS EXCLUSIVE MODE")
        asked = report("Interim-Update", "80000001", 5000, 60)
        assert ask(server, asked, kind="acct", seconds=2) == "Accounting-Response"
        asked = report("Stop", "80000001", 6000, 70)
        assert ask(server, asked, kind="acct", seconds=2) == "Accounting-Response"
        blocker.rollback()
    within(RETURN_SECONDS_MAX, lambda: totals(house) == {"80000001": (6000, True)})


def test_reports_the_database_did_not_take_survive_kill_9_of_both(
    server: FreeRadius, house: House, postgres: PostgresServer
) -> None:
    assert ask(server, report("Start"), kind="acct") == "Accounting-Response"
    postgres.crash()
    numbers = range(10, 30)
    for number in numbers:
        asked = report("Stop", f"800000{number}", number, 60)
        assert ask(server, asked, kind="acct", seconds=5) == "Accounting-Response"
    server.kill()
    server.kill_collector()
    postgres.start()
    server.start()
    expected = {f"800000{number}": (number, True) for number in numbers} | {"80000001": (0, False)}
    within(RETURN_SECONDS_MAX + 60, lambda: totals(house) == expected)


def test_it_starts_while_the_database_is_away_and_keeps_accounting_of_the_routers_it_knew(
    server: FreeRadius, house: House, postgres: PostgresServer
) -> None:
    house.pay()
    within(30, lambda: (server.run_folder / "clients" / "127.0.0.1").exists())
    server.stop()
    postgres.crash()
    server.collector_command, collector = [], server.collector_command
    server.start()
    assert ask(server, report("Start"), kind="acct", seconds=5) == "Accounting-Response"
    assert ask(server, login(), seconds=0.5) == ""
    postgres.start()
    server.collector_command = collector
    server.start()
    within(RETURN_SECONDS_MAX, lambda: totals(house) == {"80000001": (0, False)})
    assert ask(server, login()) == "Access-Accept"


def test_of_two_servers_one_is_killed_and_nobody_notices(start: Callable[[str], FreeRadius], house: House) -> None:
    """A router has both in its list and asks the next one when it hears nothing (radius.md §1)."""
    first, second = start("first"), start("second")
    house.pay()

    def router(attributes: str, kind: str = "auth") -> str:
        for server in (first, second):
            if said := ask(server, attributes, kind=kind, seconds=0.3):
                return said
        return ""

    assert router(report("Start"), "acct") == "Accounting-Response"
    for octets in (1000, 2000):
        assert router(login()) == "Access-Accept"
        assert router(report("Interim-Update", "80000001", octets, 60), "acct") == "Accounting-Response"
    first.kill()
    for octets in (3000, 4000):
        assert router(login()) == "Access-Accept"
        assert router(report("Interim-Update", "80000001", octets, 60), "acct") == "Accounting-Response"
    assert router(login(password="guess")) == "Access-Reject"
    first.start()
    assert ask(first, login()) == "Access-Accept"
    assert router(report("Stop", "80000001", 5000, 90), "acct") == "Accounting-Response"
    within(BOOKS_SECONDS_MAX, lambda: totals(house) == {"80000001": (5000, True)})
    within(30, lambda: sorted(house.log()) == ["Access-Accept"] * 5 + ["Access-Reject (wrong_password)"])


def test_both_at_once_charge_a_session_once(start: Callable[[str], FreeRadius], house: House) -> None:
    first, second = start("first"), start("second")
    assert ask(first, report("Start"), kind="acct") == "Accounting-Response"
    for number, server in enumerate([first, second] * 5, start=1):
        asked = report("Interim-Update", "80000001", number * 100, number)
        assert ask(server, asked, kind="acct") == "Accounting-Response"
        assert ask(second if server is first else first, asked, kind="acct") == "Accounting-Response"
    within(BOOKS_SECONDS_MAX, lambda: totals(house) == {"80000001": (1000, False)})
    with house.rows() as rows:
        assert rows.exec_driver_sql("SELECT sum(input_bytes)::bigint FROM usage_day").scalar() == 1000


def test_a_report_that_makes_no_sense_is_not_answered_and_holds_up_nobody(server: FreeRadius, house: House) -> None:
    for nonsense in ('User-Name = "x"', "Acct-Status-Type = Start", 'Acct-Status-Type = Stop, User-Name = "x"'):
        assert ask(server, nonsense, kind="acct", seconds=0.3) == ""
    odd = report("Start", "80000009").replace(MAC, "caf\\351 'x' \\\"y\\\" \\\\ %{User-Name}")
    assert ask(server, odd, kind="acct") == "Accounting-Response"
    assert ask(server, report("Start"), kind="acct") == "Accounting-Response"
    within(BOOKS_SECONDS_MAX, lambda: len(house.sessions()) == 2)
    assert list((server.run_folder / "reports").iterdir()) == [], "the database took all of them"


def test_a_question_said_again_is_answered_when_the_database_is_back(
    server: FreeRadius, house: House, postgres: PostgresServer
) -> None:
    """A router sends the very same packet again and again; that it was not answered once may not count against it."""
    house.pay()
    assert ask(server, login()) == "Access-Accept"
    postgres.crash()
    with subprocess.Popen(
        ["radclient", "-x", "-r", "40", "-t", "0.5", f"127.0.0.1:{server.auth_port}", "auth", SECRET],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as asking:  # fmt: skip
        assert asking.stdin is not None and asking.stdout is not None
        asking.stdin.write(f"{login()}\n".encode())
        asking.stdin.close()
        time.sleep(0.7)
        postgres.start()
        back = time.monotonic()
        assert b"Received Access-Accept" in asking.stdout.read()
    assert time.monotonic() - back < 15
