"""People who are online without us are found with evidence, and ended one at a time; who bought is never among them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import network
from core.errors import NotAllowed
from core.network import Stray
from core.ports import RouterAddress
from core.roles import Actor
from core.strays import BINDING, LINE, SECRET, SESSION, USER, Loose
from tests.journeys.told import ordered, pay
from tests.town import TV, Town

GHOST = "02:00:5E:10:77:77"


def market(town: Town) -> RouterAddress:
    with town.app.look(town.shop.tenant_id) as uow:
        return network.address_of(uow, network.find_router(uow, "market"))


def found(town: Town) -> list[Stray]:
    loose = town.app.world(town.shop.tenant_id).strays.loose(market(town))
    with town.app.look(town.shop.tenant_id) as uow:
        return network.strays(uow, loose)


def end(town: Town, one: Stray) -> bool:
    return town.app.world(town.shop.tenant_id).strays.end(market(town), one.what)


def local_user(town: Town) -> None:
    """Somebody at the box makes a user of his own, and a device comes in with it."""
    town.router.run("/ip/hotspot/user/add", name="cousin", password="x", comment="for my cousin")
    device = town.router.plug_in(GHOST)
    town.router.run("/ip/hotspot/active/login", user="cousin", password="x", ip=device.ip, mac_address=GHOST)
    assert device.online


def test_who_bought_is_no_stray(town: Town) -> None:
    ordered(town)
    pay(town)
    assert len(town.router.rows("/ip/hotspot/active")) == 1
    assert found(town) == []


def test_a_session_of_a_local_user_and_the_user_are_told_with_what_shows_it(town: Town) -> None:
    ordered(town)
    pay(town)
    local_user(town)
    strays = found(town)
    assert [(one.what.kind, one.what.name) for one in strays] == [(SESSION, "cousin"), (USER, "cousin")]
    assert "let 'cousin' in by itself" in strays[0].evidence
    assert strays[0].what.mac == GHOST
    assert "made by hand" in strays[1].evidence and strays[1].what.note == "for my cousin"


def test_each_is_ended_by_one_action_and_nothing_else_is_touched(town: Town) -> None:
    device = ordered(town)
    pay(town)
    local_user(town)
    town.router.run("/ip/hotspot/ip-binding/add", mac_address="02:00:00:00:00:09", type="bypassed")
    town.router.run("/ip/hotspot/ip-binding/add", mac_address="02:00:00:00:00:0A", type="blocked")
    town.router.run("/ppp/secret/add", name="uncle", password="y")
    kinds = [one.what.kind for one in found(town)]
    assert kinds == [SESSION, USER, SECRET, BINDING]
    for left in range(3, -1, -1):
        assert end(town, found(town)[0])
        assert len(found(town)) == left
    assert device.online
    assert [row["mac-address"] for row in town.router.rows("/ip/hotspot/ip-binding")] == ["02:00:00:00:00:0A"]
    assert [row["name"] for row in town.router.rows("/ip/hotspot/user")] == ["default-trial"]


def test_ending_what_went_by_itself_says_so(town: Town) -> None:
    local_user(town)
    session, user = found(town)
    assert end(town, user)
    assert not end(town, user)
    assert end(town, session)


def test_a_device_that_stays_after_its_time_is_over_is_found(town: Town) -> None:
    device = ordered(town)
    pay(town)
    town.clock.advance(timedelta(hours=3, minutes=2))
    assert found(town) == []
    town.clock.advance(timedelta(minutes=10))
    (stray,) = found(town)
    assert device.online
    assert stray.what.name == TV
    assert "was over 12 minutes ago" in stray.evidence
    assert end(town, stray)
    assert TV not in [row["user"] for row in town.router.rows("/ip/hotspot/active")]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (Loose(SESSION, GHOST, GHOST, by_radius=True), "belongs to nobody"),
        (Loose(SESSION, "free-for-all", GHOST, by_radius=True), "belongs to nobody"),
        (Loose(LINE, "home-7", by_radius=True), "belongs to nobody"),
        (Loose(LINE, GHOST, by_radius=True), "belongs to nobody"),
        (Loose(BINDING), "every device needs no package"),
    ],
)
def test_whatever_nobody_was_sold_is_told(town: Town, what: Loose, text: str) -> None:
    with town.app.look(town.shop.tenant_id) as uow:
        (stray,) = network.strays(uow, [what])
    assert text in stray.evidence


def test_ending_one_stands_on_record_and_is_not_for_everybody(town: Town) -> None:
    with town.app.work(town.shop.tenant_id) as uow:
        network.stray_ended(uow, network.find_router(uow, "market"), Loose(USER, "cousin"))
    with town.app.look(town.shop.tenant_id, Actor.staff(1, "cashier")) as uow, pytest.raises(NotAllowed):
        network.strays(uow, [])
