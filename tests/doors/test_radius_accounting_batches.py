"""Reports that arrive together are recorded together: answered behind one commit, and no bad one among them harms the others."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from pyrad import packet as wire
from sqlalchemy import event, text

from radius.accounting import OUT_OF_REACH, Accounting
from radius.batch import Answer, Question
from radius.packet import decode
from tests.doors.radius_side import NAMES, SECRET, House, house

__all__ = ["house"]
POISON = "no-table-takes-this"


def report(number: int, status: str, user: str = "", total: int = 0, klass: str = "") -> bytes:
    """An Accounting-Request as it goes over the wire."""
    packet = wire.AcctPacket(wire.AccountingRequest, number % 256, SECRET.encode(), dict=NAMES)
    packet["Acct-Status-Type"], packet["Acct-Session-Id"] = status, f"{number:08x}"
    packet["User-Name"] = packet["Calling-Station-Id"] = user or f"02:00:00:00:{number // 256:02X}:{number % 256:02X}"
    packet["Acct-Output-Octets"] = total
    if klass:
        packet["Class"] = klass.encode()
    raw: bytes = packet.RequestPacket()
    return raw


def deliver(house: House, raws: list[bytes]) -> list[Answer]:
    """All at once to the accounting door, as the server does when that many wait in its socket."""
    client = next(client for address, client in house.server._clients.current().items() if address == "127.0.0.1")
    return list(Accounting(house.app).answer([Question(decode(raw), client, ("127.0.0.1", 1000)) for raw in raws]))


@contextmanager
def overheard(house: House, hear: Callable[[str], None]) -> Iterator[None]:
    """Every statement of the driver is told to `hear` before it goes to the database."""
    engine = house.app.engine

    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *values: Any, **how: Any) -> Any:
            if heard:
                heard[0](query)
            return super().execute(query, *values, **how)

    def give_cursor(connection: Any, *_more: Any) -> None:
        connection.cursor_factory = Cursor

    def say(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        hear(statement)

    heard = [hear]
    on_postgresql = engine.dialect.name == "postgresql"
    listener: Any = ("checkout", give_cursor) if on_postgresql else ("before_cursor_execute", say)
    event.listen(engine, *listener)
    try:
        yield
    finally:
        heard.clear()
        event.remove(engine, *listener)


@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []
    with overheard(house, sent.append):
        yield sent


def refuse(house: House) -> None:
    """The table does not take one user name."""
    with house.app.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text(
                    f"CREATE TRIGGER refuse BEFORE INSERT ON radacct WHEN NEW.username = '{POISON}'"
                    " BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
        else:
            connection.execute(
                text(
                    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$ BEGIN RAISE SQLSTATE '22000' USING MESSAGE = 'refused'; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON radacct FOR EACH ROW"
                    f" WHEN (NEW.username = '{POISON}') EXECUTE FUNCTION refuse()"
                )
            )


@pytest.fixture
def poisoned(house: House) -> Iterator[House]:
    refuse(house)
    yield house
    with house.app.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER refuse"))
        else:
            connection.execute(text("DROP TRIGGER refuse ON radacct"))
            connection.execute(text("DROP FUNCTION refuse()"))


def test_a_hundred_reports_cost_as_few_statements_as_two(house: House) -> None:
    subscription = house.pay(quota_bytes=10**12)
    klass = f"duka:{subscription}"
    costs = []
    for first, size in ((0, 2), (1000, 100)):
        with statements(house) as sent:
            answers = deliver(house, [report(first + n, "Stop", total=10, klass=klass) for n in range(size)])
        assert [answer.kind for answer in answers] == ["accounted"] * size
        costs.append(len(sent))
    assert 8 <= max(costs) <= 20
    assert house.used_bytes(subscription) == 1020
    assert len(house.sessions()) == 102


def test_a_session_that_somebody_ends_between_looking_and_writing_is_looked_at_again(house: House) -> None:
    """The clock ends silent sessions, and takes no locks for it. SQLite has one writer: there nobody comes in between."""
    subscription = house.pay(quota_bytes=10**12)
    klass = f"duka:{subscription}"
    deliver(house, [report(5, "Start", klass=klass)])
    house.pass_seconds(300)
    ended: list[str] = []

    def end_it(statement: str) -> None:
        if "acctupdatetime = v.heard" in statement and not ended:
            ended.append(statement)
            with house.app.engine.connect() as other, other.begin():
                other.execute(text("UPDATE radacct SET acctstoptime = acctupdatetime, acctterminatecause = 'Stale'"))

    with overheard(house, end_it):
        answers = deliver(house, [report(5, "Interim-Update", total=700, klass=klass)])
    assert [answer.kind for answer in answers] == ["accounted"]
    assert len(ended) == (house.app.engine.dialect.name == "postgresql")
    assert house.session().acctstoptime is None
    assert house.session().acctoutputoctets == 700
    assert house.used_bytes(subscription) == 700


def test_one_report_that_cannot_be_recorded_does_not_lose_the_others(poisoned: House) -> None:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("127.0.0.1", 0))
    client.settimeout(5)
    with client:
        for number in range(20):
            raw = report(number, "Start", POISON if number == 7 else "")
            client.sendto(raw, ("127.0.0.1", poisoned.server.acct_port))
        answered = {client.recv(4096)[1] for _ in range(19)}
    assert answered == set(range(20)) - {7}
    assert len(poisoned.sessions()) == 19
    poisoned.wait_for_count("not_recorded", 1)


def test_a_forged_report_among_others_is_dropped_alone(house: House) -> None:
    good, bad = report(1, "Start"), bytearray(report(2, "Start"))
    bad[5] ^= 1
    answers = deliver(house, [good, bytes(bad), report(3, "Interim-Update", total=9)])
    assert {(answer.question.packet.identifier, answer.kind) for answer in answers} == {
        (1, "accounted"), (2, "bad_signature"), (3, "accounted"),
    }  # fmt: skip
    assert len(house.sessions()) == 2


@pytest.mark.parametrize(
    ("statuses", "forgettable"),
    [
        (["Interim-Update"], True), (["Interim-Update"] * 5, True), (["Start"], False), (["Stop"], False),
        (["Interim-Update", "Stop"], False), (["Accounting-On"], False), (["Interim-Update", "Accounting-Off"], False),
    ],
)  # fmt: skip
def test_only_interim_updates_do_not_wait_for_the_disk(house: House, statuses: list[str], forgettable: bool) -> None:
    with statements(house) as sent:
        answers = deliver(house, [report(number, status) for number, status in enumerate(statuses)])
    assert all(answer.raw for answer in answers)
    waits_not = any("synchronous_commit" in statement for statement in sent)
    assert waits_not == (forgettable and house.app.engine.dialect.name == "postgresql")


def test_a_database_that_hangs_up_amid_a_batch_is_a_database_out_of_reach_and_the_next_report_counts(
    house: House,
) -> None:
    """SQLite has nobody who could hang up."""
    if house.app.engine.dialect.name != "postgresql":
        return
    subscription = house.pay(quota_bytes=10**12)
    klass = f"duka:{subscription}"
    deliver(house, [report(5, "Start", klass=klass)])
    hung_up: list[str] = []

    def hang_up(statement: str) -> None:
        if "acctupdatetime = v.heard" in statement and not hung_up:
            hung_up.append(statement)
            with house.app.engine.connect() as other:
                its_process = text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
                    " WHERE locktype = 'advisory' AND datname = current_database()"
                )
                assert other.execute(its_process).all()

    with overheard(house, hang_up), pytest.raises(OUT_OF_REACH):
        deliver(house, [report(5, "Interim-Update", total=700, klass=klass)])
    assert hung_up
    assert house.session().acctoutputoctets == 0
    assert house.used_bytes(subscription) == 0
    answers = deliver(house, [report(5, "Interim-Update", total=700, klass=klass)])
    assert [answer.kind for answer in answers] == ["accounted"]
    assert house.used_bytes(subscription) == 700
