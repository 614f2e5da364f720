"""What is noted about logins reaches the database in the end, and one bad note spoils no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import network
from core.network import Knock, LogLine
from core.network.models import Sighting
from radius.clients import Clients
from radius.notes import NOTES_MAX, Notebook, Signs, Throttle, put_back
from tests.doors.radius_side import MAC, OTHER_MAC, House, house
from tests.services import eventually

__all__ = ["house"]


@pytest.fixture
def notebook(house: House) -> Iterator[Notebook]:
    made = Notebook(house.app, Clients(house.app))
    made.start()
    yield made
    made.stop()


def line(house: House, username: str) -> LogLine:
    return LogLine(username, "Access-Accept", "", "", house.clock.now())


def test_a_note_about_a_router_that_is_gone_takes_no_other_note_with_it(house: House, notebook: Notebook) -> None:
    for router_id, mac in ((house.router_id, MAC), (987_654, OTHER_MAC), (house.router_id, OTHER_MAC)):
        notebook.take([Knock(router_id, mac, house.clock.now())])
    assert notebook.settle(10)
    with house.app.work(house.tenant_id) as uow:
        assert sorted(network.waiting_devices(uow)) == [(MAC, "market"), (OTHER_MAC, "market")]


def test_notes_wait_while_the_database_is_away_and_are_written_in_order(house: House, notebook: Notebook) -> None:
    with house.without_database():
        notebook.take([line(house, "first")])
        assert not notebook.settle(0.1)
        notebook.take([line(house, "second")])
    eventually(lambda: notebook.settle(0.1))
    assert [row.username for row in house.log()] == ["first", "second"]


def test_while_the_database_is_away_the_newest_notes_are_kept(house: House, notebook: Notebook) -> None:
    with house.without_database():
        notebook.take([line(house, "first")])
        assert not notebook.settle(0.1)
        notebook.take(line(house, str(number)) for number in range(NOTES_MAX))
        assert not notebook.settle(1.0)
    eventually(lambda: notebook.settle(0.1), seconds=20)
    assert [row.username for row in house.log()] == [str(number) for number in range(NOTES_MAX)]


def test_notes_that_could_not_be_written_give_way_before_newer_ones() -> None:
    for maxlen, kept in ((5, [1, 2, 3, 4, 5]), (4, [2, 3, 4, 5]), (2, [4, 5])):
        notes = deque((Signs(number) for number in (4, 5)), maxlen=maxlen)
        put_back(notes, [Signs(number) for number in (1, 2, 3)])
        assert [note.router_id for note in notes] == kept


def test_what_is_left_is_written_before_the_server_ends(house: House) -> None:
    notebook = Notebook(house.app, Clients(house.app))
    notebook.start()
    for number in range(50):
        notebook.take([line(house, str(number))])
    notebook.stop()
    assert [row.username for row in house.log()] == [str(number) for number in range(50)]


def test_notes_of_one_group_about_the_same_device_are_one_sighting_of_the_latest_moment(
    house: House, notebook: Notebook
) -> None:
    later = house.clock.now() + timedelta(seconds=5)
    for at in (later, house.clock.now()):
        notebook.take([Knock(house.router_id, MAC, at)])
    assert notebook.settle(10)
    notebook.take([Knock(house.router_id, MAC, house.clock.now())])
    assert notebook.settle(10)
    with house.app.work(house.tenant_id) as uow:
        assert uow.session.scalars(select(Sighting.seen_at)).all() == [later]


def test_what_cannot_be_kept_gives_way_and_nothing_is_written_twice(house: House) -> None:
    notebook = Notebook(house.app, Clients(house.app))
    notebook.take(line(house, str(number)) for number in range(NOTES_MAX + 5))
    notebook.start()
    notebook.stop()
    names = [row.username for row in house.log()]
    assert names == [str(number) for number in range(5, NOTES_MAX + 5)]


def test_the_same_thing_passes_once_in_a_while_even_when_the_clock_is_set_back(house: House) -> None:
    throttle, now, half = Throttle(), house.clock.now(), timedelta(seconds=30)
    assert throttle.passes(now, half, "seen", 1, MAC)
    assert not throttle.passes(now + timedelta(seconds=29), half, "seen", 1, MAC)
    assert throttle.passes(now + timedelta(seconds=29), half, "seen", 2, MAC)
    assert throttle.passes(now + timedelta(seconds=30), half, "seen", 1, MAC)
    assert throttle.passes(now - timedelta(hours=1), half, "seen", 1, MAC)
