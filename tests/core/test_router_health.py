"""Does a router answer? One outage however it flickers, what it cost customers, and what is given back for it: once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select

from core import customers, network, subscriptions, tenants
from core.audit import AuditEntry
from core.config import Settings
from core.findings import RouterHealth
from core.messaging import Message
from core.network import Outage, Router
from core.outbox import Promise
from core.phone import Msisdn
from core.radius_tables import radacct
from core.subscriptions import Subscription
from jobs.sweeps import settle_outages
from tests.core.kit import CALLER, NEIGHBOUR, Shop, open_shop

ADDRESS = "10.9.0.2"
WELL = RouterHealth("market", "7.21.5", "hAP ac2", 3600, 0, 7, [], cpu_percent=4, serial="HF0")
SILENT = "router 'market' did not answer in time"


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    made = open_shop(settings)
    with made.work() as uow:
        network.add_router(uow, name="market", host=ADDRESS, username="duka", password="x", nas_address=ADDRESS)
    yield made
    made.app.close()


def up(shop: Shop) -> None:
    with shop.work() as uow:
        network.router_up(uow, 1, WELL)


def down(shop: Shop, times: int = 1) -> None:
    for _ in range(times):
        with shop.work() as uow:
            network.router_down(uow, 1, SILENT)
        shop.later(seconds=10)


def router(shop: Shop) -> Router:
    with shop.work() as uow:
        return network.find_router(uow, "market")


def outages(shop: Shop) -> list[Outage]:
    with shop.work() as uow:
        return list(network.outages_of(uow, network.find_router(uow, "market")))


def events(shop: Shop, name: str) -> list[AuditEntry]:
    with shop.work() as uow:
        return list(uow.session.scalars(select(AuditEntry).where(AuditEntry.event == name)))


def settle(shop: Shop) -> None:
    shop.later(minutes=6)
    settle_outages(shop.app)


def allow(shop: Shop, minutes: int | None) -> None:
    with shop.work() as uow:
        known = tenants.settings_of(uow)
        tenants.change_settings(uow, known.model_copy(update={"credit_after_minutes": minutes}))


def sold(shop: Shop, msisdn: str = CALLER, number: int = 1, hours: int = 3) -> int:
    """Somebody has a package; its subscription."""
    with shop.work() as uow:
        who = customers.recognise(uow, Msisdn(msisdn), "en")
        package = shop.package(uow, code=f"P{number}", hours=hours)
        return subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=number).id


def session(
    shop: Shop, subscription: int, *, heard_before: float = 60, address: str = ADDRESS, stopped: str | None = None
) -> None:
    """An open session that was heard of so many seconds ago; `stopped` is the reason it ended then."""
    now = shop.clock.now()
    heard = now - timedelta(seconds=heard_before)
    with shop.work() as uow:
        uow.session.execute(
            insert(radacct).values(
                acctsessionid=f"s{subscription}", acctuniqueid=f"u{subscription}", username="02:00:00:00:00:01",
                nasipaddress=address, acctstarttime=now - timedelta(hours=1), acctupdatetime=heard,
                acctstoptime=heard if stopped else None, acctterminatecause=stopped, **{"class": f"duka:{subscription}"},
            )
        )  # fmt: skip


def ends(shop: Shop, subscription: int) -> datetime:
    with shop.work() as uow:
        return uow.session.get_one(Subscription, subscription).ends_at


# ---- up and down -------------------------------------------------------------------------------------------------------


def test_what_it_says_of_itself_is_kept(shop: Shop) -> None:
    up(shop)
    found = router(shop)
    assert (found.version, found.board, found.serial) == ("7.21.5", "hAP ac2", "HF0")
    assert (found.uptime_seconds, found.cpu_percent, found.active_count) == (3600, 4, 7)
    assert found.up_since == shop.clock.now()


def test_one_failure_is_no_outage_and_is_looked_into_soon(shop: Shop) -> None:
    up(shop)
    down(shop)
    found = router(shop)
    assert found.down_since is not None
    assert found.up_since is None
    assert found.probe_at == shop.clock.now()  # ten seconds after the failure
    up(shop)
    assert router(shop).down_since is None
    assert outages(shop) == []


def test_many_failures_of_one_moment_are_one(shop: Shop) -> None:
    with shop.work() as uow:
        for _ in range(20):
            network.router_down(uow, 1, SILENT)
    assert outages(shop) == []


def test_an_outage_begins_with_the_first_failure(shop: Shop) -> None:
    up(shop)
    began = shop.clock.now()
    down(shop, 3)
    (outage,) = outages(shop)
    assert (outage.began_at, outage.ended_at) == (began, None)
    assert len(events(shop, "router.down")) == 1


def test_a_router_that_flickers_has_one_outage(shop: Shop) -> None:
    for _ in range(5):
        down(shop, 3)
        up(shop)
        shop.later(seconds=100)
        settle_outages(shop.app)
    (outage,) = outages(shop)
    assert outage.flaps == 4
    assert len(events(shop, "router.down")) == 1
    assert events(shop, "router.up") == []
    settle(shop)
    assert len(events(shop, "router.up")) == 1


def test_what_comes_after_a_steady_time_is_another_outage(shop: Shop) -> None:
    for _ in range(2):
        down(shop, 2)
        up(shop)
        settle(shop)
    assert len(outages(shop)) == 2
    assert len(events(shop, "router.down")) == len(events(shop, "router.up")) == 2


# ---- whose time comes --------------------------------------------------------------------------------------------------


def test_each_router_is_taken_once_and_then_again_after_its_time(shop: Shop) -> None:
    every = timedelta(seconds=60)
    with shop.app.work(None) as uow:
        assert network.somebody_waits_for_a_look(uow)
        assert [address.name for _, address in network.due_for_a_look(uow, every, 10)] == ["market"]
    with shop.app.work(None) as uow:
        assert not network.somebody_waits_for_a_look(uow)
        assert network.due_for_a_look(uow, every, 10) == []
    shop.later(seconds=60)
    with shop.app.work(None) as uow:
        assert len(network.due_for_a_look(uow, every, 10)) == 1


def test_new_routers_get_moments_of_their_own(shop: Shop) -> None:
    with shop.work() as uow:
        for number in range(3, 12):
            address = f"10.9.0.{number}"
            network.add_router(uow, name=address, host=address, username="u", password="p", nas_address=address)
    with shop.app.work(None) as uow:
        network.spread(uow, timedelta(seconds=60))
        moments = set(uow.session.scalars(select(Router.probe_at)))
    assert len(moments) == 10


# ---- what it cost ------------------------------------------------------------------------------------------------------


def test_time_lost_is_written_down_and_not_given_back_unless_the_isp_says_so(shop: Shop) -> None:
    number = sold(shop)
    session(shop, number)
    before = ends(shop, number)
    down(shop, 30)
    up(shop)
    settle(shop)
    (outage,) = outages(shop)
    assert (outage.customers, outage.lost_seconds) == (1, 300)
    assert ends(shop, number) == before


def test_time_lost_is_given_back_once_with_an_audit_line(shop: Shop) -> None:
    allow(shop, 5)
    mine, waiting = sold(shop), sold(shop, number=2)
    session(shop, mine)
    before, behind = ends(shop, mine), ends(shop, waiting)
    down(shop, 30)
    up(shop)
    settle(shop)
    settle_outages(shop.app)
    assert ends(shop, mine) == before + timedelta(seconds=300)
    assert ends(shop, waiting) == behind + timedelta(seconds=300)
    (line,) = events(shop, "subscription.time_given_back")
    assert (line.facts["seconds"], line.facts["router"]) == (300, "market")


def stretches(shop: Shop, msisdn: str = CALLER) -> list[Subscription]:
    with shop.work() as uow:
        who = customers.recognise(uow, Msisdn(msisdn), "en")
        return list(subscriptions.live(uow, who.id))


def told(shop: Shop) -> list[str]:
    with shop.work() as uow:
        return [message.text for message in uow.session.scalars(select(Message)) if message.template == "given_back"]


def time_passed(shop: Shop) -> None:
    """The sweeps see what has ended, and what waited for that."""
    with shop.app.work(None) as uow:
        subscriptions.close_ended(uow)
        subscriptions.begin_waiting(uow)


def test_whose_time_ran_out_meanwhile_has_the_lost_part_as_a_new_stretch_and_is_told(shop: Shop) -> None:
    allow(shop, 5)
    number = sold(shop)
    with shop.work() as uow:
        uow.session.get_one(Subscription, number).used_bytes = 7
        uow.session.get_one(Subscription, number).quota_bytes = 1000
    shop.later(hours=3, minutes=-10)
    session(shop, number)
    down(shop, 120)  # twenty minutes, ten of them after its end
    time_passed(shop)
    up(shop)
    settle(shop)
    settle_outages(shop.app)
    assert (outages(shop)[0].customers, outages(shop)[0].lost_seconds) == (1, 600)
    (stretch,) = stretches(shop)
    now = shop.clock.now()
    assert (stretch.begun_at, stretch.ends_at, stretch.over_at) == (now, now + timedelta(minutes=10), stretch.ends_at)
    assert (stretch.quota_bytes, stretch.used_bytes, stretch.device_limit) == (993, 0, 1)
    (line,) = events(shop, "subscription.time_given_back")
    assert (line.subject_id, line.facts["seconds"]) == (stretch.id, 600)
    (words,) = told(shop)
    assert "10m of it back" in words
    with shop.work() as uow:
        assert any(promise.kind == "SyncAccess" for promise in uow.session.scalars(select(Promise)))


@pytest.mark.parametrize("bought", ["before", "meanwhile"])
def test_who_has_something_else_by_then_has_it_for_longer(shop: Shop, bought: str) -> None:
    allow(shop, 5)
    number = sold(shop)
    behind = sold(shop, number=2) if bought == "before" else 0
    shop.later(hours=3, minutes=-10)
    session(shop, number)
    down(shop, 60)
    time_passed(shop)
    following = behind or sold(shop, number=2)
    before = ends(shop, following)
    down(shop, 60)
    up(shop)
    settle(shop)
    assert [row.id for row in stretches(shop)] == [following]
    assert ends(shop, following) == before + timedelta(minutes=20), "all of the outage was paid for"
    assert told(shop) == []


def test_who_was_stopped_by_hand_is_given_nothing_to_come_in_by(shop: Shop) -> None:
    allow(shop, 5)
    number = sold(shop)
    following = sold(shop, number=2)
    shop.later(hours=3, minutes=-10)
    session(shop, number)
    down(shop, 120)
    time_passed(shop)
    with shop.work() as uow:
        subscriptions.suspend(uow, uow.session.get_one(Subscription, following))
    up(shop)
    settle(shop)
    assert [row.id for row in stretches(shop)] == [following]
    assert events(shop, "subscription.time_given_back") == []


def test_a_short_outage_gives_nothing_back(shop: Shop) -> None:
    allow(shop, 5)
    number = sold(shop)
    session(shop, number)
    before = ends(shop, number)
    down(shop, 29)
    up(shop)
    settle(shop)
    assert ends(shop, number) == before


def test_who_was_elsewhere_or_had_left_lost_nothing(shop: Shop) -> None:
    allow(shop, 1)
    here, elsewhere = sold(shop), sold(shop, NEIGHBOUR, 2)
    gone = sold(shop, "+254733000999", 3)
    session(shop, here, stopped="Stale")
    session(shop, elsewhere, address="10.9.0.3")
    session(shop, gone, stopped="User-Request")
    before = {number: ends(shop, number) for number in (here, elsewhere, gone)}
    down(shop, 12)
    up(shop)
    settle(shop)
    assert outages(shop)[0].customers == 1
    moved = {number for number, moment in before.items() if ends(shop, number) != moment}
    assert moved == {here}


def test_while_reports_come_in_only_the_api_is_away_and_nobody_loses_anything(shop: Shop) -> None:
    allow(shop, 1)
    number = sold(shop)
    session(shop, number)
    before = ends(shop, number)
    down(shop, 10)
    with shop.work() as uow:
        uow.session.execute(radacct.update().values(acctupdatetime=shop.clock.now()))
    down(shop, 2)
    up(shop)
    settle(shop)
    (outage,) = outages(shop)
    assert (outage.customers, outage.lost_seconds) == (0, 0)
    assert ends(shop, number) == before
