"""A phone that pays by card is lent a few slow minutes: it browses, is off when they are over, and paying takes their place."""

from __future__ import annotations

import html
import re
import urllib.parse
import urllib.request

import pytest

from core import network, tenants
from core.radius_tables import radacct
from sim.routeros import Device
from tests.journeys.told import assert_nothing_owed, assert_served_once, order, pay, until_prompted
from tests.town import CALLER, TV, Town

ACTIVE, QUEUES = "/ip/hotspot/active", "/queue/simple"
MEGA = 1_000_000


@pytest.fixture
def phone(town: Town) -> Device:
    """It waits at the market, where phones may take eight minutes to pay by card in."""
    town.package()
    with town.app.work(town.shop.tenant_id) as uow:
        site = tenants.add_site(uow, "market", "Market square")
        network.change_router(uow, network.find_router(uow, "market"), site_id=site.id)
        before = tenants.settings_of(uow)
        network.change_settings(uow, before.model_copy(update={"grace_minutes": 8, "grace_page": True}))
    device = town.plug_in()
    town.work_off()
    assert not device.online
    return device


def asks(town: Town) -> str:
    """The button of the arrival page is pressed; what the next page says. It waits for whatever comes of it."""
    address = f"{town.portal_base}/p/market?mac={TV}&l=en"
    with urllib.request.urlopen(address, timeout=30) as answer:
        page = html.unescape(answer.read().decode())
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    form = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"{town.portal_base}/p/market/grace", form, timeout=30) as answer:
        said = html.unescape(answer.read().decode())
    town.work_off()
    town.pass_time(31)
    found = re.search(r'role="status">([^<]*)<', said)
    assert found is not None, said
    return found[1]


def test_it_browses_slowly_and_is_off_when_its_time_is_over(town: Town, phone: Device) -> None:
    assert "Pay now" in asks(town)
    assert phone.online
    (row,), (queue,) = town.router.rows(ACTIVE), town.router.rows(QUEUES)
    assert row["session-time-left"].startswith("7m")
    assert queue["max-limit"] == "512000/512000"
    assert phone.move_traffic(0, MEGA) == MEGA
    town.pass_time(480)
    assert not phone.online and phone.move_traffic(0, MEGA) == 0
    assert "has had its minutes for today" in asks(town)
    town.pass_time(60)
    assert not phone.online
    assert town.totals().get("revenue", 0) == 0 and town.subscriptions() == []
    assert_nothing_owed(town)


def test_the_router_ends_it_though_nothing_of_ours_lives_any_more(town: Town, phone: Device) -> None:
    asks(town)
    assert phone.online
    town.radius.stop()
    town.router_clock.advance(480)
    town.router.settle()
    assert not phone.online
    town.clock.advance(town.router_clock.now() - town.clock.now())


def test_paying_in_the_middle_takes_its_place_at_once(town: Town, phone: Device) -> None:
    asks(town)
    assert phone.online
    assert phone.move_traffic(0, MEGA) == MEGA
    order(town)
    until_prompted(town)
    assert phone.online, "the device that is paid for stays on meanwhile"
    pay(town)
    (row,), (queue,) = town.router.rows(ACTIVE), town.router.rows(QUEUES)
    assert row["session-time-left"].startswith(("2h59m", "3h")) and queue["max-limit"] == "2000000/5000000"
    town.pass_time(600)
    assert phone.online
    assert town.subscriptions(CALLER)[0].used_bytes == 0, "what was used before is nobody's"
    with town.app.engine.connect() as connection:
        classes = [row[0] for row in connection.execute(radacct.select().with_only_columns(radacct.c["class"]))]
    assert sorted(classes) == ["duka:0", f"duka:{town.subscriptions(CALLER)[0].id}"]
    assert_served_once(town)


def test_it_is_no_stray(town: Town, phone: Device) -> None:
    asks(town)
    with town.app.look(town.shop.tenant_id) as uow:
        router = network.address_of(uow, network.find_router(uow, "market"))
    loose = town.app.world(town.shop.tenant_id).strays.loose(router)
    assert [one.name for one in loose] == [TV]
    with town.app.look(town.shop.tenant_id) as uow:
        assert network.strays(uow, loose) == []
