"""What should be on a router follows from the records; what came of comparing is told once. On both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from core import network, tenants
from core.audit import AuditEntry
from core.blueprint import Blueprint, Scope, WireGuard
from core.config import Radius, Settings, Tunnel
from core.network import Router
from core.outbox import Promise
from core.planning import Applied, RouterPlan
from core.uow import UnitOfWork
from tests.core.kit import ACCOUNTS, Shop, open_shop

DRIFT = RouterPlan("7.21.5", "hAP", ("/radius/incoming: accept no → yes",))


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    here = settings.model_copy(
        update={
            "public_url": "https://pay.example.net/",
            "radius": Radius(host="192.0.2.1"),
            "tunnel": Tunnel(host="vpn.example.net"),
        }
    )
    shop = open_shop(here)
    yield shop
    shop.app.close()


def add(uow: UnitOfWork, name: str = "market", **extras: str | int | None) -> Router:
    given = {"host": "10.8.0.2", "nas_address": "10.8.0.2", "username": "duka", "password": "p"} | extras
    return network.add_router(uow, name=name, **given)  # type: ignore[arg-type]


def blueprint(shop: Shop, **layout: str | bool) -> Blueprint:
    with shop.work() as uow:
        made = add(uow, site_id=tenants.add_site(uow, "market", "Market").id)
        made.layout = made.layout.model_copy(update=layout)
        return network.blueprint_of(uow, made)


def told(shop: Shop, router_id: int) -> list[str]:
    with shop.work() as uow:
        rows = uow.session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [row.event for row in rows if row.subject_type == "router" and row.subject_id == router_id]


def test_an_existing_router_gets_what_selling_needs_and_nothing_else(shop: Shop) -> None:
    found = blueprint(shop)
    assert found.scope is Scope.SERVICE
    assert (found.lan, found.tunnel, found.wan_interface, found.pages) == (None, None, "", "")
    assert (found.radius.host, found.radius.auth_port, found.radius.src_address) == ("192.0.2.1", 1812, "")
    assert found.login_url == "https://pay.example.net/p/market"
    assert [(one.why, one.host) for one in found.garden] == [("portal", "pay.example.net")]
    assert found.api is not None and found.api.allowed == ("192.0.2.1",)


def test_a_whole_box_gets_a_network_of_its_own(shop: Shop) -> None:
    found = blueprint(shop, scope="box", wan_interface="ether1", ssid="Market", lines=True)
    assert found.lan is not None
    assert (found.lan.address, found.lan.pool) == ("10.20.0.1/16", "10.20.0.2-10.20.255.254")
    assert (found.pages, found.ssid, found.wan_interface) == ("duka", "Market", "ether1")
    assert found.lines is not None


def test_a_router_with_a_tunnel_is_told_its_keys_and_speaks_from_inside(shop: Shop) -> None:
    with shop.work() as uow:
        made = network.add_tunnelled_router(uow, name="hill", username="duka", password="p")
        found = network.blueprint_of(uow, made)
    assert isinstance(found.tunnel, WireGuard)
    assert (found.tunnel.address, found.tunnel.server_network) == ("10.77.0.2/32", "10.77.0.1/32")
    assert (found.radius.host, found.radius.src_address) == ("10.77.0.1", "10.77.0.2")
    assert found.tunnel.private_key not in repr(found)


def test_a_router_that_could_not_find_us_has_no_blueprint(shop: Shop) -> None:
    with shop.work() as uow:
        made = add(uow)
        made.layout = made.layout.model_copy(update={"radius_address": "0.0.0.0"})
        with pytest.raises(network.NoRadiusAddress):
            network.blueprint_of(uow, made)


def test_a_difference_is_told_when_it_comes_and_when_it_goes(shop: Shop) -> None:
    with shop.work() as uow:
        router_id = add(uow).id
    for plan in (RouterPlan("7", ""), DRIFT, DRIFT, DRIFT):
        shop.later(minutes=5)
        with shop.work() as uow:
            network.checked(uow, router_id, plan)
    assert told(shop, router_id) == ["router.added", "router.drifted"]
    with shop.work() as uow:
        row = network.router(uow, router_id)
        assert row.drift == "/radius/incoming: accept no → yes"
        assert row.checked_at == uow.now
        assert row.drift_since is not None and (uow.now - row.drift_since).total_seconds() == 600
        network.applied(uow, router_id, Applied(DRIFT.steps))
        assert row.drift is None and row.drift_since is None and row.applied_at == uow.now
    assert told(shop, router_id)[2:] == ["router.applied", "router.in_step"]


def test_an_apply_that_stopped_leaves_the_rest_on_record(shop: Shop) -> None:
    with shop.work() as uow:
        router_id = add(uow).id
        network.applied(uow, router_id, Applied(("a: b",), ("c: d",), (), "it was cut"))
        row = network.router(uow, router_id)
        assert (row.drift, row.applied_at) == ("c: d", None)


def promised(shop: Shop) -> list[tuple[str, int]]:
    with shop.work() as uow:
        rows = uow.session.scalars(select(Promise).where(Promise.kind.in_(("TendGarden", "CheckRouter"))))
        return [(row.kind, row.payload["router_id"]) for row in rows]


def test_the_gardens_follow_the_settings_where_we_have_been_before(shop: Shop) -> None:
    with shop.work() as uow:
        first, _ = add(uow), add(uow, "hill", host="10.8.0.3", nas_address="10.8.0.3")
        network.applied(uow, first.id, Applied(()))
    with shop.work() as uow:
        network.change_settings(uow, ACCOUNTS.model_copy(update={"help_line": "0700"}))
    assert promised(shop) == []
    for settings in (ACCOUNTS.model_copy(update={"garden_extra": ("news.example.net",)}), ACCOUNTS):
        with shop.work() as uow:
            network.change_settings(uow, settings)
    assert promised(shop) == [("TendGarden", first.id)], "one promise is enough for two changes"


def test_another_isps_gardens_are_left_alone(shop: Shop) -> None:
    other = open_shop(shop.app.settings, "other", shop.app)
    with shop.work() as uow:
        network.applied(uow, add(uow).id, Applied(()))
    with other.work() as uow:
        network.change_settings(uow, ACCOUNTS.model_copy(update={"garden_extra": ("news.example.net",)}))
    assert promised(shop) == []


def test_every_router_that_answers_is_compared_by_the_clock(shop: Shop) -> None:
    with shop.work() as uow:
        first, second = add(uow), add(uow, "hill", host="10.8.0.3", nas_address="10.8.0.3")
        second.down_since = uow.now
    for found in (1, 0):
        with shop.app.work(None) as uow:
            assert network.check_all(uow) == found
    assert promised(shop) == [("CheckRouter", first.id)]
