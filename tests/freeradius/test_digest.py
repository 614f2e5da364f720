"""Reports that FreeRADIUS wrote down, brought into the books: on both databases, with lines that the tests write."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import config, heartbeats, network
from core.app import open_app
from radius.collector import BEAT_SECONDS, Collector
from radius.digest import ATTRIBUTES, ROWS_MAX, Digest
from tests import freeradius_reports as reports
from tests.freeradius.house import MAC, House, open_house
from tests.freeradius_server import CONFIG
from tests.parity import wire
from tests.parity.stories import INTERIM, ON, START, STOP

ROUTER = "127.0.0.1"


@pytest.fixture
def shop(settings: config.Settings) -> Iterator[House]:
    """A house on each kind of database."""
    with open_house(settings) as opened:
        yield opened
        if opened.app.engine.dialect.name == "postgresql":  # the next test has the same tables
            with opened.rows() as rows:
                rows.execute(text("ALTER TABLE radacct DROP CONSTRAINT IF EXISTS poison"))


def digest(shop: House, folder: Path, server: str = "one") -> Digest:
    return Digest(shop.app, folder, server, lambda _: None)


def said(shop: House, kind: int, session: str = "a", up: int = 0, ago: float = 0.0, **more: wire.Value) -> str:
    """The line about a report of the market's router, heard so many seconds ago."""
    attributes: list[wire.Attribute] = [
        ("Acct-Status-Type", kind), ("User-Name", more.pop("user", MAC)), ("Calling-Station-Id", MAC),
        ("Acct-Session-Id", session), ("Acct-Input-Octets", up), *((k.replace("_", "-"), v) for k, v in more.items()),
    ]  # fmt: skip
    packet = wire.request(wire.ACCOUNTING_REQUEST, attributes, b"x", signed=False)
    return reports.line(packet, ROUTER, shop.app.clock.now() - timedelta(seconds=ago))


def known(shop: House) -> dict[str, tuple[int, str | None]]:
    """Session → octets, and how it ended."""
    return {row.acctsessionid: (row.acctinputoctets, row.acctterminatecause or None) for row in shop.sessions()}


def charged(shop: House) -> int:
    with shop.rows() as rows:
        return int(rows.execute(text("SELECT coalesce(sum(input_bytes), 0) FROM usage_day")).scalar_one())


def waiting(shop: House) -> int:
    with shop.rows() as rows:
        return int(rows.execute(text("SELECT count(*) FROM radius_report")).scalar_one())


def test_freeradius_writes_the_attributes_in_the_order_in_which_they_are_read() -> None:
    config_text = (CONFIG / "mods-enabled" / "reports").read_text()
    [line] = re.findall(r'format = "(.*)"', config_text)
    assert tuple(re.findall(r"%\{hex:([A-Za-z-]+)\}", line)) == ATTRIBUTES


def test_what_was_heard_earlier_counts_earlier_wherever_it_was_written(shop: House, tmp_path: Path) -> None:
    """The router boots between two sessions: the beginning of the second may be a row that is older than the file's line."""
    reports.insert_rows(shop.app.engine, said(shop, START, "new", ago=1), said(shop, ON, ago=2))
    reports.write(tmp_path, said(shop, INTERIM, "old", 500, ago=3, Acct_Session_Time=60))
    digest(shop, tmp_path).once()
    assert known(shop) == {"old": (500, "NAS-Reboot"), "new": (0, None)}


def test_reports_count_once_however_often_a_collector_starts(shop: House, tmp_path: Path) -> None:
    reports.insert_rows(shop.app.engine, said(shop, START, ago=9))
    for up in (100, 200, 300):
        reports.write(tmp_path, said(shop, INTERIM, up=up, ago=5))
        readers = [digest(shop, tmp_path) for _ in range(2)]
        for reader in readers:
            reader.once()
        assert [reader.digested for reader in readers] == [2 if up == 100 else 1, 0]
        assert (known(shop), charged(shop), waiting(shop)) == ({"a": (up, None)}, up, 0)


def test_what_was_not_committed_waits_where_it_was(shop: House, tmp_path: Path) -> None:
    reports.insert_rows(shop.app.engine, said(shop, START, ago=9))
    reports.write(tmp_path, said(shop, INTERIM, up=700, ago=5))
    reader = digest(shop, tmp_path)
    with shop.rows() as rows:
        rows.execute(text("ALTER TABLE usage_day RENAME TO away"))
    for _ in range(3):
        with pytest.raises(DBAPIError):
            reader.once()
    assert (known(shop), waiting(shop)) == ({}, 1)
    assert not (tmp_path / "reports" / "refused.log").exists()
    with shop.rows() as rows:
        rows.execute(text("ALTER TABLE away RENAME TO usage_day"))
    reader.once()
    assert (known(shop), charged(shop), waiting(shop)) == ({"a": (700, None)}, 700, 0)


def test_a_long_absence_is_made_up_for_in_parts(shop: House, tmp_path: Path) -> None:
    for minute in range(3):
        lines = [said(shop, INTERIM, f"s{minute}-{n}", 10, ago=600 - n / 100) for n in range(1500)]
        reports.write(tmp_path, *lines, name=f"reports-20261120150{minute}.log")
    with shop.app.engine.begin() as connection:
        rows = [{"line": said(shop, START, f"r{n}", ago=30)} for n in range(ROWS_MAX + 1)]
        connection.execute(text("INSERT INTO radius_report (line) VALUES (:line)"), rows)
    reader = digest(shop, tmp_path)
    groups = [reader.digested]
    while reader.once():
        groups.append(reader.digested)
    groups.append(reader.digested)
    assert groups[-1] == 4500 + ROWS_MAX + 1 == len(known(shop))
    assert len(groups) >= 3
    assert max(after - before for before, after in pairwise(groups)) <= 2 * ROWS_MAX + 500


def test_a_report_that_cannot_be_recorded_is_put_aside_and_stops_no_other(shop: House, tmp_path: Path) -> None:
    refuse(shop, "poison")
    good = {f"s{n}": (n, None) for n in range(1, 7)}
    reports.insert_rows(
        shop.app.engine,
        said(shop, INTERIM, "s1", 1, ago=9), said(shop, START, "bad", user="poison", ago=9), said(shop, INTERIM, "s2", 2, ago=9),
    )  # fmt: skip
    poisoned = said(shop, INTERIM, "worse", user="poison", ago=5)
    reports.write(tmp_path, *(said(shop, INTERIM, f"s{n}", n, ago=6) for n in (3, 4)), poisoned)
    reports.write(tmp_path, *(said(shop, INTERIM, f"s{n}", n, ago=6) for n in (5, 6)))
    reader = digest(shop, tmp_path)
    while reader.once():
        pass
    assert (known(shop), waiting(shop)) == (good, 0)
    refused = (tmp_path / "reports" / "refused.log").read_text().splitlines()
    assert len(refused) == 2 and refused[1] == poisoned
    reports.write(tmp_path, said(shop, INTERIM, "s6", 60, ago=1))
    assert not reader.once(), "afterwards it goes on in groups"
    assert known(shop) == good | {"s6": (60, None)}


def refuse(shop: House, name: str) -> None:
    """The table of sessions refuses this name."""
    with shop.rows() as rows:
        if shop.app.engine.dialect.name == "postgresql":
            rows.execute(text(f"ALTER TABLE radacct ADD CONSTRAINT poison CHECK (username <> '{name}')"))
        else:
            rows.execute(
                text(
                    f"CREATE TRIGGER refuses BEFORE INSERT ON radacct WHEN new.username = '{name}'"
                    " BEGIN SELECT raise(ABORT, 'refused'); END"
                )
            )


def test_nonsense_is_passed_over(shop: House, tmp_path: Path) -> None:
    nonsense = [
        "", "nonsense", "2|" + said(shop, START)[2:], said(shop, START) + "|", "1|x|127.0.0.1" + "|" * 16,
        said(shop, START).replace("|00000001|", "|0001|"), said(shop, START).replace("|00000001|", "|xx|"),
        "1|99999999999999999999.000000|127.0.0.1" + "|00000001" * 16, said(shop, START, session=" "),
    ]  # fmt: skip
    reports.write(tmp_path, *nonsense, said(shop, INTERIM, "good", 5))
    digest(shop, tmp_path).once()
    assert known(shop) == {"good": (5, None)}


def test_of_a_router_that_is_not_registered_nothing_is_known(shop: House, tmp_path: Path) -> None:
    reports.write(tmp_path, said(shop, INTERIM, "a", 5).replace(ROUTER, "127.0.0.9"))
    digest(shop, tmp_path).once()
    assert known(shop) == {}


@pytest.mark.parametrize(("days", "believed"), [(-1, 0), (3, 3), (45, 30)])
def test_whatever_a_clock_said_meanwhile_nothing_is_heard_after_now_nor_too_long_ago(
    shop: House, tmp_path: Path, days: int, believed: int
) -> None:
    reports.write(tmp_path, said(shop, INTERIM, "a", 5, ago=days * 86_400.0))
    now = shop.app.clock.now()
    digest(shop, tmp_path).once()
    heard = moment(shop.sessions()[0].acctupdatetime)
    assert abs(heard - (now - timedelta(days=believed))) < timedelta(seconds=10)


def moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(f"{value}+00:00")


def test_two_collectors_on_one_table_count_every_report_once(
    shop: House, tmp_path: Path, settings: config.Settings
) -> None:
    """Each FreeRADIUS has its own files, all of them the same table; sessions begin at one and go on at the other."""
    sessions = {f"s{n}": (1000, "User-Request") for n in range(400)}
    for server in ("one", "two"):
        for name in sessions:
            reports.write(
                tmp_path / server, said(shop, INTERIM, name, 600, ago=5), said(shop, INTERIM, name, 900, ago=4)
            )
    with shop.app.engine.begin() as connection:
        for kind, up, ago in ((START, 0, 9), (STOP, 1000, 1)):
            rows = [
                {"line": said(shop, kind, name, up, ago, Acct_Terminate_Cause=1)} for name in sessions for _ in "ab"
            ]
            connection.execute(text("INSERT INTO radius_report (line) VALUES (:line)"), rows)
    failures: list[BaseException] = []

    def collect(server: str) -> None:
        app = open_app(settings)
        reader = Digest(app, tmp_path / server, server, lambda _: None)
        try:
            for _ in range(3):
                while reader.once():
                    pass
        except Exception as error:  # noqa: BLE001 (whatever it is, the assertion below shows it)
            failures.append(error)
        finally:
            app.close()

    threads = [threading.Thread(target=collect, args=(server,)) for server in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (known(shop), waiting(shop)) == (sessions, 0)
    assert charged(shop) == 400_000


def test_a_collector_that_falls_silent_is_missed_and_one_that_was_stopped_is_not(shop: House, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    collector = Collector(shop.app, tmp_path, tmp_path / "log", server="one")
    collector.digest_once()
    assert missed(shop, seconds=BEAT_SECONDS) == []
    [name] = missed(shop, seconds=10 * BEAT_SECONDS)
    assert name.startswith("collector ")
    collector.stop()
    collector.run()
    assert missed(shop, seconds=10 * BEAT_SECONDS) == []


def missed(shop: House, seconds: int) -> list[str]:
    """Which collectors would be missed so much later."""
    with shop.app.look(None) as uow:
        silent = heartbeats.silent(uow.session, uow.now + timedelta(seconds=seconds))
    return [name for name in silent if name != heartbeats.LEADER]


def test_reports_that_nobody_takes_are_seen(shop: House) -> None:
    with shop.app.look(None) as uow:
        assert network.oldest_report(uow) is None
    reports.insert_rows(shop.app.engine, said(shop, START))
    with shop.app.look(None) as uow:
        oldest = network.oldest_report(uow)
        assert oldest is not None and abs(uow.now - oldest) < timedelta(minutes=1)
