"""Many routers asking at once: one question to the database, payers first, and one bad packet spoils no other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert
from structlog.testing import capture_logs

from core.app import App
from core.radius_tables import radacct, radcheck, radius_user, radreply
from radius.authentication import Authentication
from radius.batch import Answer, Question
from radius.clients import Clients
from radius.notes import Notebook
from radius.packet import ACCESS_ACCEPT, decode, reply
from radius.reports import LINES_MAX, PERIOD_SECONDS, Reports
from radius.server import RadiusServer
from tests.doors.radius_side import MAC, OTHER_MAC, SECRET, Ask, House, accepted, house, words
from tests.doors.test_radius_wire import is_well
from tests.services import eventually

__all__ = ["house"]

PAYERS, WAITING, CHUNK = 1500, 100, 250


class Desk:
    """The door for logins alone: batches in, answers out, and what it wants to be noted."""

    def __init__(self, house: House) -> None:
        self.clients = Clients(house.app)
        self.notebook = Notebook(house.app, self.clients)
        self.door = Authentication(house.app, self.clients, self.notebook)

    def answer(self, *logins: tuple[Ask, bytes]) -> list[Answer]:
        """What becomes of these logins, in the order in which it is sent."""
        known = self.clients.current()
        return list(
            self.door.answer([Question(decode(raw), known[ask.source], (ask.source, 1)) for ask, raw in logins])
        )


@contextmanager
def statements(app: App) -> Iterator[list[str]]:
    """What the database is asked meanwhile."""
    asked: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement != "BEGIN":
            asked.append(statement)

    event.listen(app.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(app.engine, "before_cursor_execute", note)


def test_a_batch_of_several_isps_is_one_question_and_payers_are_answered_first(house: House) -> None:
    theirs = house.add_router("127.0.0.2", "tunnel-secret-2", house.open_isp("uplands"))
    house.pay(OTHER_MAC)
    house.pay(MAC, tenant_id=theirs_of(house, theirs))
    desk = Desk(house)
    logins = [
        (house.ask, house.ask.login_bytes(MAC)),
        (theirs, theirs.login_bytes(OTHER_MAC)),
        (house.ask, house.ask.login_bytes(MAC, "guess")),
        (theirs, theirs.login_bytes(MAC)),
        (theirs, Ask(theirs.server, theirs.source, "another secret").login_bytes(MAC)),
        (house.ask, house.ask.login_bytes(OTHER_MAC)),
    ]
    desk.clients.current()
    with statements(house.app) as asked:
        answers = desk.answer(*logins)
    assert len(asked) == 1, asked
    assert [answer.kind for answer in answers] == [
        "bad_signature",
        "accepted",
        "accepted",
        "rejected",
        "rejected",
        "rejected",
    ]
    assert [answer.question.packet.raw for answer in answers] == [logins[n][1] for n in (4, 3, 5, 2, 0, 1)]
    said = {answer.question.packet.raw: answer.raw or b"" for answer in answers}
    assert b"No package for this device." in said[logins[0][1]]
    assert b"Kifaa hiki hakina kifurushi." in said[logins[1][1]]


def theirs_of(house: House, ask: Ask) -> int:
    return Clients(house.app).current()[ask.source].tenant_id


def test_nobody_asks_the_database_for_who_did_not_prove_anything(house: House) -> None:
    desk = Desk(house)
    desk.clients.current()
    with statements(house.app) as asked:
        answers = desk.answer(*((house.ask, house.ask.login_bytes(MAC, f"guess {n}")) for n in range(20)))
    assert asked == []
    assert {answer.kind for answer in answers} == {"rejected"}


def test_a_router_that_signs_is_believed_no_unsigned_word_from_the_same_batch_on(house: House) -> None:
    house.pay()
    ask = house.ask
    answers = Desk(house).answer(*((ask, ask.login_bytes(signed=signed)) for signed in (False, True, False)))
    assert sorted(answer.kind for answer in answers) == ["accepted", "accepted", "unsigned"]


def test_sessions_of_the_same_name_at_another_isp_are_not_counted(house: House) -> None:
    """`radacct` knows names as routers do, without a realm."""
    uplands = house.open_isp("uplands")
    house.add_router("127.0.0.2", "tunnel-secret-2", uplands)
    house.pay()
    with house.app.engine.begin() as connection:
        connection.execute(insert(radcheck).values(username=MAC, attribute="Simultaneous-Use", op=":=", value="1"))
    for number, (router, device, fits) in enumerate(
        (("127.0.0.2", OTHER_MAC, True), ("127.0.0.1", MAC, True), ("127.0.0.1", OTHER_MAC, False))
    ):
        with house.app.engine.begin() as connection:
            connection.execute(
                insert(radacct).values(
                    acctsessionid=str(number), acctuniqueid=str(number), username=MAC, nasipaddress=router,
                    acctstarttime=house.clock.now(), acctupdatetime=house.clock.now(), callingstationid=device,
                )
            )  # fmt: skip
        assert accepted(house.ask.login()) is fits
    assert words(house.ask.login()).startswith("Too many devices")
    house.pass_seconds(901)
    assert accepted(house.ask.login())


def test_a_town_that_comes_back_is_let_in_while_others_knock_and_knocking_fills_no_log(house: House) -> None:
    fill(house.app, PAYERS)
    payers = [device(number) for number in range(PAYERS)]
    waiting = [device(number) for number in range(PAYERS, PAYERS + WAITING)]
    threads = threading.active_count()
    for _ in range(3):
        house.pass_seconds(31)
        told = storm(house, [*waiting, *payers])
        assert {name for name, code in told.items() if code == 2} == set(payers)
        assert {name for name, code in told.items() if code == 3} == set(waiting)
    log = [row.reply for row in house.log()]
    assert log.count("Access-Reject (not_paid)") == WAITING
    assert log.count("Access-Accept") == len(log) - WAITING
    assert threading.active_count() == threads
    assert "bug" not in house.server.counts()


def device(number: int) -> str:
    return f"02:00:00:00:{number // 256:02X}:{number % 256:02X}"


def fill(app: App, count: int) -> None:
    """So many devices have paid."""
    with app.engine.begin() as connection:
        for table, attribute, value in (
            (radcheck, "Expiration", "2096495999"),
            (radreply, "Mikrotik-Rate-Limit", "2M/5M"),
        ):
            connection.execute(
                insert(table),
                [{"username": device(n), "attribute": attribute, "op": ":=", "value": value} for n in range(count)],
            )
        connection.execute(
            insert(radius_user),
            [{"username": device(n), "tenant_id": 1, "subscription_id": 0, "metered": False} for n in range(count)],
        )


def storm(house: House, names: list[str]) -> dict[str, int]:
    """All of these ask at once, and again while they are not answered; what each was told."""
    told: dict[str, int] = {}
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(-(-len(names) // CHUNK))]
    asked: dict[tuple[int, int], tuple[str, bytes]] = {}
    for index, name in enumerate(names):
        which, number = divmod(index, CHUNK)
        asked[which, number] = (name, numbered(house.ask, name, number))
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
            each.settimeout(0.2)
        for _ in range(20):
            open_ = {key: value for key, value in asked.items() if value[0] not in told}
            for (which, _), (_, raw) in open_.items():
                sockets[which].sendto(raw, ("127.0.0.1", house.server.auth_port))
            for which, each in enumerate(sockets):
                expected = sum(key[0] == which for key in open_)
                while expected:
                    try:
                        answer = each.recv(4096)
                    except TimeoutError:
                        break
                    told[asked[which, answer[1]][0]] = answer[0]
                    expected -= 1
            if len(told) == len(names):
                break
    finally:
        for each in sockets:
            each.close()
    return told


def numbered(ask: Ask, name: str, number: int) -> bytes:
    """A login with this identifier, unsigned: the signature would have to be made anew."""
    raw = ask.login_bytes(name, signed=False)
    return raw[:1] + bytes((number,)) + raw[2:]


def test_more_than_the_kernel_can_hold_is_lost_and_does_no_harm(house: House) -> None:
    house.pay()
    login = house.ask.login_bytes()
    with house.ask.bare() as bare, house.without_database():
        for number in range(20_000):
            bare.sendto(login[:1] + bytes((number % 256,)) + login[2:], ("127.0.0.1", house.server.auth_port))
    eventually(house.ask.is_answered, seconds=20)
    assert "bug" not in house.server.counts()
    assert is_well(house)


class Stumbling:
    """A door that falls over one name, and lets everybody else in."""

    def answer(self, batch: Sequence[Question]) -> Iterator[Answer]:
        for question in batch:
            if question.packet.text("User-Name") == "poison":
                raise ZeroDivisionError
            yield Answer(question, reply(question.packet, ACCESS_ACCEPT, SECRET.encode()), "accepted")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_packet_that_finds_a_bug_takes_no_other_packet_with_it(house: House) -> None:
    stumbling = RadiusServer(house.app, "127.0.0.1", 0, 0, logins=Stumbling())
    stumbling.start()
    try:
        ask = Ask(stumbling)
        names = [f"user{n}" for n in range(30)]
        with ask.bare() as bare:
            for number, name in enumerate([*names[:15], "poison", *names[15:]]):
                bare.sendto(numbered(ask, name, number), ("127.0.0.1", stumbling.auth_port))
            answered = {bare.recv(4096)[1] for _ in names}
        assert answered == set(range(31)) - {15}
        eventually(lambda: stumbling.counts().get("bug", 0) >= 1)
        assert stumbling.counts()["bug"] <= 2, "once among others, once alone"
        assert accepted(ask.login("somebody"))
    finally:
        stumbling.stop()


# ---- what is reported --------------------------------------------------------------------------------------------------


def test_strangers_are_reported_once_a_minute_and_never_flood_the_log(house: House) -> None:
    now = 0.0
    reports = Reports(lambda: now)
    with capture_logs() as lines:
        for _ in range(3):
            for number in range(500):
                reports.not_answered("unknown_source", f"10.0.{number // 256}.{number % 256}")
        assert len(lines) == LINES_MAX
        assert lines[0]["hint"] == "router not registered?"
        now = PERIOD_SECONDS
        reports.not_answered("unknown_source", "10.0.0.0")
    assert [line["event"] for line in lines[LINES_MAX:]] == ["radius.more_not_answered", "radius.not_answered"]
    assert lines[LINES_MAX]["packets"] == 3 * 500 - LINES_MAX


def test_each_trouble_of_each_router_is_told_by_itself() -> None:
    reports = Reports()
    with capture_logs() as lines:
        for _ in range(3):
            reports.not_answered("unknown_source", "10.0.0.1")
            reports.not_answered("bad_signature", "10.0.0.1")
            reports.not_answered("unknown_source", "10.0.0.2")
    assert [(line["why"], line["address"]) for line in lines] == [
        ("unknown_source", "10.0.0.1"), ("bad_signature", "10.0.0.1"), ("unknown_source", "10.0.0.2"),
    ]  # fmt: skip
