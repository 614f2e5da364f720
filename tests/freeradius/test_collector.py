"""The collector by itself: on both databases, with a log that somebody else writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core import config
from radius.collector import Collector, read_line
from tests.freeradius.house import MAC, SECRET, House, open_house

AT = 1_795_000_000
ACCEPT = f"1|{AT}|127.0.0.1|Access-Accept||{MAC}|{MAC}|hotspot1|0x64756b613a37\n"


def reject(reason: str, at: int = AT, name: str = MAC) -> str:
    return f"1|{at}|127.0.0.1|Access-Reject|{reason}|{name}|{MAC}|hotspot1|\n"


@pytest.fixture
def shop(settings: config.Settings) -> Iterator[House]:
    """A house on each kind of database."""
    with open_house(settings) as opened:
        yield opened


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("run", "log"):
        (tmp_path / name).mkdir()
    return tmp_path / "run", tmp_path / "log"


def collector(shop: House, folders: tuple[Path, Path]) -> Collector:
    made = Collector(shop.app, *folders, server="one")
    made.routers_once()
    return made


def write(folders: tuple[Path, Path], words: str, name: str = "auth-2026112014.log") -> Path:
    path = folders[1] / name
    with path.open("a", encoding="utf-8") as file:
        file.write(words)
    return path


def test_a_line_becomes_a_row(shop: House, folders: tuple[Path, Path]) -> None:
    write(folders, ACCEPT + reject("forged") + ACCEPT.replace("||", "|redirect expired|", 1))
    collector(shop, folders).collect_once()
    with shop.rows() as rows:
        [first, second, third] = rows.execute(text("SELECT * FROM radpostauth ORDER BY id")).all()
    assert (first.username, first.reply, first.calledstationid, first.callingstationid) == (
        MAC,
        "Access-Accept",
        "hotspot1",
        MAC,
    )
    assert getattr(first, "pass") == ""
    assert getattr(first, "class") == "duka:7"
    assert second.reply == "Access-Reject (forged)"
    assert third.reply == "Access-Accept (redirect expired)"


def test_lines_are_read_once_however_often_it_starts(shop: House, folders: tuple[Path, Path]) -> None:
    write(folders, ACCEPT * 3)
    first = collector(shop, folders)
    first.collect_once()
    first.collect_once()
    write(folders, ACCEPT * 2)
    second = collector(shop, folders)
    second.collect_once()
    second.collect_once()
    assert len(shop.log()) == 5


def test_what_was_not_committed_is_read_again(shop: House, folders: tuple[Path, Path]) -> None:
    """Rows and place are one transaction: with the log table away, neither is written."""
    write(folders, ACCEPT * 3)
    with shop.rows() as rows:
        rows.execute(text("ALTER TABLE radpostauth RENAME TO away"))
    with pytest.raises(Exception, match="radpostauth"):
        collector(shop, folders).collect_once()
    with shop.rows() as rows:
        rows.execute(text("ALTER TABLE away RENAME TO radpostauth"))
        assert rows.execute(text("SELECT count(*) FROM radius_log_file")).scalar() == 0
    collector(shop, folders).collect_once()
    assert len(shop.log()) == 3


def test_half_a_line_waits_for_its_other_half(shop: House, folders: tuple[Path, Path]) -> None:
    reader = collector(shop, folders)
    write(folders, ACCEPT + ACCEPT[:30])
    reader.collect_once()
    assert len(shop.log()) == 1
    write(folders, ACCEPT[30:])
    reader.collect_once()
    assert len(shop.log()) == 2


def test_nonsense_is_passed_over(shop: House, folders: tuple[Path, Path]) -> None:
    write(folders, "nonsense\n2|x\n\n1|x|127.0.0.1|Access-Accept||a|b|c|\n" + ACCEPT)
    collector(shop, folders).collect_once()
    assert shop.log() == ["Access-Accept"]


def test_a_new_hour_is_a_new_file_and_the_old_one_goes_when_it_is_old(shop: House, folders: tuple[Path, Path]) -> None:
    reader = collector(shop, folders)
    old, new = write(folders, ACCEPT), write(folders, ACCEPT, "auth-2026112015.log")
    reader.collect_once()
    reader.collect_once()
    assert old.exists() and new.exists() and len(shop.log()) == 2
    long_ago = shop.app.clock.now().timestamp() - 4 * 3600
    os.utime(old, (long_ago, long_ago))
    reader.collect_once()
    assert not old.exists() and new.exists()
    with shop.rows() as rows:
        assert rows.execute(text("SELECT name FROM radius_log_file")).all() == [("auth-2026112015.log",)]
    unread = write(folders, ACCEPT, "auth-2026112010.log")
    os.utime(unread, (long_ago, long_ago))
    reader.collect_once()
    assert len(shop.log()) == 3, "old or not, it is read first"


def test_a_long_file_is_read_in_parts(shop: House, folders: tuple[Path, Path]) -> None:
    write(folders, ACCEPT * 6000)
    reader = collector(shop, folders)
    parts = 1
    while reader.collect_once():
        parts += 1
    assert parts > 1
    assert len(shop.log()) == 6000


def test_a_waiting_device_is_logged_once_in_ten_minutes_and_a_guesser_each_time_freeradius_says_so(
    shop: House, folders: tuple[Path, Path]
) -> None:
    for seconds in range(0, 1201, 30):
        write(folders, reject("not_paid", AT + seconds) + reject("forged", AT + seconds))
    collector(shop, folders).collect_once()
    assert shop.log().count("Access-Reject (not_paid)") == 3
    assert shop.log().count("Access-Reject (forged)") == 41


@pytest.mark.parametrize(
    ("reason", "waits"),
    [("not_paid", True), ("expired", True), ("data_used_up", True), ("suspended", True), ("outside_hours", True),
     ("forged", False), ("wrong_password", False), ("bad_mac_form", False), ("repeated_attribute", False), ("wrong_service", False)],
)  # fmt: skip
def test_who_waits_where(shop: House, folders: tuple[Path, Path], reason: str, waits: bool) -> None:
    write(folders, reject(reason) + ACCEPT.replace(MAC, "02:00:00:00:00:09") + reject(reason, name="juma"))
    collector(shop, folders).collect_once()
    with shop.rows() as rows:
        found = rows.execute(text("SELECT mac, router_id FROM sighting")).all()
    assert found == ([(MAC, shop.router_id)] if waits else [])


def test_names_of_further_isps_are_logged_as_the_tables_key_them(shop: House, folders: tuple[Path, Path]) -> None:
    with shop.rows() as rows:
        rows.execute(text("UPDATE radius_nas SET realm = 'lake'"))
    write(folders, ACCEPT)
    collector(shop, folders).collect_once()
    assert shop.log(f"{MAC}@lake") == ["Access-Accept"]


def test_odd_signs_are_read_as_they_were(folders: tuple[Path, Path]) -> None:
    line = f"1|{AT}|127.0.0.1|Access-Reject|unknown_name|a=7Cb=0Ac=3Dd|=C3=A9|caf=E9|\n"
    answer = read_line(line.encode())
    assert answer is not None
    assert (answer.username, answer.calling_station, answer.called_station) == ("a|b\nc=d", "é", "caf\ufffd")


def test_router_files_follow_the_table(shop: House, folders: tuple[Path, Path]) -> None:
    reader = collector(shop, folders)
    path = folders[0] / "clients" / "127.0.0.1"
    assert f"secret = '{SECRET}'" in path.read_text() and "require_message_authenticator = no" in path.read_text()
    before = path.stat().st_mtime_ns
    reader.routers_once()
    assert path.stat().st_mtime_ns == before, "an unchanged router's file is not touched"
    shop.add_router("six", "2001:db8::1", "two \"kinds\" of 'quotes'")
    reader.routers_once()
    six = folders[0] / "clients6" / "2001:db8::1"
    assert "ipv6addr = 2001:db8::1" in six.read_text() and r"""'two "kinds" of \'quotes\''""" in six.read_text()
    shop.remove_router(shop.router_id)
    reader.routers_once()
    assert not path.exists() and six.exists()
    (folders[0] / "clients" / "10.0.0.99").write_text("left over")
    collector(shop, folders)
    assert not (folders[0] / "clients" / "10.0.0.99").exists()
