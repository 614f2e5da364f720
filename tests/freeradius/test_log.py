"""The log of answers: everything in it once, no password anywhere."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from tests.freeradius.house import MAC, MAC_PASSWORD, OTHER_MAC, SECRET, House, ask, login, ppp, report, within
from tests.freeradius_server import FreeRadius

PASSWORD, GUESS = "k3tchup-4-two", "a-guess-nobody-makes"


def written(server: FreeRadius) -> dict[Path, str]:
    """Everything the server has written so far."""
    return {path: path.read_text(errors="replace") for path in server.folder.rglob("*") if path.is_file()}


def test_no_password_is_in_any_log_nor_in_the_tables(server: FreeRadius, house: House) -> None:
    house.pay()
    house.pay("juma", "ppp", PASSWORD)
    for attributes in (
        login(), login(kind="CHAP-Password"), login(password=GUESS), login(password=GUESS, kind="CHAP-Password"),
        ppp("juma", PASSWORD), ppp("juma", PASSWORD, "CHAP-Password"), ppp("juma", GUESS), ppp("nobody", GUESS),
        ppp("juma", PASSWORD, "MS-CHAP-Password"), login("Bad Name", GUESS), login(MAC.replace(":", "-"), GUESS),
    ):  # fmt: skip
        assert ask(server, attributes)
    ask(server, report("Start", "80000001", 0, 0, f'User-Password = "{GUESS}"'), kind="acct")
    ask(server, login(), secret="not-the-secret", seconds=0.2)
    within(30, lambda: len(house.log()) >= 10)  # one of them says the same again
    for path, text in written(server).items():
        for word in (PASSWORD, GUESS, MAC_PASSWORD, SECRET, "not-the-secret"):
            if path.parent.name == "clients":  # what a router has in common with us is there, and nowhere else
                assert word in (SECRET, MAC_PASSWORD) or word not in text, path
            else:
                assert word not in text, path
    with house.rows() as rows:
        log = str(rows.exec_driver_sql("SELECT * FROM radpostauth").all())
    assert not [word for word in (PASSWORD, GUESS, MAC_PASSWORD, SECRET) if word in log]


def test_the_databases_password_is_in_no_log(server: FreeRadius) -> None:
    server.stop()
    server.environment["DUKA_FREERADIUS_PASSWORD"] = "the-databases-own"
    server.start()
    assert server.answers_status()
    assert not [path for path, text in written(server).items() if "the-databases-own" in text]


def test_a_name_cannot_forge_a_line(server: FreeRadius, house: House) -> None:
    house.pay()
    name = r"x\n1|1700000000|127.0.0.1|Access-Accept||root|||"
    assert ask(server, login(name, "x")) == "Access-Reject"
    assert ask(server, login()) == "Access-Accept"
    within(30, lambda: len(house.log()) == 2)
    assert house.log() == ["Access-Reject (unknown_name)", "Access-Accept"]
    assert house.log("root") == []


def test_a_place_cannot_forge_a_line(server: FreeRadius, house: House) -> None:
    """Nor where a plain one follows: the first of two counts."""
    house.pay()
    forged = r'Called-Station-Id = "x\n1|1700000000|127.0.0.1|Access-Accept||root|||"'
    plain = 'Called-Station-Id = "hotspot1"'
    assert ask(server, login(MAC, MAC_PASSWORD, forged)) == "Access-Accept"
    assert ask(server, login(MAC, MAC_PASSWORD, plain)) == "Access-Accept"
    assert ask(server, login(MAC, MAC_PASSWORD, forged, plain)) == "Access-Reject"
    within(30, lambda: len(house.log()) >= 3)
    with house.rows() as rows:
        found = rows.exec_driver_sql("SELECT username, reply, calledstationid FROM radpostauth ORDER BY id").all()
    odd = "x 1|1700000000|127.0.0.1|Access-Accept||root|||"
    assert [tuple(row) for row in found] == [
        (MAC, "Access-Accept", odd),
        (MAC, "Access-Accept", "hotspot1"),
        (MAC, "Access-Reject (repeated_attribute)", odd),
    ]


def test_the_same_reject_is_logged_once_in_half_a_minute_and_others_are_not_held_back(
    server: FreeRadius, house: House
) -> None:
    for _ in range(20):
        assert ask(server, login()) == "Access-Reject"
        assert ask(server, login(password="guess")) == "Access-Reject"
    assert ask(server, login().replace(MAC, OTHER_MAC)) == "Access-Reject"
    house.pay()
    for _ in range(3):
        assert ask(server, login()) == "Access-Accept"
    within(30, lambda: len(house.log()) >= 6)
    time.sleep(0.5)
    assert sorted(house.log(MAC)) == ["Access-Accept"] * 3 + [
        "Access-Reject (not_paid)",
        "Access-Reject (wrong_password)",
    ]
    assert house.log(OTHER_MAC) == ["Access-Reject (not_paid)"]


def test_a_waiting_device_is_seen_where_it_waits(server: FreeRadius, house: House) -> None:
    assert ask(server, login()) == "Access-Reject"
    assert ask(server, login(OTHER_MAC, "guess").replace(MAC, OTHER_MAC)) == "Access-Reject"

    def seen() -> list[tuple[str, int]]:
        with house.rows() as rows:
            return [tuple(row) for row in rows.exec_driver_sql("SELECT mac, router_id FROM sighting").all()]

    within(30, lambda: seen() == [(MAC, house.router_id)])


def test_the_collector_dies_and_comes_back_and_no_line_is_missing_or_doubled(server: FreeRadius, house: House) -> None:
    house.pay()
    for asked in (10, 20, 30):
        for _ in range(9):
            assert ask(server, login()) == "Access-Accept"
        server.kill_collector()
        assert ask(server, login(), seconds=2) == "Access-Accept", "it goes on without its collector"
        server.start_collector()
        within(30, partial(_logged, house, asked))
    time.sleep(0.5)
    assert len(house.log()) == 30


def _logged(house: House, lines: int) -> bool:
    return len(house.log()) == lines
